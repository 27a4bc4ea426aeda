package conf

// registryKeys are the keys of motan-registry.
func registryKeys() []Key {
	return inSections([]Key{
		{Name: "protocol", Type: String, Description: "kind of registry"},
		{Name: "host", Type: String, Description: "host; address is not read where host and port are written"},
		{Name: "port", Type: Port, Description: "port"},
		{Name: "address", Type: List, Description: "host:port, several; direct takes unix:///path too"},
		{Name: "group", Type: String, Description: "direct: group of the nodes instead of the refer's"},
		{Name: "path", Type: String, Description: "file: the file with the nodes"},
		{Name: "file", Type: String, Since: motand, Description: "the same as path"},
		{Name: "application", Type: String, Description: "carried"},
		{Name: "registrySessionTimeout", Type: Int, Unit: "s", Default: "30", Min: 1, Description: "session with the registry, 4 to 60 s; 1000 and more are read as milliseconds"},
		{Name: "requestTimeout", Type: Int, Unit: "ms", Default: "5000", Min: 1, Description: "time for a request to the registry"},
		{Name: "connectTimeout", Type: Int, Unit: "ms", Default: "1000", Min: 1, Description: "time for a dial"},
		{Name: "proxyRegistry", Type: String, Description: "mesh: protocol://host:port of the registry behind the agent; for programs, an agent has no use for it"},
		{Name: "shrink_protection", Type: Bool, Default: "true", Since: motand, Description: "keep nodes that answer when the registry loses most of a service's nodes, or all, within a minute; a file is always believed"},
		{Name: "shrink_threshold", Type: Int, Unit: "%", Default: "50", Min: 1, Max: 99, Since: motand, Description: "nodes of a service that may go within a minute"},
		{Name: "shrink_grace", Type: Int, Unit: "ms", Default: "600000", Min: 1, Since: motand, Description: "how long such nodes are kept while others are listed; when nobody is, as long as they answer"},
		{Name: "meshName", Type: String, Since: motand, Description: "what copies of registry-sync are marked with; all agents call a registry the same; default the id"},
		{Name: "registryRetryPeriod", Type: Int, NoEffect: true, Description: "never read"},
		{Name: "ref", Type: String, NoEffect: true, Description: "never read"},
	}, sectionRegistry)
}

// otherKeys are those of the smaller sections. Those of metrics are read without regard to case.
func otherKeys() []Key {
	keys := inSections([]Key{
		{Name: "match", Type: String, Description: "path, prefix or regular expression"},
		{Name: "type", Type: String, Default: "start", Values: []string{"exact", "start", "regexp", "iregexp"}, Description: "how match is read"},
		{Name: "upstream", Type: String, Description: "service that is called"},
		{Name: "rewriteRules", Type: Items, Description: "texts of four words: [!]type condition pattern replacement"},
	}, sectionLocations)
	keys = append(keys, inSections([]Key{
		{Name: "URL_FORMAT", Type: String, Description: "URL with at most one %s for the method"},
		{Name: "HTTP_REQUEST_METHOD", Type: String, Default: "GET", Values: []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"}, Description: "verb"},
		{Name: "path", Type: String, Since: motand, Description: "path of an HTTP/JSON service behind proxyAddress, with {0} or {name} for an argument and {method} for the method: arguments and answers are converted"},
		{Name: "arguments", Type: List, Max: 64, Since: motand, Description: "with path, where each argument goes: name (the path, else the query of a GET, else a member of the body), query:name, header:Name, body, body:name"},
		{Name: "result", Type: String, Since: motand, Description: "with path, type of the answer's value, such as int, long, java.lang.String or java.util.Map; default as the JSON has it"},
	}, sectionHTTPService)...)
	keys = append(keys, inSections([]Key{
		{Name: "period", Type: Int, Unit: "s", Default: "5", Min: 1, Max: 3600, Description: "how often metrics are sent"},
		{Name: "processor", Type: Int, Default: "1", Min: 1, Description: "motan-go's goroutines for metrics; not needed here"},
		{Name: "exemplars", Type: Bool, Default: "false", Since: motand, Description: "durations on /metrics name a traced call for each bucket, in OpenMetrics, which Prometheus asks for"},
		{Name: "graphite", Type: Items, Description: "receivers: name, host, port"},
	}, sectionMetrics)...)
	return append(keys, inSections([]Key{
		{Name: "name", Type: String, Description: "name of the receiver"},
		{Name: "host", Type: String, Description: "host"},
		{Name: "port", Type: Port, Description: "port"},
		{Name: "format", Type: String, Default: "statsd", Values: []string{"statsd", "carbon"}, Since: motand, Description: "statsd: motan-go's lines over UDP; carbon: Graphite's own over TCP"},
	}, sectionGraphite)...)
}
