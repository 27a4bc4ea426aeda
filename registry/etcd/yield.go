package etcd

import (
	"context"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry"
)

var (
	_ registry.Yielder   = (*Registry)(nil)
	_ registry.Inheritor = (*Registry)(nil)
)

// Yield implements registry.Yielder. Another lease then takes the keys over, each by being written again.
func (r *Registry) Yield(ctx context.Context) error {
	if err := registry.AwaitYielded(ctx, r.yield); err != nil {
		return fmt.Errorf("registry/etcd: %w", err)
	}
	return nil
}

// yield has no claim begun any more, and reports whether none is under way.
func (r *Registry) yield() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yielded = true
	return !r.claiming
}

// Inherit implements registry.Inheritor.
func (r *Registry) Inherit(session string) error {
	lease, err := strconv.ParseInt(session, 16, 64)
	if err != nil {
		return fmt.Errorf("registry/etcd: lease of another process: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.past = append(r.past, clientv3.LeaseID(lease))
	return nil
}

// Keep implements registry.Yielder.
func (r *Registry) Keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yielded = false
	for _, m := range r.claims {
		m.done = m.generation - 1 // that somebody has written it meanwhile is no wonder
		m.pace.reset()
	}
	r.poke()
}
