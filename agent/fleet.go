package agent

import (
	"context"
	"log/slog"
	"sync"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/registry"
)

// fleetWatch tells the filters of an export how many agents export the service, as the first of its registries has it. It
// watches only where a filter wants to know.
type fleetWatch struct {
	fleet   filters.Fleet
	service registry.Service
	log     *slog.Logger

	mu     sync.Mutex
	ctx    context.Context   // guarded by mu; nil before the export is in use
	source registry.Registry // guarded by mu; nil for none
	wanted bool              // guarded by mu
	end    func()            // guarded by mu; nil while nothing is watched
}

func newFleetWatch(x *conf.Service, log *slog.Logger) *fleetWatch {
	w := &fleetWatch{
		service: registry.Service{Group: x.Group, Path: x.Path, Version: x.Version, Protocol: x.Export.Protocol}, log: log,
	}
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
	if err := w.source.Watch(ctx, w.service, func(nodes []registry.Node) { w.fleet.Tell(len(nodes)) }); err != nil {
		end()
		w.log.Warn("agent: the number of agents that export a service is not known, limits are not shared out", "service", w.service.Path, "group", w.service.Group, "err", err)
		return
	}
	w.end = end
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
