package etcd

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// lastWord bounds the revoking of the lease.
const lastWord = 2 * time.Second

// Close implements registry.Closer: it revokes the lease, with which all that we announced vanishes, and waits until every
// goroutine of ours has ended. It must not be called from an update. When ctx ends before, the closing goes on without
// anybody waiting. The error tells when nodes of ours remain until the lease expires.
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
		return fmt.Errorf("registry/etcd: close: %w", ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left {
		return fmt.Errorf("registry/etcd: close: no server could be told; what was announced vanishes within %v", r.options.SessionTimeout)
	}
	return nil
}

// shut ends everything.
func (r *Registry) shut() {
	defer close(r.gone)
	r.cancel()
	r.wg.Wait()
	r.feeds.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.claims {
		if m.stop != nil {
			m.stop()
		}
	}
	r.left = r.lease != 0 && len(r.claims) > 0
	r.connected, r.since = false, time.Now()
	clear(r.claims)
	clear(r.lists)
}

// revoke ends the lease when r is being closed.
func (r *Registry) revoke(client *clientv3.Client) {
	r.mu.Lock()
	lease := r.lease
	r.mu.Unlock()
	if !r.closing() || lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(lastWord, r.options.CallTimeout))
	defer cancel()
	if _, err := client.Revoke(ctx, lease); err != nil {
		return // Close tells
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease = 0
}
