package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
)

// newHTTP makes the server for the HTTP port.
func (a *Agent) newHTTP(c *conf.Agent) *httpbridge.Server {
	return &httpbridge.Server{
		Forward:          a.newForward(c),
		ReadTimeout:      c.HTTPReadTimeout,
		WriteTimeout:     c.HTTPWriteTimeout,
		IdleTimeout:      c.HTTPIdleTimeout,
		Handler:          &outbound{routes: &a.routes},
		Domains:          func() *httpbridge.Domains { return a.routes.Load().web },
		Serves:           func(service []byte) bool { return len(a.routes.Load().byService[string(service)]) > 0 },
		MaxBodySize:      c.HTTPMaxBodyBytes,
		MaxConnections:   c.MaxConnections,
		RequestID:        newRequestIDs(),
		MaxBytesInFlight: int64(c.HTTPBytesInFlight),
		Catalog:          catalog{&a.routes},
		Origins:          c.HTTPOrigins,
		GzipSize:         c.HTTPGzipBytes,
		Logger:           a.log,
	}
}

// useHTTP takes into use what c says of the HTTP port and can be changed while that is served. Tunnels that c does not allow end
// within the grace period.
func (a *Agent) useHTTP(c *conf.Agent) {
	a.httpIn.Change(httpbridge.Policy{Origins: c.HTTPOrigins, GzipSize: c.HTTPGzipBytes})
	if targets, tunnels, err := forwardTargets(c, a.listeners.own); err == nil { // the compiler has checked them
		a.httpIn.Forward.Use(targets, tunnels, c.GracePeriod)
	}
}

// newForward makes the forward proxy that motan-agent describes. The targets were checked when the configuration was compiled.
func (a *Agent) newForward(c *conf.Agent) *httpbridge.Forward {
	targets, tunnels, _ := forwardTargets(c, a.listeners.own)
	return httpbridge.NewForward(httpbridge.ForwardSettings{
		Targets:        targets,
		Tunnels:        tunnels,
		Timeout:        c.HTTPTimeout,
		IdleTimeout:    c.HTTPKeepaliveTimeout,
		CloseEach:      !c.HTTPKeepalive,
		MaxRequestBody: int64(c.HTTPMaxRequestBytes),
		Name:           "motand-" + a.compiler.localIP + "-" + listenPort(a.listeners.of("http")),
		Logger:         a.log,
	})
}

// forwardTargets are the hosts that requests may be passed on to, and those that CONNECT leads to.
func forwardTargets(c *conf.Agent, own func(netip.AddrPort) bool) (httpbridge.Targets, httpbridge.Tunnels, error) {
	var errs []error
	parse := func(key string, texts []string, parse func(string) (httpbridge.TargetPattern, error)) []httpbridge.TargetPattern {
		all := make([]httpbridge.TargetPattern, 0, len(texts))
		for _, text := range texts {
			p, err := parse(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", c.At(key), key, err))
			}
			all = append(all, p)
		}
		return all
	}
	targets := httpbridge.Targets{
		Off: c.HTTPForward == "off", Listed: c.HTTPForward == "listed", Own: own,
		Allow: parse("httpProxyAllow", c.HTTPAllow, httpbridge.ParseTarget),
	}
	tunnels := httpbridge.Tunnels{
		Allow: parse("httpProxyConnect", c.HTTPConnect, httpbridge.ParseTunnel),
		Max:   c.HTTPConnectMax, Idle: c.HTTPConnectIdle,
	}
	return targets, tunnels, errors.Join(errs...)
}

func listenPort(all []net.Listener) string {
	for _, l := range all {
		if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
			return port
		}
	}
	return "unix"
}

// own tells whether one of the listeners is at addr.
func (l *listeners) own(addr netip.AddrPort) bool {
	for _, x := range l.all() {
		if tcp, ok := x.listener.Addr().(*net.TCPAddr); ok && tcp.Port == int(addr.Port()) {
			return addr.Addr().IsUnspecified() || hasAddr(addr.Addr())
		}
	}
	return false
}
