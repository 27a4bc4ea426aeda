package conf

// topKeys are the sections and the keys beside them.
func topKeys() []Key {
	top := []string{""}
	return []Key{
		{Name: sectionAgent, Sections: top, Type: Mapping, Since: motanGo, Description: "the agent: ports, files, limits"},
		{Name: sectionClient, Sections: top, Type: Mapping, NoEffect: true, Since: motanGo, Description: "read by motan-go's client library only"},
		{Name: sectionServer, Sections: top, Type: Mapping, NoEffect: true, Since: motanGo, Description: "read by motan-go's server library only"},
		{Name: sectionRegistry, Sections: top, Type: Mapping, Since: motanGo, Description: "registries by id"},
		{Name: sectionSync, Sections: top, Type: Mapping, Since: motand, Description: "services that are copied from one registry to another, by id"},
		{Name: sectionBasicRefer, Sections: top, Type: Mapping, Since: motanGo, Description: "what refers and http-clients inherit, by id"},
		{Name: sectionRefer, Sections: top, Type: Mapping, Since: motanGo, Description: "services that local programs call, by id"},
		{Name: sectionBasicService, Sections: top, Type: Mapping, Since: motanGo, Description: "what services inherit, by id"},
		{Name: sectionService, Sections: top, Type: Mapping, Since: motanGo, Description: "local services that are exported, by id"},
		{Name: sectionHTTPClient, Sections: top, Type: Mapping, Since: motanGo, Description: "domains whose HTTP requests become calls, by id"},
		{Name: sectionLocations, Sections: top, Type: Mapping, Since: motanGo, Description: "lists of location rules by domain"},
		{Name: sectionHTTPService, Sections: top, Type: Mapping, Since: motanGo, Description: "URLs of methods by id of the service and name of the method"},
		{Name: sectionTraffic, Sections: top, Type: Mapping, Since: motand, Description: "rules that send calls to other groups or nodes: lists by id of the refer"},
		{Name: sectionMetrics, Sections: top, Type: Mapping, Since: motanGo, Description: "where metrics are sent"},
		{Name: sectionSwitcher, Sections: top, Type: Mapping, Since: motanGo, Description: "switches by name: true, false, 30%, or one of them for some applications, as in 30% for shop-web,shop-app"},
		{Name: sectionSwitchers, Sections: top, Type: Mapping, Since: motanGo, Description: "the same; wins over switcher"},
		{Name: sectionDynamic, Sections: top, Type: Mapping, Since: motanGo, Description: "values of ${name} placeholders, one each or by pool"},
		{Name: sectionImportRefer, Sections: top, Type: Items, Since: motanGo, Description: "names of files of services/ to merge (folder form, applications/ only)"},
		{Name: sectionImportHTTP, Sections: top, Type: Items, Since: motanGo, Description: "names of files of http/location/ to merge (folder form)"},
		{Name: "envMetaPrefix", Sections: top, Type: String, Default: "META_", Since: motanGo, Description: "environment variables that begin with it are static metadata"},
		{Name: "metaCacheExpireSecond", Sections: top, Type: Int, Unit: "s", Default: "3", Min: 1, Since: motanGo, Description: "how long dynamic metadata of an endpoint is kept"},
	}
}

// agentKeys are the keys of motan-agent.
func agentKeys() []Key {
	keys := append(listenKeys(), logKeys()...)
	keys = append(keys, ourAgentKeys()...)
	keys = append(
		keys,
		Key{Name: "application", Type: String, Description: "name of this agent: its group in the registry and the default M_s; default the group, else default_agent_group"},
		Key{Name: "group", Type: String, Description: "used where application is not written"},
		Key{Name: "path", Type: String, Description: "path of the agent's own node; default the application"},
		Key{Name: "protocol", Type: String, Description: "protocol of the agent's own node"},
		Key{Name: "registry", Type: List, Description: "ids of the registries where the agent shows itself and takes commands"},
		Key{Name: "pidfile", Type: String, Default: "./agent.pid", Description: "file with the process id"},
		Key{Name: "runtime_dir", Type: String, Default: "./agent_runtime", Description: "folder of the files status and registry.snap"},
		Key{Name: "snapshot_dir", Type: String, Default: "./snapshot", Description: "folder of the lists of nodes that are kept for local programs"},
		Key{Name: "processPoolSize", Type: Int, Default: "50000", Min: 1, NoEffect: true, Description: "motan-go's pool of workers; calls need none here"},
		Key{Name: "motanEpAsyncInit", Type: Bool, Default: "true", Description: "default of asyncInitConnection"},
		Key{Name: "initClusterTimeout", Type: Int, Unit: "ms", Default: "10000", Description: "how long the start waits for the nodes of the refers"},
		Key{Name: "maxContentLength", Type: Int, Unit: "bytes", Default: "10485760", Min: 1, Description: "limit of the metadata and of the body of a frame, each"},
		Key{Name: "defaultFilter", Type: List, Max: maxFilters, Description: "filters of all refers and services, unless disableDefaultFilter names them"},
		Key{Name: "globalFilter", Type: List, Max: maxFilters, Description: "filters of all refers and services, unless disableGlobalFilter names them"},
	)
	return inSections(keys, sectionAgent)
}

func listenKeys() []Key {
	return []Key{
		{Name: "port", Type: Port, Default: "9981", Description: "Motan calls of local programs; the flag -port wins"},
		{Name: "eport", Type: Port, Default: "9982", Description: "where services without export are exported; the flag -eport wins"},
		{Name: "hport", Type: Port, Default: "9983", Description: "HTTP requests of local programs; the flag -hport wins"},
		{Name: "mport", Type: Port, Default: "8002", Description: "management; the flag -mport wins, then the environment variable mport"},
		{Name: "host", Type: String, Default: "127.0.0.1", Description: "address of the listeners port and hport; 0.0.0.0 for all"},
		{Name: "unixSock", Type: String, Description: "unix socket instead of port; beside it where port is written, too"},
		{Name: "managementUnixSock", Type: String, Description: "unix socket instead of mport"},
		{Name: "managementPortRange", Type: String, Description: "first-last: the first free one instead of mport"},
		{Name: "httpProxyUnixSock", Type: String, Description: "unix socket instead of hport; beside it where hport is written, too"},
		{Name: "httpProxyEnable", Type: Bool, Default: "false", Description: "listen on hport"},
		{Name: "httpProxyKeepalive", Type: Bool, Default: "true", Description: "keep the connections by which plain HTTP requests leave the agent"},
		{Name: "httpProxyKeepaliveTimeout", Type: Int, Unit: "ms", Default: "5000", Description: "how long such a connection may be idle"},
		{Name: "httpProxyTimeout", Type: Int, Unit: "ms", Default: "5000", Min: 1, Description: "within which a plain HTTP request that leaves the agent must go on: the connection, each block of a body, the response"},
		{Name: "httpProxyDefaultDomain", Type: String, Description: "domain of requests whose Host is no http-client"},
		{Name: "httpProxyMaxRequestBodySize", Type: Int, Unit: "bytes", Default: "2147483647", Min: 1, Description: "limit of a request that is proxied as HTTP"},
	}
}

func logKeys() []Key {
	levels := []string{"trace", "debug", "info", "warn", "error", "dpanic", "panic", "fatal"}
	return []Key{
		{Name: "log_dir", Type: String, Default: ".", Description: "folder of the log files, or stdout for the standard error; the flag -log_dir wins"},
		{Name: "log_level", Type: String, Default: "info", Values: levels, Description: "what is logged"},
		{Name: "log_async", Type: Bool, Default: "true", Description: "write the log behind a buffer"},
		{Name: "log_buffer_size", Type: Int, Default: "5000", Min: 1, Description: "entries in that buffer"},
		{Name: "log_structured", Type: Bool, Default: "false", Description: "JSON instead of text"},
		{Name: "rotate_per_hour", Type: Bool, Default: "false", Description: "a new file each hour, besides what log_max_size says; motan-go's default is true"},
		{Name: "log_max_size", Type: Int, Unit: "MiB", Default: "100", Min: 1, Max: 1 << 20, Since: motand, Description: "a larger log file is rotated"},
		{Name: "log_max_files", Type: Int, Default: "10", Min: 1, Max: 10000, Since: motand, Description: "old files of each log that are kept"},
		{Name: "log_max_age", Type: Int, Unit: "days", Default: "0", Max: 36500, Since: motand, Description: "old files are removed after it; 0 is never"},
		{Name: "log_compress", Type: Bool, Default: "false", Since: motand, Description: "compress old files"},
		{Name: "log_filter_caller", Type: Bool, Default: "false", Description: "leave the caller's place out of the log"},
	}
}

// ourAgentKeys are those that motan-go lacks.
func ourAgentKeys() []Key {
	return []Key{
		{Name: "managementHost", Type: String, Default: "127.0.0.1", Since: motand, Description: "address of the management listener; 0.0.0.0 for all"},
		{Name: "managementToken", Type: String, Secret: true, Since: motand, Description: "what changes over a management port need that other hosts reach; better in a file of its own"},
		{Name: "managementTokenFile", Type: String, Since: motand, Description: "the file with that token; read each time"},
		{Name: "managementTrustLocal", Type: Bool, Default: "false", Since: motand, Description: "programs on this host need no token even then"},
		{Name: "auditLog", Type: String, Since: motand, Description: "who changed what over the management port: a file, stdout or off; default motand-audit.log beside the access log"},
		{Name: "gracePeriod", Type: Int, Unit: "ms", Default: "10000", Since: motand, Description: "how long calls in flight may take after SIGTERM"},
		{Name: "propagationDelay", Type: Int, Unit: "ms", Default: "3000", Since: motand, Description: "wait between withdrawal from the registry and ceasing to accept"},
		{Name: "frameTimeout", Type: Int, Unit: "ms", Default: "10000", Min: 1, Since: motand, Description: "a frame that has begun must be whole within it"},
		{Name: "maxConnections", Type: Int, Default: "20000", Min: 1, Since: motand, Description: "connections per listener"},
		{Name: "maxBytesInFlight", Type: Int, Unit: "bytes", Default: "1073741824", Min: 1 << 20, Since: motand, Description: "requests and answers of all Motan callers that are held at one time, beside 64 KiB of each for each connection: a quarter each for requests and answers of programs on this host and of other hosts; senders wait beyond it, and who does not read answers is closed"},
		{Name: "processors", Type: Int, Default: "0", Max: 1024, Since: motand, Description: "threads that run at once; 0 begins with one and follows the load"},
		{Name: "recover", Type: Bool, Default: "false", Since: motand, Description: "restore after a restart what /200 and /503 and local programs have asked for; as the flag -recover"},
		{Name: "watchConfig", Type: Bool, Default: "false", Since: motand, Description: "read the configuration again when its file or folder has changed, as at SIGHUP"},
		{Name: "labels", Type: List, Max: 64, Since: motand, Description: "name=value: where this host is (rack, room, region), told with the nodes of its services and compared by locality; idc is that of the flag -idc unless it is written"},
		{Name: "loadbalance", Type: String, Since: motand, Description: "loadbalance of the refers that have none; p2c is best for most, random is motan-go's"},
		{Name: "reloadGuard", Type: Int, Unit: "%", Default: "0", Max: 100, Since: motand, Description: "a configuration under which so many percent more of the calls have no answer than before is taken back; 0 is never"},
		{Name: "reloadGuardTime", Type: Int, Unit: "ms", Default: "30000", Min: 1, Since: motand, Description: "how long a configuration is watched so"},
		{Name: "configRegistry", Type: String, Since: motand, Description: "id of a registry (zookeeper) in which a part of the configuration stands: the YAML of /motan/agent/<application>/config is laid over the files"},
		{Name: "strictGroup", Type: Bool, Default: "false", Since: motand, Description: "refuse a call that names another group than the only refer of its service"},
		{Name: "traceEndpoint", Type: String, Since: motand, Description: "filter trace: where spans go, a collector of OTLP over HTTP such as http://127.0.0.1:4318/v1/traces; default from OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT"},
		{Name: "traceFile", Type: String, Since: motand, Description: "file that gets the spans as lines of OTLP/JSON"},
		{Name: "traceQueueSize", Type: Int, Default: "4096", Min: 1, Max: 1_000_000, Since: motand, Description: "spans that wait to be sent at most; further ones are dropped and counted"},
		{Name: "accessLog", Type: String, Since: motand, Description: "a file, stdout or off; default beside the log"},
		{Name: "httpAllowedOrigins", Type: List, Since: motand, Description: "origins such as https://shop.example.com whose web pages may call /rpc; none unless written"},
		{Name: "httpGzipSize", Type: Int, Unit: "bytes", Default: "32768", Since: motand, Description: "answers of so many bytes on /rpc are compressed for clients that take it; 0 is never"},
		{Name: "httpMaxBytesInFlight", Type: Int, Unit: "bytes", Default: "1073741824", Min: 1 << 20, Since: motand, Description: "bodies on hport that are held at one time, requests and answers, beside 64 KiB for each connection; requests beyond it are answered 503"},
		{Name: "httpProxyForward", Type: String, Default: "open", Values: []string{"open", "listed", "off"}, Since: motand, Description: "what becomes of HTTP requests for other hosts: passed on, only to those of httpProxyAllow, or refused"},
		{Name: "httpProxyAllow", Type: List, Since: motand, Description: "hosts that such requests may go to although they are closed, as this host itself is: names, *.example.com, addresses, networks, each with :port if need be"},
		{Name: "httpProxyConnect", Type: List, Since: motand, Description: "where CONNECT makes tunnels to: host:port, *.example.com:443, 10.0.0.0/8:22, *:443; nowhere unless written. This host, its link and clouds' metadata only where their address is written"},
		{Name: "httpProxyConnectMax", Type: Int, Default: "1024", Min: 1, Since: motand, Description: "tunnels at one time; further ones are answered 503"},
		{Name: "httpProxyConnectIdleTimeout", Type: Int, Unit: "ms", Default: "600000", Min: 1, Since: motand, Description: "a tunnel in which nothing moves ends after it"},
		{Name: "httpReadTimeout", Type: Int, Unit: "ms", Default: "10000", Min: 1, Since: motand, Description: "an HTTP request that has begun must be whole within it"},
		{Name: "httpWriteTimeout", Type: Int, Unit: "ms", Default: "10000", Min: 1, Since: motand, Description: "an HTTP answer must be taken within it"},
		{Name: "httpIdleTimeout", Type: Int, Unit: "ms", Default: "60000", Min: 1, Since: motand, Description: "how long an HTTP connection of a local program may be idle"},
		{Name: "httpMaxBodySize", Type: Int, Unit: "bytes", Min: 1, Since: motand, Description: "limit of the body of an HTTP request that becomes a call; default maxContentLength"},
	}
}

// inSections puts keys that name no section or origin of their own into the given ones and motan-go's.
func inSections(keys []Key, sections ...string) []Key {
	for i := range keys {
		if keys[i].Sections == nil {
			keys[i].Sections = sections
		}
		if keys[i].Since == "" {
			keys[i].Since = motanGo
		}
	}
	return keys
}
