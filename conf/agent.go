package conf

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Agent is the section motan-agent. Sizes are bytes.
type Agent struct {
	Position
	Params map[string]string // every key but the five of the URL as text, as that of Entry

	Host           string // address of the Motan and HTTP listeners, default 127.0.0.1
	Port           int    // Motan in, default 9981
	ExportPort     int    // default of services' export, default 9982
	HTTPPort       int    // HTTP in, default 9983
	ManagementPort int    // default 8002
	NodePort       int    // mport of the file alone, default 8002: the port in the agent's node name

	ManagementHost       string        // default 127.0.0.1
	ManagementToken      string        // what changes need where other hosts reach the listener
	ManagementTokenFile  string        // the file with it
	ManagementTrustLocal bool          // programs on this host need none, default false
	ManagementPorts      PortRange     // managementPortRange: the first free one is taken instead of ManagementPort
	UnixSock             string        // path of the Motan listener, "" for TCP
	ManagementUnixSock   string        // path of the management listener, "" for TCP
	HTTPUnixSock         string        // path of the HTTP listener, "" for TCP
	HTTPEnable           bool          // httpProxyEnable, default false
	HTTPKeepalive        bool          // default true
	HTTPKeepaliveTimeout time.Duration // default 5 s
	HTTPTimeout          time.Duration // dial, read and write of the outgoing HTTP client, default 5 s
	HTTPDefaultDomain    string
	HTTPMaxRequestBytes  int      // httpProxyMaxRequestBodySize, default 2147483647
	HTTPMaxBodyBytes     int      // httpMaxBodySize, default MaxContentLength
	HTTPGzipBytes        int      // httpGzipSize, default 32768; 0 is never
	HTTPBytesInFlight    int      // httpMaxBytesInFlight, default 1073741824
	HTTPOrigins          []string // httpAllowedOrigins

	HTTPForward      string        // httpProxyForward: open (default), listed or off
	HTTPAllow        []string      // httpProxyAllow
	HTTPConnect      []string      // httpProxyConnect
	HTTPConnectMax   int           // tunnels at one time, default 1024
	HTTPConnectIdle  time.Duration // httpProxyConnectIdleTimeout, default 10 min
	HTTPReadTimeout  time.Duration // httpReadTimeout, default 10 s
	HTTPWriteTimeout time.Duration // httpWriteTimeout, default 10 s
	HTTPIdleTimeout  time.Duration // httpIdleTimeout, default 60 s

	Application string   // default: the group, else default_agent_group
	Group       string   // the same as Application
	Path        string   // default the group
	Registries  []string // ids of the registries where the agent shows itself

	LogDir          string // default "."; stdout logs to the standard error
	LogLevel        string // trace, debug, info (default), warn, error, dpanic, panic, fatal
	LogAsync        bool   // default true
	LogBufferSize   int    // entries, default 5000
	LogMaxMegabytes int    // of a file before it is rotated, default 100
	LogMaxFiles     int    // old ones that are kept, default 10
	LogMaxDays      int    // how long they are kept; 0, the default, is no limit
	LogCompress     bool   // old ones, default false
	LogStructured   bool
	RotatePerHour   bool // default false
	LogFilterCaller bool
	AccessLog       string // accessLog: a path, stdout or off; "" leaves it to LogDir
	AuditLog        string // auditLog: likewise

	TraceEndpoint  string      // URL of a collector of spans, "" for none
	TraceHeaders   http.Header // of OTEL_EXPORTER_OTLP_HEADERS; secret
	TraceFile      string      // path of a file of spans, "" for none
	TraceQueueSize int         // spans, default 4096

	PIDFile     string // default ./agent.pid
	RuntimeDir  string // default ./agent_runtime
	SnapshotDir string // default ./snapshot

	AsyncInit          bool
	InitClusterTimeout time.Duration // default 10 s
	MaxContentLength   int           // of the metadata and of the body of a frame, each; default 10485760
	DefaultFilters     []string
	GlobalFilters      []string

	GracePeriod      time.Duration // drain at SIGTERM, default 10 s
	PropagationDelay time.Duration // between withdrawal and ceasing to accept, default 3 s
	FrameTimeout     time.Duration // a frame that has begun must be whole within it, default 10 s
	MaxConnections   int           // per listener, default 20000
	BytesInFlight    int           // maxBytesInFlight, default 1073741824
	Processors       int           // threads that run at once; 0, the default, follows the load
	ReloadGuard      int           // percent more of calls that fail, from which on a reload is taken back; 0, the default, is never
	ReloadGuardTime  time.Duration // for how long a reload is in doubt, default 30 s
	ConfigRegistry   string        // id of the registry in which a part of the configuration stands, "" for none
	WatchConfig      bool          // read the configuration again when its files change, default false
	LoadBalance      string        // of refers that have none; "" is random
	Labels           map[string]string
	StrictGroup      bool // a call with another group than the refer's is refused, default false

	Pool    string // -pool
	IDC     string // -idc
	LocalIP string // -localIP
	Recover bool   // -recover, or recover in the file

	places map[string]Position
}

// PortRange is an inclusive range of ports. The zero value means none.
type PortRange struct{ First, Last int }

// At gives the position of a key, or that of the section where the key is not written.
func (a *Agent) At(key string) Position {
	if p, ok := a.places[key]; ok {
		return p
	}
	return a.Position
}

// ListensForHTTP tells whether the HTTP port is opened: unless the configuration says no.
func (a *Agent) ListensForHTTP() bool { return a.HTTPEnable || a.At("httpProxyEnable") == a.Position }

const defaultGroup = "default_agent_group"

// readAgent reads motan-agent and lays flags and the environment over it.
func (c *checker) readAgent() {
	p, _ := c.root.get(sectionAgent)
	n := p.value
	if n != nil && n.kind != mapNode {
		n = nil // reported by top
	}
	v := c.read(source{section: sectionAgent, path: sectionAgent, owner: sectionAgent, strict: true}, n)
	a := &c.cfg.Agent
	a.Position = p.at
	a.Params, a.places = v.params("host", "port", "path", "group", "protocol")
	c.agentListeners(a, v)
	c.agentFiles(a, v)

	a.Group = cmp.Or(v.text("application"), v.text("group"), defaultGroup)
	a.Application = a.Group
	a.Params["application"] = a.Application
	a.Path = cmp.Or(v.text("path"), a.Group)
	a.Registries = v.list("registry")

	a.AsyncInit = v.bool("motanEpAsyncInit")
	a.InitClusterTimeout = v.duration("initClusterTimeout")
	a.MaxContentLength = v.int("maxContentLength")
	a.HTTPForward, a.HTTPAllow = v.text("httpProxyForward"), v.list("httpProxyAllow")
	a.HTTPConnect, a.HTTPConnectMax = v.list("httpProxyConnect"), v.int("httpProxyConnectMax")
	a.HTTPConnectIdle = v.duration("httpProxyConnectIdleTimeout")
	a.HTTPReadTimeout, a.HTTPWriteTimeout = v.duration("httpReadTimeout"), v.duration("httpWriteTimeout")
	a.HTTPIdleTimeout = v.duration("httpIdleTimeout")
	a.HTTPMaxBodyBytes = a.MaxContentLength
	if v.has("httpMaxBodySize") {
		a.HTTPMaxBodyBytes = v.int("httpMaxBodySize")
	}
	a.DefaultFilters, a.GlobalFilters = v.list("defaultFilter"), v.list("globalFilter")
	a.GracePeriod = v.duration("gracePeriod")
	a.PropagationDelay = v.duration("propagationDelay")
	a.FrameTimeout = v.duration("frameTimeout")
	a.MaxConnections = v.int("maxConnections")
	a.BytesInFlight = v.int("maxBytesInFlight")
	a.Processors = v.int("processors")
	a.StrictGroup = v.bool("strictGroup")
	a.Labels = c.pairs(v, sectionAgent, "labels")
	if c.opts.IDC != "" && a.Labels["idc"] == "" {
		if a.Labels == nil {
			a.Labels = map[string]string{}
		}
		a.Labels["idc"] = c.opts.IDC
	}
	if a.LoadBalance = v.text("loadbalance"); a.LoadBalance != "" && !slices.Contains(c.known.LoadBalances, a.LoadBalance) {
		c.f.errorf(v.set["loadbalance"].at, sectionAgent+".loadbalance", "unknown loadbalance %s%s", quote(a.LoadBalance), didYouMean(a.LoadBalance, c.known.LoadBalances))
	}
	a.ReloadGuard, a.ReloadGuardTime = v.int("reloadGuard"), v.duration("reloadGuardTime")
	a.WatchConfig, a.ConfigRegistry = v.bool("watchConfig"), v.text("configRegistry")
	a.Pool, a.IDC, a.LocalIP, a.Recover = c.opts.Pool, c.opts.IDC, c.opts.LocalIP, c.opts.Recover || v.bool("recover")
	if _, err := netip.ParseAddr(a.LocalIP); a.LocalIP != "" && err != nil {
		c.f.errorf(Position{File: "-localIP"}, "localIP", "must be an IP address such as 10.0.0.1; got %s", quote(a.LocalIP))
	}
}

func (c *checker) agentListeners(a *Agent, v values) {
	a.Host, a.ManagementHost = v.text("host"), v.text("managementHost")
	a.ManagementToken, a.ManagementTokenFile, a.ManagementTrustLocal = v.text("managementToken"), v.text("managementTokenFile"), v.bool("managementTrustLocal")
	a.Port = c.flagPort("-port", c.opts.Port, v.int("port"))
	a.ExportPort = c.flagPort("-eport", c.opts.ExportPort, v.int("eport"))
	a.HTTPPort = c.flagPort("-hport", c.opts.HTTPPort, v.int("hport"))
	a.NodePort = v.int("mport")
	a.ManagementPort = a.NodePort
	if text := c.opts.Getenv("mport"); text != "" {
		k, _ := lookup(sectionAgent, "mport")
		if port, _, ok := k.parse(text); ok && !k.belowMin(port) {
			a.ManagementPort, _ = strconv.Atoi(port)
		} else {
			c.f.errorf(Position{File: "$mport"}, "mport", "the environment variable mport must be %s; got %s", k.expected(), quote(text))
		}
	}
	a.ManagementPort = c.flagPort("-mport", c.opts.ManagementPort, a.ManagementPort)

	if v.has("managementPortRange") {
		first, last, _ := strings.Cut(v.text("managementPortRange"), "-")
		r := PortRange{parsePort(strings.TrimSpace(first)), parsePort(strings.TrimSpace(last))}
		if r.First == 0 || r.Last < r.First {
			c.f.errorf(v.set["managementPortRange"].at, sectionAgent+".managementPortRange",
				"managementPortRange must be two ports in order, such as 8002-8010; got %s", quote(v.text("managementPortRange")))
		} else {
			a.ManagementPorts = r
		}
	}
	a.UnixSock, a.ManagementUnixSock, a.HTTPUnixSock = v.text("unixSock"), v.text("managementUnixSock"), v.text("httpProxyUnixSock")
	a.HTTPEnable = v.bool("httpProxyEnable")
	a.HTTPKeepalive = v.bool("httpProxyKeepalive")
	a.HTTPKeepaliveTimeout = v.duration("httpProxyKeepaliveTimeout")
	a.HTTPTimeout = v.duration("httpProxyTimeout")
	a.HTTPDefaultDomain = v.text("httpProxyDefaultDomain")
	a.HTTPMaxRequestBytes = v.int("httpProxyMaxRequestBodySize")
	a.HTTPGzipBytes = v.int("httpGzipSize")
	a.HTTPBytesInFlight = v.int("httpMaxBytesInFlight")
	a.HTTPOrigins = v.list("httpAllowedOrigins")
	for _, origin := range a.HTTPOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme+"://"+u.Host != origin || u.Host == "" {
			c.f.errorf(v.set["httpAllowedOrigins"].at, sectionAgent+".httpAllowedOrigins",
				"httpAllowedOrigins takes origins as browsers send them, scheme and host without a path, such as https://shop.example.com; got %s", quote(origin))
		}
	}
}

func (c *checker) agentFiles(a *Agent, v values) {
	a.LogDir = cmp.Or(c.opts.LogDir, v.text("log_dir"))
	a.LogLevel = v.text("log_level")
	a.LogAsync, a.LogBufferSize = v.bool("log_async"), v.int("log_buffer_size")
	a.LogStructured, a.LogFilterCaller = v.bool("log_structured"), v.bool("log_filter_caller")
	a.RotatePerHour = v.bool("rotate_per_hour")
	a.LogMaxMegabytes, a.LogMaxFiles, a.LogMaxDays = v.int("log_max_size"), v.int("log_max_files"), v.int("log_max_age")
	a.LogCompress = v.bool("log_compress")
	a.AccessLog, a.AuditLog = v.text("accessLog"), v.text("auditLog")
	c.agentTraces(a, v)
	a.PIDFile = cmp.Or(c.opts.PIDFile, v.text("pidfile"))
	a.RuntimeDir, a.SnapshotDir = v.text("runtime_dir"), v.text("snapshot_dir")
}

// flagPort gives a flag's port where it is set, else the file's.
func (c *checker) flagPort(name string, flag, file int) int {
	switch {
	case flag == 0:
		return file
	case flag < 0 || flag > 65535:
		c.f.errorf(Position{File: name}, strings.TrimPrefix(name, "-"), "must be a port from 1 to 65535; got %d", flag)
		return file
	}
	return flag
}

// parsePort gives 0 for what is no port in decimal digits.
func parsePort(text string) int {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// agentRegistries checks where the agent shows itself.
func (c *checker) agentRegistries() {
	a := &c.cfg.Agent
	for _, id := range a.Registries {
		if c.registries[id] == nil {
			c.f.errorf(a.At("registry"), sectionAgent+".registry", "motan-agent: registry %s is not defined%s", quote(id), hint(c.f, id, c.registries))
		}
	}
	if id := a.ConfigRegistry; id != "" && c.registries[id] == nil {
		c.f.errorf(a.At("configRegistry"), sectionAgent+".configRegistry", "motan-agent: registry %s is not defined%s", quote(id), hint(c.f, id, c.registries))
	}
}
