package conf

// entrySections hold entries whose unknown keys are carried as parameters; callSections are those of the calling
// side, serveSections those of the serving one.
var (
	callSections  = []string{sectionRefer, sectionBasicRefer, sectionHTTPClient}
	serveSections = []string{sectionService, sectionBasicService}
	entrySections = []string{sectionRefer, sectionBasicRefer, sectionHTTPClient, sectionService, sectionBasicService}
)

// entryKeys are the keys that both sides read.
func entryKeys() []Key {
	return inSections([]Key{
		{Name: "path", Type: String, Description: "name of the service"},
		{Name: "group", Type: List, Description: "group; several make an entry each"},
		{Name: "version", Type: String, Description: "version of the service; refers without one have 1.0"},
		{Name: "host", Type: String, Description: "host of a fixed address"},
		{Name: "port", Type: Port, Description: "port of a fixed address"},
		{Name: "registry", Type: List, Description: "ids of registries; default the only one"},
		{Name: "application", Type: String, Description: "application; default that of the agent"},
		{Name: "module", Type: String, Description: "module, M_mdu"},
		{Name: "requestTimeout", Type: Int, Unit: "ms", Default: "1000", Min: 1, Method: true, Description: "time for a call"},
		{Name: "minRequestTimeout", Type: Int, Unit: "ms", Method: true, Description: "the least that a caller's M_tmo may ask for; default half of requestTimeout"},
		{Name: "maxRequestTimeout", Type: Int, Unit: "ms", Method: true, Description: "the most that a caller's M_tmo may ask for; default twice requestTimeout"},
		{Name: "serialization", Type: String, Default: "simple", Description: "serialization of bodies"},
		{Name: "filter", Type: List, Max: maxFilters, Description: "filters, outermost first"},
		{Name: "disableDefaultFilter", Type: List, Max: maxFilters, Description: "filters of the agent's defaultFilter that do not apply here"},
		{Name: "disableGlobalFilter", Type: List, Max: maxFilters, Description: "filters of the agent's globalFilter that do not apply here"},
		{Name: "mingzSize", Type: Int, Unit: "bytes", Default: "0", Description: "bodies of more bytes are compressed; 0 is never"},
		{Name: "connectTimeout", Type: Int, Unit: "ms", Default: "1000", Description: "time for a dial"},
		{Name: "clientConnection", Type: Int, Default: "3", Min: 1, Max: 1024, Description: "connections per endpoint"},
		{Name: "lazyInit", Type: Bool, Default: "false", Description: "connect at the first call"},
		{Name: "asyncInitConnection", Type: Bool, Description: "connect in the background; default motanEpAsyncInit"},
		{Name: "keepaliveInterval", Type: Int, Unit: "ms", Default: "1000", Min: 1, Description: "how long an endpoint that was put out is left alone before it gets a heartbeat, and a call where it answers that; each time longer, up to 30 s"},
		{Name: "maxContentLength", Type: Int, Unit: "bytes", Default: "10485760", Min: 1, Description: "limit of an answer"},
		{Name: "registerMeta", Type: Bool, Default: "false", Description: "put static metadata into the registered node"},
		{Name: "dynamicMeta", Type: Bool, Default: "true", Description: "wrr: ask endpoints for their weight, which counts before the one in the registry"},
		{Name: "check", Type: Bool, Default: "true", Description: "whether the entry counts in /registry/status"},
		{Name: "nodeType", Type: String, Description: "carried in the node's URL"},
		{Name: "domain", Type: String, Description: "HTTP domain"},
		{Name: "ref", Type: String, NoEffect: true, Description: "read by motan-go's server library only"},
		{Name: "maxClientConnection", Type: Int, NoEffect: true, Description: "never read; clientConnection is the number of connections"},
		{Name: "minClientConnection", Type: Int, NoEffect: true, Description: "never read; clientConnection is the number of connections"},
	}, entrySections...)
}

// callKeys are those of refers and http-clients.
func callKeys() []Key {
	keys := []Key{
		{Name: "protocol", Type: String, Default: "motan2", Description: "protocol of the endpoints"},
		{Name: "basicRefer", Type: String, Sections: []string{sectionRefer, sectionHTTPClient}, Description: "id of a basicRefer to inherit from"},
		{Name: "retries", Type: Int, Default: "0", Max: 100, Method: true, Description: "attempts after the first"},
		{Name: "haStrategy", Type: String, Default: "failover", Description: "what is done about failures: failover (try again), backupRequest (also send a second request while the first is not answered), failfast (one attempt)"},
		{Name: "idempotent", Type: Bool, Default: "true", Method: true, Since: motand, Description: "whether a call that may have been executed may be sent again, as retries says; false leaves only calls of which nothing was sent"},
		{Name: "retryBudget", Type: Int, Unit: "%", Default: "20", Max: 1000, Since: motand, Description: "retries and backup requests for 100 calls of the last second, at most, so that providers with too much to do do not get more still"},
		{Name: "retryBudgetMin", Type: Int, Default: "10", Max: 1000000, Since: motand, Description: "retries and backup requests that are allowed in a second however few calls there are"},
		{Name: "loadbalance", Type: String, Default: "random", Description: "how an endpoint is picked: random, roundrobin, wrr (by META_WEIGHT, which endpoints tell or have in the registry), consistentHashKey (by that metadata), leastActive, p2c (the faster of two; best for most)"},
		{Name: "mixGroups", Type: List, Description: "further groups whose nodes are merged in"},
		{Name: "connectRetryInterval", Type: Int, Unit: "ms", Default: "60000", Min: 1, Description: "between attempts to connect to an endpoint that never answered"},
		{Name: "errorCountThreshold", Type: Int, Default: "10", Min: -1, Description: "calls in a row without an answer that put an endpoint out for a while; not above 0 is never"},
		{Name: "weightRefreshPeriodSecond", Type: Int, Unit: "s", Default: "3", Min: 1, Description: "how often wrr asks for weights"},
		{Name: "slowStart", Type: Int, Unit: "ms", Default: "0", Max: 3600000, Since: motand, Description: "how long an endpoint that comes, or comes back, gets fewer calls than its share, which grows from a tenth; 0 is not"},
		{Name: "panicThreshold", Type: Int, Unit: "%", Default: "50", Max: 100, Since: motand, Description: "share of endpoints below which those that are left out get calls, too, because the others alone could not take them; 0 is never"},
		{Name: "locality", Type: List, Max: 16, Since: motand, Description: "what makes an endpoint near, the nearest first: host, or labels such as rack, room, idc; calls go to the nearest and spill over where these cannot take them"},
		{Name: "locality.spill", Type: Int, Unit: "%", Default: "140", Min: 100, Max: 1000, Since: motand, Description: "how much more than their share near endpoints are given before calls go farther: with 140 two sevenths of them may be down"},
		{Name: "locality.full", Type: Int, Default: "0", Since: motand, Description: "calls that may wait for a near endpoint before one goes farther instead; 0 is any number"},
		{Name: "subset", Type: List, Max: 16, Since: motand, Description: "name=value: only endpoints whose parameters have these values"},
		{Name: "subset.fallback", Type: String, Default: "any", Values: []string{"any", "none"}, Since: motand, Description: "where no endpoint has them: any endpoint, or none"},
		{Name: "subsetSize", Type: Int, Default: "0", Since: motand, Description: "endpoints that this host uses of each group where there are more, always the same ones; 0 is all"},
		{Name: "consistentHashKey.partSize", Type: Int, Max: 1000000, Description: "parts of the ring; default 5n+271 for n endpoints"},
		{Name: "consistentHashKey.load", Type: Float, Default: "1.1", Description: "load of an endpoint over the mean, at most"},
		{Name: "consistentHashKey.replica", Type: Int, Max: 1000, Description: "points of an endpoint on the ring; default 20, or 10 from 100 endpoints"},
		{Name: "backupRequestDelayTime", Type: Int, Unit: "ms", Default: "0", Method: true, Description: "wait before the second attempt; 0 follows backupRequestDelayRatio"},
		{Name: "backupRequestDelayRatio", Type: Int, Unit: "%", Default: "90", Min: 1, Max: 100, Method: true, Description: "percentile of the answer times after which a second attempt is made"},
		{Name: "backupRequestMaxRetryRatio", Type: Int, Unit: "%", Default: "15", Min: 1, Max: 100, Method: true, Description: "second attempts per 100 calls, at most"},
		{Name: "backupRequestInitDelayTime", Type: Int, Unit: "ms", Default: "0", Method: true, Description: "wait while no percentile is known; 0 is no second attempt"},
		{Name: "description", Type: String, Method: true, Since: motand, Description: "what the page GET /rpc/{service} of HTTP in says; for a method as name(types).description, whose types are then those of HTTP callers' arguments"},
		{Name: "example", Type: String, Method: true, Since: motand, Description: "of a method, as name(types).example: arguments as a JSON array for that page"},
		{Name: "httpGet", Type: List, Sections: []string{sectionRefer, sectionBasicRefer}, Since: motand, Description: "methods that GET /rpc/{service}/{method}?... may call, * for all; only those that change nothing, as links can call them"},
		{Name: "preload", Type: List, Sections: []string{sectionHTTPClient}, Description: "services whose nodes are watched from the start"},
	}
	return inSections(keys, callSections...)
}

// serveKeys are those of services.
func serveKeys() []Key {
	methods := []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"}
	keys := []Key{
		{Name: "protocol", Type: String, Description: "comes from export"},
		{Name: "basicService", Type: String, Sections: []string{sectionService}, Description: "id of a basicService to inherit from"},
		{Name: "export", Type: String, Description: "protocol:port or port where the service is offered; default motan2 and eport"},
		{Name: "proxy", Type: String, Description: "protocol:port of the local provider"},
		{Name: "proxy.host", Type: String, Default: "127.0.0.1", Description: "host of the local provider, or unix:///path"},
		{Name: "provider", Type: String, Description: "how the local provider is called; default the protocol of proxy"},
		{Name: "retries", Type: Int, Default: "0", Max: 100, Method: true, Description: "carried for callers"},
		{Name: "connectRetryInterval", Type: Int, Unit: "ms", Default: "5000", Min: 1, Description: "between attempts to connect to the local provider"},
		{Name: "errorCountThreshold", Type: Int, Default: "0", Min: -1, Description: "consecutive failures that put the local provider out; not above 0 is never"},
		{Name: "proxyAddress", Type: String, Description: "host:port or unix:///path of the local web server; several, with commas between, are asked in turn"},
		{Name: "proxySchema", Type: String, Default: "http", Values: []string{"http", "https"}, Description: "scheme of the local web server"},
		{Name: "proxyCA", Type: String, Since: motand, Description: "https: PEM file with the certificates of who signed the web server's; default those of the system"},
		{Name: "proxyServerName", Type: String, Since: motand, Description: "https: whose certificate it must be; default domain, else the host of the address"},
		{Name: "proxyCert", Type: String, Since: motand, Description: "https: PEM file of our certificate, for a server that asks for one"},
		{Name: "proxyKey", Type: String, Since: motand, Description: "https: PEM file of its key"},
		{Name: "proxyVerify", Type: Bool, Default: "true", Since: motand, Description: "https: whether the server's certificate is looked at"},
		{Name: "keepaliveTimeout", Type: Int, Unit: "ms", Default: "0", Description: "age of a connection to the local web server at which it is closed; 0 is none"},
		{Name: "idleConnectionTimeout", Type: Int, Unit: "ms", Default: "5000", Description: "how long such a connection may be idle"},
		{Name: "maxConnections", Type: Int, Default: "1024", Min: 1, Description: "connections to the local web server"},
		{Name: "enableRewrite", Type: Bool, Default: "true", Description: "rewrite paths by http-locations; then a location must match"},
		{Name: "enableHttpException", Type: Bool, Default: "false", Description: "a status of 400 and more is an exception"},
		{Name: "HTTP_REQUEST_METHOD", Type: String, Default: "GET", Values: methods, Description: "verb of calls that name none"},
		{Name: "URL_FORMAT", Type: String, Description: "URL with at most one %s for the method"},
		{Name: "available", Type: String, Default: "manual", Values: []string{"manual", "auto"}, Since: motand, Description: "manual: after /200; auto: from the start, while the health check passes, until /503"},
		{Name: "healthCheck", Type: String, Since: motand, Description: "how the local provider is checked, without which the service is not available: tcp, http, motan (heartbeat), fastcgi or none; default tcp with available: auto where the provider's address is known, else none"},
		{Name: "healthCheck.address", Type: String, Since: motand, Description: "host:port or unix:///path that is checked; default that of the provider"},
		{Name: "healthCheck.path", Type: String, Default: "/", Since: motand, Description: "http: path that is fetched; fastcgi: ping.path of the pool, / only asks whether the server answers"},
		{Name: "healthCheck.status", Type: String, Default: "200-399", Since: motand, Description: "http: status, or range of them, that passes"},
		{Name: "healthCheck.interval", Type: Int, Unit: "ms", Default: "2000", Min: 1, Since: motand, Description: "between two checks, at least 100; up to a fifth more or less by chance"},
		{Name: "healthCheck.timeout", Type: Int, Unit: "ms", Default: "1000", Min: 1, Since: motand, Description: "time for one check"},
		{Name: "healthCheck.rise", Type: Int, Default: "2", Min: 1, Max: 1000, Since: motand, Description: "passes in a row that bring the service back"},
		{Name: "healthCheck.fall", Type: Int, Default: "3", Min: 1, Max: 1000, Since: motand, Description: "failures in a row that take the service out"},
		{Name: "CGI_HOST", Type: String, Default: "127.0.0.1", Description: "host of the FastCGI server, or unix:///path"},
		{Name: "CGI_PORT", Type: Port, Default: "9000", Description: "port of the FastCGI server"},
		{Name: "CGI_REQUEST_METHOD", Type: String, Default: "GET", Values: methods, Description: "verb told to the script"},
		{Name: "CGI_SCRIPT_FILENAME", Type: String, Description: "script that answers every call; without one the path finds it below CGI_DOCUMENT_ROOT"},
		{Name: "CGI_DOCUMENT_ROOT", Type: String, Description: "folder of the scripts"},
		{Name: "CGI_KEEP_CONNECTIONS", Type: Int, Default: "4", Max: 65535, Since: motand, Description: "connections that stay open between calls, each of which holds a process of the server: at most pm.max_children of a pool of one's own, less of one that others use, 0 is none"},
	}
	return inSections(keys, serveSections...)
}
