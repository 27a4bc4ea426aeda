package conf

// trafficKeys are those of a rule of motan-traffic.
func trafficKeys() []Key {
	keys := inSections([]Key{
		{Name: "name", Type: String, Description: "name of the rule, one of its kind in the list"},
		{Name: "caller", Type: List, Description: "applications that call (M_s); a* is all that begin so"},
		{Name: "ip", Type: List, Description: "addresses and networks that calls come from, such as 10.1.0.0/16; a unix socket is 127.0.0.1"},
		{Name: "method", Type: List, Description: "methods; get* is all that begin so"},
		{Name: "metadata", Type: Mapping, Description: "key: value, all of which must fit; a value is a text, a* for all that begin so, ~a for a regular expression, or a list of such"},
		{Name: "argument", Type: Mapping, Description: "place: value likewise, of bodies in simple or JSON: 0 is the first argument, 0.user.id lies in its maps; without a number it is the first argument"},
		{Name: "percent", Type: Float, Unit: "%", Default: "100", Description: "share of those calls"},
		{Name: "sticky", Type: String, Description: "metadata:key or argument:place whose value decides for share and group instead of chance, the same everywhere and always"},
		{Name: "group", Type: List, Description: "group that the calls go to, or several with weights, as in a:3,b; default the refer's own"},
		{Name: "nodes", Type: Mapping, Description: "parameter: value that a node must have"},
		{Name: "fallback", Type: Bool, Default: "true", Description: "calls take the refer's own nodes while the group or the nodes are not known, or are none"},
		{Name: "ramp.step", Type: Float, Unit: "%", Description: "makes the share grow by so much at a time"},
		{Name: "ramp.from", Type: Float, Unit: "%", Description: "share at the beginning; default ramp.step"},
		{Name: "ramp.to", Type: Float, Unit: "%", Default: "100", Description: "share at the end"},
		{Name: "ramp.every", Type: Int, Unit: "ms", Default: "300000", Min: 1, Max: 604_800_000, Description: "between two steps, at least 1000"},
		{Name: "ramp.errorPercent", Type: Float, Unit: "%", Default: "5", Description: "share of failed calls that stops it"},
		{Name: "ramp.calls", Type: Int, Default: "100", Min: 1, Description: "calls in ramp.window below which their share says nothing"},
		{Name: "ramp.window", Type: Int, Unit: "ms", Default: "60000", Min: 1, Max: 3_600_000, Description: "time over which calls are counted, at least 1000"},
		{Name: "ramp.onError", Type: String, Default: "rollback", Values: []string{"rollback", "hold"}, Description: "what stops means: no calls any more, or no more than now"},
		{Name: "ramp.start", Type: String, Default: "auto", Values: []string{"auto", "manual"}, Description: "auto: at once; manual: when the management API says so"},
	}, sectionTraffic)
	for i := range keys {
		keys[i].Since = motand
	}
	return keys
}
