package zookeeper

import (
	"context"
	"fmt"

	"github.com/motand/motand/registry"
)

var _ registry.Yielder = (*Registry)(nil)

// Yield implements registry.Yielder. Another session then takes the nodes over one by one, by replacing each in one step.
func (r *Registry) Yield(ctx context.Context) error {
	if err := registry.AwaitYielded(ctx, r.yield); err != nil {
		return fmt.Errorf("registry/zookeeper: %w", err)
	}
	return nil
}

// yield has no claim begun any more, and reports whether none is under way.
func (r *Registry) yield() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yielded = true
	for _, m := range r.claims {
		if m.busy {
			return false
		}
	}
	return true
}

// Keep implements registry.Yielder.
func (r *Registry) Keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yielded = false
	for _, m := range r.claims {
		m.done = m.generation - 1 // that somebody has changed it meanwhile is no wonder
		m.pace.reset()
	}
	poke(r.wake)
}
