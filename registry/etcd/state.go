package etcd

import (
	"fmt"

	"github.com/motand/motand/registry"
)

// Reach implements registry.Reacher.
func (r *Registry) Reach() (connected, idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connected, !r.started
}

// State implements registry.Stater.
func (r *Registry) State() registry.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := registry.State{
		Kind: "etcd", Idle: !r.started, Latency: r.latency.Now(), Connected: r.connected, Since: r.since, LastError: r.failure, Sessions: r.sessions,
		Extra: map[string]int64{
			"list_reads": r.counts.reads, "lost_notices": r.counts.missed,
			"compactions": r.counts.compactions, "repairs": r.counts.repairs,
		},
	}
	if r.connected {
		s.Session = fmt.Sprintf("%x", int64(r.lease))
	}
	for _, o := range r.lists {
		for f := range o.feeds {
			s.Watches = append(s.Watches, registry.WatchState{
				Group: o.place.group, Path: o.place.path, Nodes: f.Len(), Updated: o.updated,
				Stale: !r.connected || !o.known, LastError: o.problem,
			})
		}
	}
	for _, m := range r.claims {
		if m.withdrawn {
			continue
		}
		s.Announced = append(s.Announced, registry.AnnounceState{
			Group: m.place.group, Path: m.place.path, Addr: m.addr, Available: m.want.available,
			Written: r.connected && m.done == m.generation && m.lease == r.lease,
			Checked: m.checked, LastError: m.problem,
		})
	}
	s.Sort()
	return s
}
