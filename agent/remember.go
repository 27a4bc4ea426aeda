package agent

import (
	"context"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// remember gives reg a memory in the agent's snapshot_dir, which all registries share. What a
// file tells is believed, for somebody has written it; other registries have accidents.
func (k *compiler) remember(c *conf.Config, r *conf.Registry, reg registry.Registry) registry.Registry {
	dir := c.Agent.SnapshotDir
	store := k.stores[dir]
	if store == nil {
		store = registry.NewStore(dir, k.log)
		if k.stores == nil {
			k.stores = make(map[string]*registry.Store)
		}
		k.stores[dir] = store
	}
	return registry.Cached(reg, registry.CacheOptions{
		ID: r.ID, Store: store, Log: k.log, Prober: heartbeat{},
		Protection: registry.Protection{
			Off: r.Protocol == "file" || !r.Shrink.Protection, Threshold: r.Shrink.Threshold, Grace: r.Shrink.Grace,
		},
	})
}

// heartbeat asks a provider itself whether it answers, on a connection of its own: one that
// stands would say nothing of a provider that hangs.
type heartbeat struct{}

var _ registry.Prober = heartbeat{}

// Probe implements registry.Prober.
func (heartbeat) Probe(ctx context.Context, addr string) error {
	return motan.Ping(ctx, addr, motan.ConnOptions{})
}
