package zookeeper

import (
	"context"
	"fmt"
	"time"
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
	r.feeds.Close()
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
	clear(r.orders)
	clear(r.spare)
}
