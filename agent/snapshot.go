package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// snapshot is a configuration compiled: what calls are led through. It is built aside and
// never changed; ending its context ends what it watches.
type snapshot struct {
	config     *conf.Config
	routes     *routes
	exports    *exports
	registries map[string]registry.Registry // by id
	all        []*route                     // in the order of the configuration
	services   []*conf.Service
	commands   *commands
	ports      []int                          // that services are exported on, ascending
	switches   map[string]filters.SwitchValue // as configured
	filters    []placedFilter                 // that stand in the chains
	free       []func()
	cancel     context.CancelFunc
	pending    atomic.Int64 // refers that have heard nothing of their nodes yet, neither from a registry nor from the disk
}

// compiler builds snapshots. It holds what outlives them.
type compiler struct {
	extensions Extensions
	pool       *cluster.Pool
	metrics    *metrics.Registry
	accessLog  *filters.AccessLogger                     // nil when switched off
	states     *filters.States                           // of filters; nil for snapshots that are not used
	switches   *filters.Switches                         // likewise
	route      func(service, group string) motan.Handler // see filters.Settings; may be nil
	local      *registry.Local
	localIP    string
	log        *slog.Logger
	stores     map[string]*registry.Store // by folder; made by remember
}

// compile makes a snapshot of c, or tells everything that is wrong with it. Nothing is in use
// before start.
func (k *compiler) compile(c *conf.Config) (*snapshot, error) {
	s := &snapshot{
		config:     c,
		routes:     &routes{byService: make(map[string][]*route), strict: c.Agent.StrictGroup},
		exports:    &exports{byService: make(map[string][]*export)},
		registries: make(map[string]registry.Registry),
		commands:   newCommands(c.Agent.Application, filepath.Join(c.Agent.RuntimeDir, "commands.json"), k.switches, k.log),
	}
	var errs []error
	for _, r := range c.Registries {
		reg, err := k.registry(c, r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.registries[r.ID] = reg
	}
	for _, r := range c.Refers {
		if err := k.refer(s, r); err != nil {
			errs = append(errs, err)
		}
	}
	for _, x := range c.Services {
		if err := k.service(s, x); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, k.readSwitches(s))
	if err := errors.Join(errs...); err != nil {
		s.close()
		return nil, err
	}
	warnOfUnserved(k.log, c)
	slices.Sort(s.ports)
	s.ports = slices.Compact(s.ports)
	return s, nil
}

// registry makes a registry, with a memory unless it is this process itself or a list in c.
func (k *compiler) registry(c *conf.Config, r *conf.Registry) (registry.Registry, error) {
	newRegistry, ok := k.extensions.Registries[r.Protocol]
	if !ok && slices.Contains(motanGoRegistries, r.Protocol) {
		k.log.Warn("agent: registry is not built in, it knows nobody", "registry", r.ID, "protocol", r.Protocol, "at", r.At("protocol"))
		return new(registry.Static), nil
	}
	if !ok {
		return nil, fmt.Errorf("%s: registry %s: protocol %q is not known", r.Position, r.ID, r.Protocol)
	}
	reg, err := newRegistry(r, RegistryEnv{Local: k.local, LocalIP: k.localIP, Application: c.Agent.Application, Log: k.log})
	if err != nil {
		return nil, fmt.Errorf("%s: registry %s: %w", r.Position, r.ID, err)
	}
	switch r.Protocol {
	case "local", "direct": // known without asking anybody, so there is nothing to remember
		return reg, nil
	}
	return k.remember(c, r, reg), nil
}

func (k *compiler) refer(s *snapshot, r *conf.Refer) error {
	balance, ok := cluster.NewBalance(r.LoadBalance, cluster.HashSettings{Parts: r.HashParts, Load: r.HashLoad, Replicas: r.HashReplicas})
	if !ok { // a program of one's own may know further names
		return fmt.Errorf("%s: refer %s: loadbalance %q is not one of %s", r.At("loadbalance"), r.ID, r.LoadBalance, strings.Join(cluster.Balances(), ", "))
	}
	outer, inner, err := k.chains(&r.Entry, filters.ClientAgent)
	if err != nil {
		return err
	}
	s.place(&r.Entry, filters.ClientAgent, outer, inner)
	x := &route{refer: r}
	x.steering = steering{route: x, localIP: k.localIP, known: func() {
		x.heard.Store(true)
		s.pending.Add(-1)
	}}
	if x.source, err = s.source(r); err != nil {
		return err
	}
	x.cluster = cluster.New(cluster.Settings{
		Service: r.Path, Group: r.Group, Version: r.Version, Application: r.Application,
		Timeouts: cluster.Timeouts{Request: r.RequestTimeout, Min: r.MinRequestTimeout, Max: r.MaxRequestTimeout},
		Retries:  r.Retries, Methods: methods(&r.Entry), Balance: balance,
		Health:      cluster.Health{Failures: r.ErrorCountThreshold, Pause: r.KeepaliveInterval},
		Connections: r.ClientConnections, MaxContentLength: r.MaxContentLength, ConnectTimeout: r.ConnectTimeout,
		GzipOver: r.MingzSize, Pool: k.pool, Attempts: inner,
	})
	x.handler = motan.NewChain(x.cluster, outer...)
	s.free = append(s.free, x.cluster.Close)
	s.routes.byService[r.Path] = append(s.routes.byService[r.Path], x)
	s.all = append(s.all, x)
	return nil
}

func (k *compiler) service(s *snapshot, x *conf.Service) error {
	outer, inner, err := k.chains(&x.Entry, filters.ServerAgent)
	if err != nil {
		return err
	}
	s.place(&x.Entry, filters.ServerAgent, outer, inner)
	provider, free, err := k.extensions.provider(x, ProviderEnv{Config: s.config, Pool: k.pool, Log: k.log})
	if err != nil {
		return err
	}
	if free != nil {
		s.free = append(s.free, free)
	}
	e := &export{service: x, handler: motan.NewChain(provider, append(outer, inner...)...)}
	s.exports.byService[x.Path] = append(s.exports.byService[x.Path], e)
	s.services = append(s.services, x)
	s.ports = append(s.ports, x.Export.Port)
	return nil
}

// start watches the nodes of all refers until the snapshot is closed.
func (s *snapshot) start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(ctx)
	for _, x := range s.all {
		s.pending.Add(1)
		if err := x.steering.start(ctx); err != nil {
			return fmt.Errorf("%s: refer %s: %w", x.refer.Position, x.refer.ID, err)
		}
	}
	return s.commands.start(ctx, s.registries, s.all)
}

// unknown returns the ids of the refers of whose nodes nothing is known yet.
func (s *snapshot) unknown() []string {
	var refers []string
	for _, x := range s.all {
		if !x.heard.Load() {
			refers = append(refers, x.refer.ID)
		}
	}
	return refers
}

// source is where the nodes of a refer come from: the addresses that the environment gives
// for it (MESH_DIRECT_RPC), else its registries as one.
func (s *snapshot) source(r *conf.Refer) (registry.Registry, error) {
	for _, d := range s.config.DirectRPC {
		if (d.Group == "" || d.Group == r.Group) && d.Matches(r.Path) {
			return registry.NewDirect(registry.DirectOptions{Address: strings.Join(d.Address, ",")})
		}
	}
	var sources []registry.Registry
	for _, id := range r.Registries {
		source, ok := s.registries[id]
		if !ok {
			return nil, fmt.Errorf("%s: refer %s: registry %s cannot be used", r.At("registry"), r.ID, id)
		}
		sources = append(sources, source)
	}
	switch len(sources) {
	case 0:
		return nil, fmt.Errorf("%s: refer %s names no registry: write registry: <an id of motan-registry>", r.Position, r.ID)
	case 1:
		return sources[0], nil
	}
	return registry.Merge(sources...), nil
}

// close ends what the snapshot watches and frees what it holds.
func (s *snapshot) close() {
	if s.cancel != nil {
		s.cancel()
	}
	for _, f := range s.free {
		f()
	}
}

// node is what the registry is told about an exported service.
func (k *compiler) node(s *conf.Service, available bool) registry.Node {
	params := make(map[string]string, len(s.Params)+4)
	maps.Copy(params, s.Params)
	params["export"] = s.Export.Protocol + ":" + strconv.Itoa(s.Export.Port)
	params["requestTimeout"] = milliseconds(s.RequestTimeout)
	return registry.Node{
		Service: registry.Service{Group: s.Group, Path: s.Path, Version: s.Version, Protocol: s.Export.Protocol},
		Host:    k.localIP, Port: s.Export.Port, Params: params, Available: available,
	}
}
