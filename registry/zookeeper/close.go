package zookeeper

import (
	"context"
	"fmt"
	"time"

	"github.com/motand/motand/registry"
)

// Close implements registry.Closer: it ends the session, with which all that we announced vanishes, and waits until every
// goroutine of ours has ended. It must not be called from an update. When ctx ends before, the closing goes on without
// anybody waiting. The error tells when nodes of ours remain until ZooKeeper gives up the session.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		go r.shut() // ends a few seconds later at the most
	}
	r.mu.Unlock()
	select {
	case <-r.gone:
	case <-ctx.Done():
		return fmt.Errorf("registry/zookeeper: close: %w", ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left {
		return fmt.Errorf("registry/zookeeper: close: no server could be told; what was announced vanishes within %v",
			r.options.SessionTimeout)
	}
	return nil
}

// shut ends everything.
func (r *Registry) shut() {
	defer close(r.gone)
	r.cancel()
	r.mu.Lock()
	started := r.started
	for _, m := range r.claims {
		if m.stop != nil {
			m.stop()
		}
	}
	r.mu.Unlock()
	if !started {
		return
	}
	<-r.stopped // from here on the link is the last one
	l := r.link
	up, _, _ := l.mail.take()
	l.close()
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = !up && r.session != 0 && len(r.claims) > 0
	r.connected, r.since = false, time.Now()
	clear(r.claims)
	clear(r.lookouts)
}

// State implements registry.Stater.
func (r *Registry) State() registry.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := registry.State{
		Kind:      "zookeeper",
		Connected: r.connected,
		Since:     r.since,
		LastError: r.failure,
		Sessions:  r.sessions,
		Extra:     map[string]int64{"lost_notices": r.lost},
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
	for _, m := range r.claims {
		if m.want.yield || m.withdrawn {
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
