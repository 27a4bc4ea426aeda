package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/registry"
)

// fleetWatch tells the filters of an export how many agents export the service, and those of a refer how many refer to it, as
// the first of its registries has it. It asks only where a filter wants to know.
type fleetWatch struct {
	fleet   filters.Fleet
	service registry.Service
	refers  bool // else exports
	log     *slog.Logger

	mu     sync.Mutex
	ctx    context.Context   // guarded by mu; nil before the export is in use
	source registry.Registry // guarded by mu; nil for none
	wanted bool              // guarded by mu
	end    func()            // guarded by mu; nil while nothing is watched
}

// countEvery is how often a registry is asked who refers to a service. It is not watched: each of a thousand agents that start
// would be told of each of the others.
const countEvery = 10 * time.Second

func newFleetWatch(x *conf.Service, log *slog.Logger) *fleetWatch {
	w := &fleetWatch{
		service: registry.Service{Group: x.Group, Path: x.Path, Version: x.Version, Protocol: x.Export.Protocol}, log: log,
	}
	w.fleet.Demand = w.demand
	return w
}

func newCallerWatch(r *conf.Refer, log *slog.Logger) *fleetWatch {
	w := &fleetWatch{service: registry.Service{Group: r.Group, Path: r.Path}, refers: true, log: log}
	w.fleet.Demand = w.demand
	return w
}

// demand says that a filter wants to know.
func (w *fleetWatch) demand() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = true
	w.look()
}

// follow watches source in the place of what was watched, until ctx ends. What was known last stays until source tells.
func (w *fleetWatch) follow(ctx context.Context, source registry.Registry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = ctx
	if w.source != source {
		w.stop()
	}
	w.source = source
	w.look()
}

// look begins to watch where that is wanted. The caller holds mu.
func (w *fleetWatch) look() {
	if !w.wanted || w.ctx == nil || w.source == nil || w.end != nil {
		return
	}
	ctx, end := context.WithCancel(w.ctx)
	if err := w.count(ctx); err != nil {
		end()
		w.log.Warn("agent: the number of agents that share a limit is not known, each lets all of it through", "service", w.service.Path, "group", w.service.Group, "err", err)
		return
	}
	w.end = end
}

// count has fleet told until ctx ends. The caller holds mu.
func (w *fleetWatch) count(ctx context.Context) error {
	if !w.refers {
		return w.source.Watch(ctx, w.service, func(nodes []registry.Node) { w.fleet.Tell(len(nodes)) })
	}
	counter, ok := registry.As[registry.CallerCounter](w.source)
	if !ok {
		return errors.New("the registry does not tell who calls a service; zookeeper does")
	}
	go w.poll(ctx, counter) // ends with ctx
	return nil
}

// poll asks how many refer to the service, at once and then again and again. What was known stays while nobody can tell.
func (w *fleetWatch) poll(ctx context.Context, counter registry.CallerCounter) {
	for ctx.Err() == nil {
		if n, err := counter.Callers(ctx, w.service.Group, w.service.Path); err == nil {
			w.fleet.Tell(n)
		} else {
			w.log.Debug("agent: how many agents share a limit cannot be asked", "service", w.service.Path, "group", w.service.Group, "err", err)
		}
		wait := time.NewTimer(countEvery/2 + rand.N(countEvery))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

// stop ends the watch. The caller holds mu.
func (w *fleetWatch) stop() {
	if w.end != nil {
		w.end()
		w.end = nil
	}
}

// close ends the watch for good.
func (w *fleetWatch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = nil
	w.stop()
}
