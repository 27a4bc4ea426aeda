package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	ports      []int // that services are exported on, ascending
	free       []func()
	cancel     context.CancelFunc
	pending    atomic.Int64 // refers that have heard nothing of their nodes yet, neither from a registry nor from the disk
}

// compiler builds snapshots. It holds what outlives them.
type compiler struct {
	extensions Extensions
	pool       *cluster.Pool
	metrics    *metrics.Registry
	accessLog  *filters.AccessLogger // nil when switched off
	local      *registry.Local
	localIP    string
	log        *slog.Logger
}

// compile makes a snapshot of c, or tells everything that is wrong with it. Nothing is in use
// before start.
func (k *compiler) compile(c *conf.Config) (*snapshot, error) {
	s := &snapshot{
		config:     c,
		routes:     &routes{byService: make(map[string][]*route), strict: c.Agent.StrictGroup},
		exports:    &exports{byService: make(map[string][]*export)},
		registries: make(map[string]registry.Registry),
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
	if err := errors.Join(errs...); err != nil {
		s.close()
		return nil, err
	}
	slices.Sort(s.ports)
	s.ports = slices.Compact(s.ports)
	return s, nil
}

// registry makes a registry with a memory on disk. An empty list is believed where the
// registry is a list that somebody keeps by hand or this process itself.
func (k *compiler) registry(c *conf.Config, r *conf.Registry) (registry.Registry, error) {
	make, ok := k.extensions.Registries[r.Protocol]
	if !ok {
		return nil, fmt.Errorf("%s: registry %s: protocol %q is not known", r.Position, r.ID, r.Protocol)
	}
	reg, err := make(r, RegistryEnv{Local: k.local, LocalIP: k.localIP, Application: c.Agent.Application, Log: k.log})
	if err != nil {
		return nil, fmt.Errorf("%s: registry %s: %w", r.Position, r.ID, err)
	}
	switch r.Protocol {
	case "local", "direct": // known without asking anybody, so there is nothing to remember
		return reg, nil
	case "file":
		return registry.Cached(reg, c.Agent.SnapshotDir, k.log, registry.AllowEmpty()), nil
	}
	return registry.Cached(reg, c.Agent.SnapshotDir, k.log), nil
}

func (k *compiler) refer(s *snapshot, r *conf.Refer) error {
	balance, ok := cluster.NewBalance(r.LoadBalance)
	if !ok {
		k.log.Warn("agent: load balance is not known here, nodes take turns", "refer", r.ID, "loadbalance", r.LoadBalance)
	}
	outer, inner, err := k.chains(&r.Entry, filters.ClientAgent)
	if err != nil {
		return err
	}
	x := &route{refer: r}
	x.cluster = cluster.New(cluster.Settings{
		Service: r.Path, Group: r.Group, Version: r.Version, Application: r.Application,
		Timeouts: cluster.Timeouts{Request: r.RequestTimeout, Min: r.MinRequestTimeout, Max: r.MaxRequestTimeout},
		Retries:  r.Retries, Methods: methods(&r.Entry), Balance: balance,
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

// chains makes the filters of an entry: those around the call and those around each attempt.
// Access log and metrics are always there; where the configuration does not place them, they
// stand outermost and see a call once.
func (k *compiler) chains(e *conf.Entry, role string) (outer, inner []motan.Filter, err error) {
	names := slices.Clone(e.Filters)
	for _, name := range []string{"metrics", "accessLog"} {
		if !slices.Contains(names, name) {
			names = slices.Insert(names, 0, defaultFilter+name)
		}
	}
	var errs []error
	for _, name := range names {
		plain, always := cutDefault(name)
		if plain == "accessLog" && k.accessLog == nil {
			continue
		}
		entry, ok := k.extensions.Filters[plain]
		if !ok {
			k.log.Warn("agent: filter is not known here and left out", "entry", e.ID, "filter", plain, "at", e.At("filter"))
			continue
		}
		f, err := entry.New(filters.Settings{
			Role: role, Service: e.Path, Group: e.Group, Application: e.Application,
			Params: e.Params, WholeCall: always && role == filters.ClientAgent, Metrics: k.metrics, AccessLog: k.accessLog,
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: filter %s: %w", e.At("filter"), plain, err))
			continue
		}
		if always || entry.Position == filters.Cluster {
			outer = append(outer, f)
		} else {
			inner = append(inner, f)
		}
	}
	return outer, inner, errors.Join(errs...)
}

// start watches the nodes of all refers until the snapshot is closed.
func (s *snapshot) start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(ctx)
	for _, x := range s.all {
		source, err := s.source(x.refer)
		if err != nil {
			return err
		}
		s.pending.Add(1)
		var heard atomic.Bool
		err = source.Watch(ctx, registry.Service{
			Group: x.refer.Group, Path: x.refer.Path, Version: x.refer.Version, Protocol: x.refer.Protocol,
		}, func(nodes []registry.Node) {
			x.cluster.Update(nodes)
			if !heard.Swap(true) {
				s.pending.Add(-1)
			}
		})
		if err != nil {
			return fmt.Errorf("%s: refer %s: %w", x.refer.Position, x.refer.ID, err)
		}
	}
	return nil
}

// source is where the nodes of a refer come from: the addresses that the environment gives
// for it (MESH_DIRECT_RPC), else its registries as one.
func (s *snapshot) source(r *conf.Refer) (registry.Registry, error) {
	for _, d := range s.config.DirectRPC {
		if d.Group != "" && d.Group != r.Group || d.Prefix && !strings.HasPrefix(r.Path, d.Service) || !d.Prefix && !strings.HasSuffix(r.Path, d.Service) {
			continue
		}
		return registry.NewDirect(registry.DirectOptions{Address: strings.Join(d.Address, ",")})
	}
	var sources []registry.Registry
	for _, id := range r.Registries {
		sources = append(sources, s.registries[id])
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
	for key, value := range s.Params {
		params[key] = value
	}
	params["export"] = s.Export.Protocol + ":" + strconv.Itoa(s.Export.Port)
	params["requestTimeout"] = milliseconds(s.RequestTimeout)
	return registry.Node{
		Service: registry.Service{Group: s.Group, Path: s.Path, Version: s.Version, Protocol: s.Export.Protocol},
		Host:    k.localIP, Port: s.Export.Port, Params: params, Available: available,
	}
}

// defaultFilter marks a filter that stands there without being configured.
const defaultFilter = "+"

func cutDefault(name string) (plain string, always bool) {
	if name[0] == defaultFilter[0] {
		return name[1:], true
	}
	return name, false
}
