package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/httpbridge"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// compiler builds snapshots. It holds what outlives them, and the parts that they share. It
// compiles one at a time.
type compiler struct {
	extensions Extensions
	pool       *cluster.Pool
	metrics    *metrics.Registry
	accessLog  *filters.AccessLogger // nil for snapshots that are not used
	notables   filters.Notables
	states     *filters.States                           // of filters; nil for snapshots that are not used
	switches   *filters.Switches                         // likewise
	screenings atomic.Pointer[[]screening]               // of the refers filter
	rulebook   rulebook                                  // of motan-traffic
	spans      *trace.Recorder                           // of traced calls; nil for snapshots that are not used
	route      func(service, group string) motan.Handler // see filters.Settings; may be nil
	local      *registry.Local
	localIP    string
	log        *slog.Logger
	stores     map[string]*registry.Store // by folder; made by remember

	commands   *commands // made with the first snapshot
	registries shared[registry.Registry]
	routes     shared[*route]
	exports    shared[*export]
	syncers    shared[*syncer]
	plains     shared[*plainCalls]
	attic      attic
	inUse      *atomic.Pointer[routes]   // of the agent; nil where no call comes
	demands    *demands                  // likewise
	expiries   *certificates             // nil for snapshots that are not used
	own        func(netip.AddrPort) bool // tells addresses of the agent itself; nil where it listens nowhere
	web        httpbridge.ProviderStats
	linger     time.Duration  // how long what was taken out of use is kept for calls that may have found it
	background sync.WaitGroup // registries that are left, checks that end
}

// close frees everything that was taken out of use.
func (k *compiler) close() {
	k.attic.close()
	k.background.Wait()
	words, done := context.WithTimeout(context.Background(), lastWords)
	defer done()
	for _, s := range k.stores {
		if err := s.Flush(words); err != nil {
			k.log.Warn("agent: lists of nodes are not on disk", "err", err)
		}
	}
	k.pool.Close()
}

// compile makes a snapshot of c, or tells everything that is wrong with it. Nothing is in use
// before start. What old, which may be nil, and any other snapshot have from equal entries is
// taken over with its connections, counters and state.
func (k *compiler) compile(c *conf.Config, old *snapshot) (*snapshot, error) {
	s := &snapshot{
		config:     c,
		routes:     &routes{byService: make(map[string][]*route), domains: make(map[string]*domain), strict: c.Agent.StrictGroup},
		exports:    &exports{byService: make(map[string][]*export)},
		registries: make(map[string]registry.Registry),
		holds:      make(map[string]*item[registry.Registry]),
		byRefer:    make(map[*conf.Refer]*item[*route]),
		byService:  make(map[*conf.Service]*item[*export]),
		demanded:   make(map[*route]bool),
	}
	if old == nil {
		old = new(snapshot)
	}
	if k.commands == nil {
		k.commands = newCommands(filepath.Join(c.Agent.RuntimeDir, "commands.json"), k.switches, k.log)
	}
	s.commands = k.commands
	k.linger = max(k.linger, lastCalls+c.Agent.PropagationDelay)
	var errs []error
	for _, r := range c.Registries {
		hold, err := k.registry(c, r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.holds[r.ID], s.registries[r.ID] = hold, hold.value
	}
	for _, r := range c.Refers {
		if err := k.refer(s, old, r); err != nil {
			errs = append(errs, err)
		}
	}
	for _, h := range c.HTTPClients {
		if err := k.domain(s, old, h); err != nil {
			errs = append(errs, err)
		}
	}
	s.routes.web = s.webDomains()
	if _, _, err := forwardTargets(&c.Agent, nil); err != nil {
		errs = append(errs, err)
	}
	for _, x := range c.Services {
		if err := k.service(s, old, x); err != nil {
			errs = append(errs, err)
		}
	}
	s.rules = k.rulebook.compile(s)
	for _, x := range c.Syncs {
		if err := k.sync(s, x); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, k.readSwitches(s, old))
	if err := errors.Join(errs...); err != nil {
		s.close()
		return nil, err
	}
	s.routes.describe()
	slices.Sort(s.ports)
	s.ports = slices.Compact(s.ports)
	return s, nil
}

// registry finds or makes a registry.
func (k *compiler) registry(c *conf.Config, r *conf.Registry) (*item[registry.Registry], error) {
	plain := *r
	plain.Position = conf.Position{}
	return k.registries.get(fingerprintOf(plain, c.Agent.Application, c.Agent.SnapshotDir), func() (registry.Registry, func(), error) {
		reg, err := k.newRegistry(c, r)
		if err != nil || reg == registry.Registry(k.local) { // which outlives every snapshot
			return reg, nil, err
		}
		return reg, func() { k.leave(r.ID, reg) }, nil
	})
}

// leave ends the session with a registry that no snapshot has any more. Its memory on disk goes
// on: other registries share it.
func (k *compiler) leave(id string, reg registry.Registry) {
	if c, ok := reg.(*registry.Cache); ok {
		reg = c.Unwrap()
	}
	k.background.Go(func() { // ends with words
		words, done := context.WithTimeout(context.Background(), lastWords)
		defer done()
		leave(words, map[string]registry.Registry{id: reg}, k.log)
	})
}

// newRegistry makes a registry, with a memory unless it is this process itself or a list in c.
func (k *compiler) newRegistry(c *conf.Config, r *conf.Registry) (registry.Registry, error) {
	newRegistry, ok := k.extensions.Registries[r.Protocol]
	if !ok && slices.Contains(motanGoRegistries, r.Protocol) {
		what := "agent: registry is not built in, it knows nobody"
		if r.Protocol == "mesh" {
			what = "agent: registry mesh is how programs find an agent and knows nobody here; name the registry that is behind it (proxyRegistry) itself"
		}
		k.log.Warn(what, "registry", r.ID, "protocol", r.Protocol, "at", r.At("protocol"))
		return new(registry.Static), nil
	}
	if !ok {
		return nil, fmt.Errorf("%s: registry %s: protocol %q is not known", r.Position, r.ID, r.Protocol)
	}
	reg, err := newRegistry(r, RegistryEnv{Local: k.local, LocalIP: k.localIP, Application: c.Agent.Application, Log: k.log, Seen: k.expiries.seen("motan-registry." + r.ID)})
	if err != nil {
		return nil, fmt.Errorf("%s: registry %s: %w", r.Position, r.ID, err)
	}
	switch r.Protocol {
	case "local", "direct": // known without asking anybody, so there is nothing to remember
		return reg, nil
	}
	return k.remember(c, r, reg), nil
}

// refer puts the route of r into s.
func (k *compiler) refer(s, old *snapshot, r *conf.Refer) error {
	x, err := k.hold(s, old, r)
	if err == nil {
		s.routes.byService[r.Path] = append(s.routes.byService[r.Path], x)
	}
	return err
}

// hold has s hold the route of r: that of old, an equal one, or a new one.
func (k *compiler) hold(s, old *snapshot, r *conf.Refer) (*route, error) {
	hold := old.byRefer[r]
	if hold != nil && sameHolds(s, old, r.Registries) {
		hold.hold()
	} else {
		source, key, err := s.source(r)
		if err != nil {
			return nil, err
		}
		plain := *r
		plain.Position = conf.Position{}
		if hold, err = k.routes.get(fingerprintOf(plain, key, s.config.MetaPrefix, s.config.MetaCache, s.config.Agent.Labels), func() (*route, func(), error) {
			x, err := k.newRoute(s.config, r, source)
			if err != nil {
				return nil, nil, err
			}
			return x, func() { k.retireRoute(x) }, nil
		}); err != nil {
			return nil, err
		}
	}
	s.byRefer[r] = hold
	s.filters = append(s.filters, hold.value.filters...)
	s.all = append(s.all, hold.value)
	return hold.value, nil
}

// sameHolds tells whether the ids mean the same registries in both.
func sameHolds(s, old *snapshot, ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return s.holds[id] == nil || s.holds[id] != old.holds[id] })
}

func (k *compiler) newRoute(c *conf.Config, r *conf.Refer, source registry.Registry) (*route, error) {
	settings, err := k.clusterSettings(c, r)
	if err != nil {
		return nil, err
	}
	x := &route{refer: r, source: source, fleet: newCallerWatch(r, k.log), first: make(chan struct{})}
	x.crossing.route = x
	outer, inner, err := k.chains(&r.Entry, filters.ClientAgent, x.crossing.pin, &x.fleet.fleet)
	if err != nil {
		return nil, err
	}
	x.filters = configured(&r.Entry, filters.ClientAgent, outer, inner)
	x.used.Store(motan.Now())
	x.steering = steering{route: x, localIP: k.localIP, known: func() {
		x.heard.Store(true)
		close(x.first)
	}}
	settings.Attempts = inner
	x.steering.screen = screenOf(k.screened(), r)
	x.crossing.screen.Store(x.steering.screen)
	x.cluster = cluster.New(settings)
	x.handler = motan.NewChain(&x.crossing, outer...)
	return x, nil
}

// newBalance returns a balance of the kind that r names, nil where there is none. Each cluster has its own.
func newBalance(r *conf.Refer) cluster.Balance {
	b, _ := cluster.NewBalance(r.LoadBalance, cluster.HashSettings{Parts: r.HashParts, Load: r.HashLoad, Replicas: r.HashReplicas})
	return b
}

// lastCalls is how long a part may still get calls after nothing leads to it any more: a call
// that had found it just before may be tried again on another node until its time-out.
const lastCalls = 30 * time.Second

func (k *compiler) retireRoute(x *route) {
	free := func() {
		x.crossing.close()
		x.cluster.Close()
	}
	if x.cancel == nil { // no call has ever seen it
		free()
		return
	}
	x.cancel()
	x.fleet.close()
	k.attic.put(k.linger, free)
}

// retireBranch ends the watch of a branch that no rule leads to any more.
func (k *compiler) retireBranch(b *branch) {
	b.cancel()
	k.attic.put(k.linger, b.cluster.Close)
}

// service puts the export of x into s, likewise.
func (k *compiler) service(s, old *snapshot, x *conf.Service) error {
	hold := old.byService[x]
	if hold != nil { // from the same file, which has the same web rules
		hold.hold()
	} else {
		plain := *x
		plain.Position = conf.Position{}
		var err error
		if hold, err = k.exports.get(fingerprintOf(plain, webRules(s.config, x)), func() (*export, func(), error) {
			e, err := k.newExport(s.config, x)
			if err != nil {
				return nil, nil, err
			}
			return e, func() { k.retireExport(e) }, nil
		}); err != nil {
			return err
		}
	}
	s.byService[x] = hold
	s.filters = append(s.filters, hold.value.filters...)
	s.exports.byService[x.Path] = append(s.exports.byService[x.Path], hold.value)
	s.exported = append(s.exported, hold.value)
	s.ports = append(s.ports, x.Export.Port)
	return nil
}

func (k *compiler) newExport(c *conf.Config, x *conf.Service) (*export, error) {
	fleet := newFleetWatch(x, k.log)
	outer, inner, err := k.chains(&x.Entry, filters.ServerAgent, nil, &fleet.fleet)
	if err != nil {
		return nil, err
	}
	provider, free, err := k.extensions.provider(x, ProviderEnv{Config: c, Pool: k.pool, Log: k.log, Seen: k.expiries.seen("motan-service." + x.ID), Web: &k.web})
	if err != nil {
		return nil, err
	}
	e := &export{
		service: x, handler: motan.NewChain(provider, append(outer, inner...)...), free: free,
		filters: configured(&x.Entry, filters.ServerAgent, outer, inner), fleet: fleet,
	}
	if e.health, err = k.extensions.health(x, k.log); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (k *compiler) retireExport(e *export) {
	if e.health != nil {
		k.background.Go(e.health.stop) // waits for a check under way, which ends at once
	}
	if !e.used {
		e.close()
		return
	}
	k.attic.put(k.linger, e.close)
}

// source is where the nodes of a refer come from: the addresses that the environment gives
// for it (MESH_DIRECT_RPC), else its registries as one. key is equal for equal sources.
func (s *snapshot) source(r *conf.Refer) (source registry.Registry, key any, err error) {
	for _, d := range s.config.DirectRPC {
		if (d.Group == "" || d.Group == r.Group) && d.Matches(r.Path) {
			source, err = registry.NewDirect(registry.DirectOptions{Address: strings.Join(d.Address, ",")})
			return source, d.Address, err
		}
	}
	var sources []registry.Registry
	var keys []fingerprint
	for _, id := range r.Registries {
		hold := s.holds[id]
		if hold == nil {
			return nil, nil, fmt.Errorf("%s: refer %s: registry %s cannot be used", r.At("registry"), r.ID, id)
		}
		sources, keys = append(sources, hold.value), append(keys, hold.key)
	}
	switch len(sources) {
	case 0:
		return nil, nil, fmt.Errorf("%s: refer %s names no registry: write registry: <an id of motan-registry>", r.Position, r.ID)
	case 1:
		return sources[0], keys, nil
	}
	return registry.Merge(sources...), keys, nil
}

// node is what the registry is told about an exported service.
func (k *compiler) node(s *conf.Service, available bool) registry.Node {
	params := make(map[string]string, len(s.Params)+4)
	maps.Copy(params, s.Params)
	params["export"] = s.Export.Protocol + ":" + strconv.Itoa(s.Export.Port)
	params["requestTimeout"] = milliseconds(s.RequestTimeout)
	maps.Copy(params, s.Meta)
	return registry.Node{
		Service: registry.Service{Group: s.Group, Path: s.Path, Version: s.Version, Protocol: s.Export.Protocol},
		Host:    k.localIP, Port: s.Export.Port, Params: params, Available: available,
	}
}
