package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge/fastcgi"
	"github.com/motand/motand/motan"
)

// Probe looks at the local provider of an exported service.
type Probe interface {
	// Probe returns nil where the provider can be called, else why not. It returns when ctx ends
	// and is not called twice at once.
	Probe(ctx context.Context) error
}

// NewProbe makes the probe that the key healthCheck of s names. s.Health has the address.
type NewProbe func(s *conf.Service) (Probe, error)

// probeFunc is a Probe without state.
type probeFunc func(ctx context.Context) error

// Probe calls f.
func (f probeFunc) Probe(ctx context.Context) error { return f(ctx) }

// health makes what checks the provider of s; nil where s has no check.
func (x *Extensions) health(s *conf.Service, log *slog.Logger) (*health, error) {
	if s.Health.Kind == "" {
		return nil, nil
	}
	newProbe, ok := x.Probes[s.Health.Kind]
	if !ok {
		return nil, fmt.Errorf("%s: service %s: healthCheck %q is not known; there are %s",
			s.At("healthCheck"), s.ID, s.Health.Kind, strings.Join(slices.Sorted(maps.Keys(x.Probes)), ", "))
	}
	p, err := newProbe(s)
	if err != nil {
		return nil, fmt.Errorf("%s: service %s: %w", s.At("healthCheck"), s.ID, err)
	}
	return newHealth(s, p, log), nil
}

// newTCPProbe connects and hangs up.
func newTCPProbe(s *conf.Service) (Probe, error) {
	network, addr := dialTarget(s.Health.Address)
	return probeFunc(func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}), nil
}

// newMotanProbe sends a heartbeat, as callers of the provider would.
func newMotanProbe(s *conf.Service) (Probe, error) {
	options := motan.ConnOptions{ConnectTimeout: s.Health.Timeout}
	return probeFunc(func(ctx context.Context) error { return motan.Ping(ctx, s.Health.Address, options) }), nil
}

// newFastCGIProbe asks for the ping.path of PHP-FPM, or whether the server answers at all.
func newFastCGIProbe(s *conf.Service) (Probe, error) {
	network, addr := dialTarget(s.Health.Address)
	path := strings.TrimSuffix(s.Health.Path, "/")
	return probeFunc(func(ctx context.Context) error { return fastcgi.Ping(ctx, network, addr, path) }), nil
}

// newHTTPProbe fetches a path and looks at the status, of a redirection as well. Each check
// has a connection of its own: a kept one would say little about new ones.
func newHTTPProbe(s *conf.Service) (Probe, error) {
	h := s.Health
	network, addr := dialTarget(h.Address)
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, addr)
			},
			// The provider is on this host; its certificate is made for the names that it is called by elsewhere.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	host := addr
	if network == "unix" {
		host = "localhost"
	}
	if s.HTTP.Domain != "" {
		host = s.HTTP.Domain
	}
	request, err := http.NewRequest(http.MethodGet, s.HTTP.ProxySchema+"://"+host+h.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("make the request of the check: %w", err)
	}
	request.Header.Set("User-Agent", "motand-health-check")
	return probeFunc(func(ctx context.Context) error {
		answer, err := client.Do(request.Clone(ctx))
		if err != nil {
			return err
		}
		_ = answer.Body.Close() // only the status counts
		if answer.StatusCode < h.FirstStatus || answer.StatusCode > h.LastStatus {
			return errors.New("status " + answer.Status)
		}
		return nil
	}), nil
}

// dialTarget splits host:port or unix:///path for a dialer.
func dialTarget(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return "unix", path
	}
	return "tcp", address
}
