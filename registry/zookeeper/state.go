package zookeeper

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
		Kind:      "zookeeper",
		Idle:      !r.started,
		Connected: r.connected,
		Latency:   r.counts.latency.Now(),
		Since:     r.since,
		LastError: r.failure,
		Sessions:  r.sessions,
		Extra: map[string]int64{
			"requests":         r.counts.requests.Load(),
			"delayed_requests": r.counts.limit.delayed.Load(),
			"readings":         r.counts.readings,
			"notices":          r.counts.notices,
			"lost_notices":     r.counts.lost,
			"reconnects":       r.counts.reconnects,
			"repairs":          r.counts.repairs,
		},
	}
	if r.connected && r.session != 0 {
		s.Session = fmt.Sprintf("%#x", r.session)
	}
	if s.LastError == "" && !r.connected && r.link != nil {
		s.LastError = r.link.problem()
	}
	for _, o := range r.lookouts {
		for f := range o.feeds {
			s.Watches = append(s.Watches, registry.WatchState{
				Group: o.place.group, Path: o.place.path, Nodes: f.Len(), Updated: o.updated,
				Stale: !r.connected || o.updated.IsZero(), LastError: o.problem,
			})
		}
	}
	for _, o := range r.orders {
		for f := range o.feeds {
			s.Commands = append(s.Commands, registry.CommandState{
				Scope: o.scope, Bytes: f.Len(), Updated: o.updated,
				Stale: !r.connected || o.updated.IsZero(), LastError: o.problem,
			})
		}
	}
	for _, m := range r.claims {
		if m.want.silent || m.withdrawn {
			continue
		}
		s.Announced = append(s.Announced, registry.AnnounceState{
			Group: m.place.group, Path: m.place.path, Addr: m.want.addr, Available: m.want.available,
			Written: r.connected && m.done == m.generation && m.session == r.session,
			Checked: m.checked, LastError: m.problem,
		})
	}
	s.Sort()
	return s
}
