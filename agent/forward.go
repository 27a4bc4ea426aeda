package agent

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
)

// buildHTTP makes the server for the HTTP port, unless that is switched off.
func (a *Agent) buildHTTP(c *conf.Agent) error {
	if len(a.listeners.http) == 0 {
		return nil
	}
	forward, err := a.newForward(c)
	if err != nil {
		return &ConfigError{placed{err}}
	}
	a.httpIn = &httpbridge.Server{
		Forward:          forward,
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
	return nil
}

// newForward makes the forward proxy that motan-agent describes.
func (a *Agent) newForward(c *conf.Agent) (*httpbridge.Forward, error) {
	targets, tunnels, err := forwardTargets(c, a.listeners.own)
	if err != nil {
		return nil, err
	}
	return httpbridge.NewForward(httpbridge.ForwardSettings{
		Targets:        targets,
		Tunnels:        tunnels,
		Timeout:        c.HTTPTimeout,
		IdleTimeout:    c.HTTPKeepaliveTimeout,
		CloseEach:      !c.HTTPKeepalive,
		MaxRequestBody: int64(c.HTTPMaxRequestBytes),
		Name:           "motand-" + a.compiler.localIP + "-" + listenPort(a.listeners.http),
		Logger:         a.log,
	}), nil
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

// useForward has the forward proxy go where c says. Tunnels that c does not allow end within the grace period.
func (a *Agent) useForward(c *conf.Agent) {
	if a.httpIn == nil {
		return
	}
	if targets, tunnels, err := forwardTargets(c, a.listeners.own); err == nil { // the compiler has checked them
		a.httpIn.Forward.Use(targets, tunnels, c.GracePeriod)
	}
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
	l.mu.Lock()
	all := slices.Concat([]net.Listener{l.management}, l.motan, l.http, slices.Collect(maps.Values(l.exports)))
	l.mu.Unlock()
	for _, x := range all {
		if tcp, ok := x.Addr().(*net.TCPAddr); ok && tcp.Port == int(addr.Port()) {
			return addr.Addr().IsUnspecified() || hasAddr(addr.Addr())
		}
	}
	return false
}
