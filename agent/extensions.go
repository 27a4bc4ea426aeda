package agent

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// Extensions are the tables that the names in a configuration are looked up in. A program
// that adds to them and calls Main is motand with abilities of its own.
type Extensions struct {
	Filters    map[string]filters.Entry
	Providers  map[string]NewProvider
	Registries map[string]NewRegistry
	Probes     map[string]NewProbe // of the key healthCheck
}

// ownFilters tells whether there are filters that motand does not bring along.
func (x *Extensions) ownFilters() bool {
	ours := filters.Table()
	for name := range x.Filters {
		if _, ok := ours[name]; !ok {
			return true
		}
	}
	return false
}

// NewProvider makes the handler that answers the calls of an exported service. The func that
// it returns, which may be nil, frees what the handler holds once no call can reach it.
type NewProvider func(s *conf.Service, e ProviderEnv) (motan.Handler, func(), error)

// NewRegistry makes a registry from its entry in the configuration.
type NewRegistry func(r *conf.Registry, e RegistryEnv) (registry.Registry, error)

// RegistryEnv is what a registry may need of the agent.
type RegistryEnv struct {
	Local       *registry.Local // the agent's own, for the protocol local
	LocalIP     string
	Application string
	Log         *slog.Logger

	// Seen is told the certificate that a server of the registry has shown on each connection. It may be nil.
	Seen func(server string, shown *x509.Certificate)
}

// Default returns new tables of everything that motand brings along.
func Default() Extensions {
	return Extensions{
		Filters: filters.Table(),
		Providers: map[string]NewProvider{
			"motan2": newMotanProvider,
			"motan":  newMotanProvider,
			"http":   newHTTPProvider,
			"httpx":  newHTTPProvider, // without proxyAddress it is http's third mode
			"cgi":    newCGIProvider,
			"demo": func(*conf.Service, ProviderEnv) (motan.Handler, func(), error) {
				return demoProvider{}, nil, nil
			},
			"mockProvider": newMockProvider,
		},
		Registries: map[string]NewRegistry{
			"direct":    newDirect,
			"file":      newFile,
			"local":     func(_ *conf.Registry, e RegistryEnv) (registry.Registry, error) { return e.Local, nil },
			"etcd":      newEtcd,
			"zookeeper": newZooKeeper,
			"zk":        newZooKeeper,
		},
		Probes: map[string]NewProbe{"tcp": newTCPProbe, "http": newHTTPProbe, "motan": newMotanProbe, "fastcgi": newFastCGIProbe},
	}
}

// known tells conf which names can be used.
func (x *Extensions) known() conf.Known {
	return conf.Known{
		HealthChecks: slices.Sorted(maps.Keys(x.Probes)),
		Registries:   append(slices.Sorted(maps.Keys(x.Registries)), motanGoRegistries...),
		Providers:    append(slices.Sorted(maps.Keys(x.Providers)), motanGoProviders...),
		Filters:      slices.Sorted(maps.Keys(x.Filters)),
	}
}

// motanGoProviders are motan-go's that motand does not have. A configuration may name them, so
// that an agent can be replaced in place; their calls are refused, and the log says so.
var motanGoProviders = []string{"default"}

// motanGoRegistries are those that a configuration may name likewise. They know nobody.
var motanGoRegistries = []string{"mesh", "consul"}

// refuse answers the calls of a service whose provider motand does not have.
func refuse(name string) motan.Handler {
	return motan.HandlerFunc(func(c *motan.Call) {
		c.Fail(motan.Errorf(motan.KindUnavailable, motan.CodeUnavailable, "provider %s is not built into this agent", name))
	})
}

func newDirect(r *conf.Registry, e RegistryEnv) (registry.Registry, error) {
	return registry.NewDirect(registry.DirectOptions{Address: strings.Join(r.Address, ","), Group: r.Group, Log: e.Log})
}

func newFile(r *conf.Registry, e RegistryEnv) (registry.Registry, error) {
	return registry.NewFile(registry.FileOptions{Path: r.Path, Log: e.Log})
}

// provider finds what answers the calls of s.
func (x *Extensions) provider(s *conf.Service, e ProviderEnv) (motan.Handler, func(), error) {
	newProvider, ok := x.Providers[s.Provider]
	if !ok && slices.Contains(motanGoProviders, s.Provider) {
		e.Log.Warn("agent: provider is not built in, the calls of its service are refused", "service", s.ID, "provider", s.Provider, "at", s.At("provider"))
		return refuse(s.Provider), nil, nil
	}
	if !ok {
		return nil, nil, fmt.Errorf("%s: provider %s is not known; there are %s",
			s.At("provider"), strconv.Quote(s.Provider), strings.Join(slices.Sorted(maps.Keys(x.Providers)), ", "))
	}
	h, free, err := newProvider(s, e)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: service %s: %w", s.Position, s.ID, err)
	}
	return h, free, nil
}
