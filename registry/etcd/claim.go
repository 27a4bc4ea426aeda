package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// claimTries bounds how often one attempt begins again because somebody else changed the same key.
const claimTries = 4

// errContended is returned when others kept changing a key while it was claimed.
var errContended = errors.New("others keep changing it; is the same address announced twice?")

// claim is a node that we want to be there, or to be gone. Its fields are guarded by Registry.mu.
type claim struct {
	place      place
	addr       string
	want       wish
	withdrawn  bool        // it is to be gone
	generation int         // counts the changes of want and withdrawn
	stop       func() bool // ends the watch on the context of the announcement; nil for none

	done    int              // the generation that etcd was last seen to agree with
	lease   clientv3.LeaseID // under which that was
	epoch   int              // in which that was
	checkAt time.Time
	pace    pace

	checked time.Time // when etcd was last seen to agree
	problem string
}

// wish is what a claim wants in etcd. It is a value.
type wish struct {
	key       string // what has to be there
	instead   string // what must not be there
	value     string
	available bool
	yield     bool // who has one of the two already keeps it, and we do not have the other
}

// change makes w what is wanted, or its absence.
func (m *claim) change(w wish, withdrawn bool) {
	m.want, m.withdrawn = w, withdrawn
	m.generation++
	m.pace.reset()
}

// due returns when the claim has to be looked at with l.
func (m *claim) due(l *link) time.Time {
	if m.done == m.generation && m.lease == l.lease && m.epoch == l.epoch && m.checkAt.After(m.pace.notBefore) {
		return m.checkAt
	}
	return m.pace.notBefore
}

// holdClaims makes etcd agree with the claims until ctx ends, one after the other: an agent has few.
func (r *Registry) holdClaims(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l := r.await(ctx)
		if l == nil {
			return
		}
		m, name, next := r.nextClaim(l)
		if m != nil {
			r.hold(ctx, l, m, name)
			continue
		}
		timer.Reset(next)
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-changed:
		case <-timer.C:
		}
	}
}

// nextClaim returns the claim that is due for longest, or how long none will be.
func (r *Registry) nextClaim(l *link) (first *claim, name string, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	at := now.Add(r.options.SelfCheck)
	if r.yielded {
		return nil, "", r.options.SelfCheck
	}
	for n, m := range r.claims {
		if due := m.due(l); due.Before(at) {
			first, name, at = m, n, due
		}
	}
	if at.After(now) {
		return nil, "", at.Sub(now)
	}
	r.claiming = true // until hold has ended
	return first, name, 0
}

// hold makes etcd agree with m.
func (r *Registry) hold(ctx context.Context, l *link, m *claim, name string) {
	r.mu.Lock()
	want, withdrawn, generation := m.want, m.withdrawn, m.generation
	again := m.done == generation && m.lease == l.lease && m.epoch == l.epoch
	ours := slices.Clone(r.past)
	overruled := want.yield && r.claims[m.place.key("", m.addr)] != nil
	r.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, r.options.CallTimeout)
	defer cancel()
	var err error
	written := false
	switch {
	case overruled: // what is there is what we serve ourselves, on the same lease
	case withdrawn:
		err = l.release(call, want, ours)
	default:
		written, err = l.claim(call, want, ours)
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claiming = false
	if err != nil {
		m.pace.failed(now)
		if text := err.Error(); text != m.problem && r.link == l {
			m.problem = text
			r.options.Log.Warn("registry/etcd: announce", "service", m.place.path, "group", m.place.group, "address", m.addr, "error", err)
		}
		return
	}
	if written && again {
		r.counts.repairs++
	}
	m.pace.reset()
	m.problem = ""
	m.done, m.lease, m.epoch = generation, l.lease, l.epoch
	m.checked = now
	m.checkAt = now.Add(about(r.options.SelfCheck))
	if withdrawn && m.generation == generation {
		delete(r.claims, name)
	}
}

// look returns both keys of w; nil for one that is not there.
func (l *link) look(ctx context.Context, w wish) (key, instead *mvccpb.KeyValue, err error) {
	answer, err := l.client.Txn(ctx).Then(clientv3.OpGet(w.key), clientv3.OpGet(w.instead)).Commit()
	if err != nil {
		return nil, nil, fmt.Errorf("look at %s: %w", w.key, err)
	}
	if len(answer.Responses) != 2 {
		return nil, nil, fmt.Errorf("look at %s: %d answers to two questions", w.key, len(answer.Responses))
	}
	if kvs := answer.Responses[0].GetResponseRange().GetKvs(); len(kvs) > 0 {
		key = kvs[0]
	}
	if kvs := answer.Responses[1].GetResponseRange().GetKvs(); len(kvs) > 0 {
		instead = kvs[0]
	}
	return key, instead, nil
}

// claim makes etcd agree with w, and reports whether anything was written. A node that is right already is left alone, so
// that its readers see no change. One that hangs on another lease (ours of before, or that of a process that had the same
// address) is taken over, unless w yields to those that are not ours. A change from one kind to the other is one transaction: readers see the node in one of them.
func (l *link) claim(ctx context.Context, w wish, ours []clientv3.LeaseID) (written bool, err error) {
	for range claimTries {
		key, instead, err := l.look(ctx, w)
		if err != nil {
			return false, err
		}
		if key != nil && instead == nil && clientv3.LeaseID(key.Lease) == l.lease && string(key.Value) == w.value {
			return false, nil
		}
		if w.yield && (foreign(key, ours) || foreign(instead, ours)) {
			return false, l.release(ctx, w, ours)
		}
		seen := int64(0) // what etcd takes for a key that is not there
		if key != nil {
			seen = key.ModRevision
		}
		unchanged := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(w.key), "=", seen)}
		if w.yield && instead == nil {
			unchanged = append(unchanged, clientv3.Compare(clientv3.ModRevision(w.instead), "=", 0))
		}
		answer, err := l.client.Txn(ctx).
			If(unchanged...).
			Then(clientv3.OpPut(w.key, w.value, clientv3.WithLease(l.lease)), clientv3.OpDelete(w.instead)).
			Commit()
		if err != nil {
			return false, fmt.Errorf("write %s: %w", w.key, err)
		}
		if answer.Succeeded {
			return true, nil
		}
	}
	return false, errContended
}

// foreign reports whether kv is there and hangs on no lease of ours.
func foreign(kv *mvccpb.KeyValue, ours []clientv3.LeaseID) bool {
	return kv != nil && !slices.Contains(ours, clientv3.LeaseID(kv.Lease))
}

// release removes the keys of w that hang on one of our leases. Those of others stay: after an upgrade the new process has
// the same address.
func (l *link) release(ctx context.Context, w wish, ours []clientv3.LeaseID) error {
	key, instead, err := l.look(ctx, w)
	if err != nil {
		return err
	}
	for _, kv := range []*mvccpb.KeyValue{key, instead} {
		if kv == nil || !slices.Contains(ours, clientv3.LeaseID(kv.Lease)) {
			continue
		}
		name := string(kv.Key)
		_, err := l.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(name), "=", kv.ModRevision)).
			Then(clientv3.OpDelete(name)).
			Commit() // if it was changed meanwhile, it is another's
		if err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}
