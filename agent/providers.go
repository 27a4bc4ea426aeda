package agent

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// ProviderEnv is what a provider may need of the agent.
type ProviderEnv struct {
	Config *conf.Config
	Pool   *cluster.Pool
	Log    *slog.Logger

	// Seen is told the certificate that a web service has shown on each connection. It may be nil.
	Seen func(server string, shown *x509.Certificate)
	Web  *httpbridge.ProviderStats // counts what providers of HTTP and FastCGI refuse
}

// motanProvider hands calls to a Motan server on this host (provider motan2 or motan).
type motanProvider struct {
	cluster *cluster.Cluster
}

var (
	_ motan.Handler  = (*motanProvider)(nil)
	_ motan.Returner = (*motanProvider)(nil)
)

// codeProviderDown is errcode and errtype both, as motan-go answers for a provider that is not there.
const codeProviderDown = 503

func newMotanProvider(s *conf.Service, e ProviderEnv) (motan.Handler, func(), error) {
	node := registry.Node{Host: s.ProxyHost, Port: s.Proxy.Port, Available: true}
	node.Service = registry.Service{Group: s.Group, Path: s.Path, Protocol: "motan2"}
	if s.Proxy.Port == 0 && !strings.HasPrefix(s.ProxyHost, "unix://") {
		return nil, nil, errors.New("provider " + s.Provider + " needs the port of the local server: write proxy: motan2:8002")
	}
	own := methods(&s.Entry, cluster.Failover)
	for name, m := range own {
		m.Retries = 0 // the caller decides about those
		own[name] = m
	}
	k := cluster.New(cluster.Settings{
		Service: s.Path, Group: s.Group, Local: true,
		Timeouts:    cluster.Timeouts{Request: s.RequestTimeout, Min: s.MinRequestTimeout, Max: s.MaxRequestTimeout},
		Methods:     own,
		Connections: s.ClientConnections, MaxContentLength: s.MaxContentLength, ConnectTimeout: s.ConnectTimeout,
		Pool: e.Pool,
	})
	k.Update([]registry.Node{node})
	return &motanProvider{cluster: k}, k.Close, nil
}

// Handle forwards the call untouched but for the caller's address.
func (p *motanProvider) Handle(c *motan.Call) {
	q := &c.Request
	if c.Remote != "" && q.Get("x-forwarded-for") == nil && q.Get("X-Forwarded-For") == nil {
		q.Set("x-forwarded-for", c.Remote)
	}
	c.Push(p, 0)
	p.cluster.Handle(c)
}

// Return says in motan-go's words that the provider cannot be reached.
func (p *motanProvider) Return(c *motan.Call, _ int) bool {
	if c.Err != nil && c.Err.Kind == motan.KindNotSent {
		c.Err = &motan.Error{
			Kind: motan.KindUnavailable, Code: codeProviderDown, Type: codeProviderDown,
			Message: "reverse proxy call err: motanProvider is unavailable", Cause: c.Err,
		}
	}
	return true
}

// newMockProvider makes motan-go's mockProvider, which answers "ok" whatever it is asked.
func newMockProvider(*conf.Service, ProviderEnv) (motan.Handler, func(), error) {
	return motan.HandlerFunc(func(c *motan.Call) { demoAnswer(c, "ok") }), nil, nil
}

func newHTTPProvider(s *conf.Service, e ProviderEnv) (motan.Handler, func(), error) {
	return newBridge(httpSettings(s, e))
}

// newCGIProvider makes a provider of scripts behind FastCGI.
func newCGIProvider(s *conf.Service, e ProviderEnv) (motan.Handler, func(), error) {
	settings := httpSettings(s, e)
	settings.ProxyAddress, settings.HTTPRequestMethod = "", s.CGI.RequestMethod
	settings.CGI = &httpbridge.CGISettings{
		Address: s.CGI.Address, ScriptFilename: s.CGI.ScriptFilename, DocumentRoot: s.CGI.DocumentRoot,
		KeepConnections: s.CGI.Keep, Log: e.Log.With("service", s.Path, "group", s.Group),
	}
	return newBridge(settings)
}

func newBridge(settings httpbridge.ProviderSettings) (motan.Handler, func(), error) {
	p, err := httpbridge.NewProvider(settings)
	if err != nil {
		return nil, nil, err
	}
	return p, p.Close, nil
}

// httpSettings are what the configuration says of a provider that speaks HTTP.
func httpSettings(s *conf.Service, e ProviderEnv) httpbridge.ProviderSettings {
	h := s.HTTP
	settings := httpbridge.ProviderSettings{
		Domain:              h.Domain,
		EnableRewrite:       h.EnableRewrite,
		EnableHTTPException: h.EnableException,
		ProxyAddress:        h.ProxyAddress,
		ProxySchema:         h.ProxySchema,
		TLS: httpbridge.TLSSettings{
			CA: h.ProxyTLS.CA, Cert: h.ProxyTLS.Cert, Key: h.ProxyTLS.Key, ServerName: h.ProxyTLS.ServerName, Insecure: !h.ProxyTLS.Verify,
			Seen: e.Seen,
		},
		Stats:                 e.Web,
		MaxConnections:        h.MaxConnections,
		KeepaliveTimeout:      h.KeepaliveTimeout,
		IdleConnectionTimeout: h.IdleConnectionTimeout,
		RequestTimeout:        s.RequestTimeout,
		MaxContentLength:      s.MaxContentLength,
		HTTPRequestMethod:     h.RequestMethod,
		HTTPX:                 s.Provider == "httpx",
		URLFormat:             h.URLFormat,
	}
	settings.Locations = webLocations(e.Config, h.Domain)
	for _, x := range e.Config.HTTPServices {
		if x.ID != s.ConfID {
			continue
		}
		settings.Methods = make(map[string]httpbridge.MethodSettings, len(x.Methods))
		for _, m := range x.Methods {
			settings.Methods[m.Name] = httpbridge.MethodSettings{
				URLFormat: m.URLFormat, HTTPRequestMethod: m.RequestMethod, Path: m.Path, Arguments: m.Arguments, Result: m.Result,
			}
		}
	}
	return settings
}

// localIP returns the address that others reach this host by: the first IPv4 address that is
// not a loopback one, as motan-go chooses it, else 127.0.0.1.
func localIP() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// warnOfLocalIP tells of an address that other hosts are given and may not reach this one by.
func warnOfLocalIP(log *slog.Logger, c *conf.Config, ip string) {
	if len(c.Services) == 0 || !slices.ContainsFunc(c.Registries, toldToOthers) {
		return
	}
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		return // conf has said so
	case addr.IsLoopback() && c.Agent.LocalIP == "":
		log.Warn("agent: this host has no IPv4 address but loopback; services are registered under it and other hosts cannot reach them: say which address with -localIP", "local_ip", ip)
	case !hasAddr(addr):
		log.Warn("agent: -localIP is no address of this host; callers on other hosts are sent there: correct -localIP unless the network translates it", "local_ip", ip)
	}
}

// toldToOthers tells whether other hosts learn what is announced in r.
func toldToOthers(r *conf.Registry) bool {
	return !slices.Contains([]string{"local", "direct", "file"}, r.Protocol)
}

// hasAddr tells whether addr is one of this host's; true where that cannot be known.
func hasAddr(addr netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	return err != nil || addr.IsLoopback() || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == addr.Unmap()
	})
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
