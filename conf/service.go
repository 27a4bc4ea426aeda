package conf

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Service is one group of one entry of motan-service: a local service that the agent exports.
type Service struct {
	Entry
	Export    ProtocolPort // default motan2 and the agent's export port
	Proxy     ProtocolPort // the local provider; the zero value where there is none
	Provider  string       // http, httpx, cgi, motan2, ...; default the protocol of Proxy
	ProxyHost string       // proxy.host: a host, or unix:///path; default 127.0.0.1
	HTTP      HTTP
	CGI       CGI
	Meta      map[string]string // parameters of the node: the agent's labels and, where registerMeta is true, what the environment says
	Auto      bool              // available: auto: in use without /200
	Health    HealthCheck
}

// ProtocolPort is what keys such as export: motan2:9982 hold.
type ProtocolPort struct {
	Protocol string
	Port     int
}

// HTTP is the keys of the providers http and httpx.
type HTTP struct {
	Domain                string
	ProxyAddress          string        // host:port or unix:///path of the local web server, several with commas between; "" for URLFormat
	ProxySchema           string        // http (default) or https
	ProxyTLS              ProxyTLS      // of https
	RequestMethod         string        // HTTP_REQUEST_METHOD, default GET
	URLFormat             string        // URL_FORMAT, with at most one %s for the method
	KeepaliveTimeout      time.Duration // ms, default 0
	IdleConnectionTimeout time.Duration // ms, default 5 s
	MaxConnections        int           // default 1024
	EnableRewrite         bool          // default true
	EnableException       bool          // enableHttpException, default false
}

// ProxyTLS is the keys of a local web server that is reached by https.
type ProxyTLS struct {
	CA         string // proxyCA, "" for those of the system
	ServerName string // proxyServerName
	Cert, Key  string // proxyCert, proxyKey
	Verify     bool   // proxyVerify, default true
}

// CGI is the keys of the provider cgi.
type CGI struct {
	Address        string // of CGI_HOST and CGI_PORT: host:port, or unix:///path; default 127.0.0.1:9000
	RequestMethod  string // CGI_REQUEST_METHOD, default GET
	ScriptFilename string // CGI_SCRIPT_FILENAME
	DocumentRoot   string // CGI_DOCUMENT_ROOT
	Keep           int    // CGI_KEEP_CONNECTIONS, default 4
}

// readServices reads motan-service with what it inherits from motan-basicService.
func (c *checker) readServices() {
	basics := c.basics(sectionBasicService, "basicService")
	suffix := c.opts.Getenv("RPC_REG_GROUP_SUFFIX")
	for _, e := range c.entries(sectionService, "service", basics, "basicService") {
		s := c.serviceOf(e)
		groups := s.split(c.opts.Getenv("MESH_SERVICE_ADDITIONAL_GROUP"))
		if !c.fits(sectionService, e.at, len(c.cfg.Services)+len(groups)) {
			return
		}
		for _, one := range groups {
			further := s
			further.Entry = one
			if suffix != "" && !strings.HasSuffix(further.Group, suffix) {
				further.Group += suffix
			}
			c.cfg.Services = append(c.cfg.Services, &further)
		}
	}
}

func (c *checker) serviceOf(e entry) Service {
	v, path := e.values, sectionService+"."+e.id
	s := Service{Entry: c.entryOf(sectionService, e), ProxyHost: v.text("proxy.host"), HTTP: httpOf(v), CGI: c.cgiOf(e, path)}
	if s.Path == "" {
		c.f.errorf(e.at, path, "%s has no path; add path: and the name of the service", e.owner)
	}
	s.Export = ProtocolPort{"motan2", c.cfg.Agent.ExportPort}
	if v.has("export") {
		s.Export = c.protocolPort(e, path, "export", true)
		if s.Export.Protocol != "" && !slices.Contains(c.known.Exports, s.Export.Protocol) {
			c.f.errorf(v.set["export"].at, path+".export", "%s: unknown protocol %s in export%s",
				e.owner, quote(s.Export.Protocol), didYouMean(s.Export.Protocol, c.known.Exports))
		}
	}
	s.Protocol = s.Export.Protocol
	unix, isUnix := strings.CutPrefix(s.ProxyHost, "unix://")
	if isUnix && !strings.HasPrefix(unix, "/") || !isUnix && !validHost(s.ProxyHost) {
		c.f.errorf(v.set["proxy.host"].at, path+".proxy.host", "%s: proxy.host must be a host or unix:///path; got %s", e.owner, quote(s.ProxyHost))
	}
	if v.has("proxy") {
		s.Proxy = c.protocolPort(e, path, "proxy", !isUnix)
	}
	s.Provider = cmp.Or(c.oneOf(e, path, "provider", "provider", c.known.Providers), s.Proxy.Protocol)
	s.Auto = v.text("available") == "auto"
	s.Meta = maps.Clone(c.cfg.Agent.Labels)
	if s.RegisterMeta && len(c.cfg.Meta) > 0 {
		if s.Meta == nil {
			s.Meta = map[string]string{}
		}
		maps.Copy(s.Meta, c.cfg.Meta)
	}
	s.Health = c.healthOf(&s, e)
	return s
}

// protocolPort reads protocol:port, :port or port; where a port is not needed, protocol alone too.
func (c *checker) protocolPort(e entry, path, key string, needsPort bool) ProtocolPort {
	text := e.values.text(key)
	protocol, port, both := strings.Cut(text, ":")
	protocol, port = strings.TrimSpace(protocol), strings.TrimSpace(port)
	switch number := parsePort(protocol); {
	case !both && number != 0:
		return ProtocolPort{"motan2", number}
	case !both && !needsPort && protocol != "" && strings.Trim(protocol, "0123456789-") != "":
		return ProtocolPort{Protocol: protocol}
	}
	if n := parsePort(port); both && n != 0 {
		return ProtocolPort{cmp.Or(protocol, "motan2"), n}
	}
	c.f.errorf(e.values.set[key].at, path+"."+key, "%s: %s must be protocol:port or a port from 1 to 65535, such as motan2:9982; got %s", e.owner, key, quote(text))
	return ProtocolPort{}
}

func httpOf(v values) HTTP {
	return HTTP{
		Domain:       v.text("domain"),
		ProxyAddress: v.text("proxyAddress"),
		ProxySchema:  v.text("proxySchema"),
		ProxyTLS: ProxyTLS{
			CA: v.text("proxyCA"), ServerName: v.text("proxyServerName"), Cert: v.text("proxyCert"), Key: v.text("proxyKey"), Verify: v.bool("proxyVerify"),
		},
		RequestMethod:         v.text("HTTP_REQUEST_METHOD"),
		URLFormat:             v.text("URL_FORMAT"),
		KeepaliveTimeout:      v.duration("keepaliveTimeout"),
		IdleConnectionTimeout: v.duration("idleConnectionTimeout"),
		MaxConnections:        v.int("maxConnections"),
		EnableRewrite:         v.bool("enableRewrite"),
		EnableException:       v.bool("enableHttpException"),
	}
}

func (c *checker) cgiOf(e entry, path string) CGI {
	v := e.values
	address := v.text("CGI_HOST")
	if !strings.HasPrefix(address, "unix://") {
		address = net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(v.int("CGI_PORT")))
	}
	if !validAddress(address) {
		c.f.errorf(v.set["CGI_HOST"].at, path+".CGI_HOST", "%s: CGI_HOST must be a host or unix:///path; got %s", e.owner, quote(v.text("CGI_HOST")))
	}
	return CGI{
		Address:        address,
		RequestMethod:  v.text("CGI_REQUEST_METHOD"),
		ScriptFilename: v.text("CGI_SCRIPT_FILENAME"),
		DocumentRoot:   v.text("CGI_DOCUMENT_ROOT"),
		Keep:           v.int("CGI_KEEP_CONNECTIONS"),
	}
}

// String gives protocol:port, as it is written.
func (p ProtocolPort) String() string {
	return p.Protocol + ":" + strconv.Itoa(p.Port)
}
