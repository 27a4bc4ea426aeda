package conf

// syncKeys are the keys of registry-sync.
func syncKeys() []Key {
	return inSections([]Key{
		{Name: "from", Type: String, Since: motand, Description: "id of the registry that is copied from; with patterns zookeeper or etcd"},
		{Name: "to", Type: String, Since: motand, Description: "id of the registry where the copies are announced: zookeeper or etcd"},
		{Name: "group", Type: List, Since: motand, Description: "groups that are copied: names, or patterns with * ? [a-z]"},
		{Name: "service", Type: List, Default: "*", Since: motand, Description: "services of these groups: names or patterns"},
		{Name: "toGroup", Type: String, Since: motand, Description: "group of the copies, where group is one name; only callers that are motand can call them then"},
		{Name: "groupPrefix", Type: String, Since: motand, Description: "before the group of the copies; likewise"},
		{Name: "groupSuffix", Type: String, Since: motand, Description: "after the group of the copies; likewise"},
		{Name: "hops", Type: Int, Default: "1", Min: 1, Max: 16, Since: motand, Description: "how often a node may be copied: 1 copies only providers that came by themselves"},
		{Name: "maxNodes", Type: Int, Default: "10000", Min: 1, Max: 100000, Since: motand, Description: "nodes that are copied at most"},
		{Name: "lookInterval", Type: Int, Unit: "ms", Default: "30000", Min: 1000, Max: 3600000, Since: motand, Description: "how often services that fit a pattern are looked for"},
	}, sectionSync)
}
