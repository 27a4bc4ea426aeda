package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry"
)

// rereadSpread is the time over which agents that lost their lease at once read their lists again.
const rereadSpread = 2 * time.Second

// errMissed is returned when a list was not what the changes that we were told of had made it.
var errMissed = errors.New("the list had changed without notice")

// list is one provider list that somebody watches. Its fields are guarded by Registry.mu, except those that never change.
type list struct {
	place  place
	prefix string
	stop   context.CancelFunc // ends who follows it

	feeds   map[*registry.Feed]struct{}
	nodes   []registry.Node // never changed
	known   bool
	updated time.Time // when etcd last told what it is
	problem string
}

// follow keeps o as etcd has it until ctx ends.
func (r *Registry) follow(ctx context.Context, o *list) {
	var (
		v *view
		p pace
	)
	for {
		l := r.await(ctx)
		if l == nil {
			return
		}
		if v != nil && v.epoch != l.epoch {
			v = nil
			sleep(ctx, rand.N(rereadSpread))
		}
		began := time.Now()
		var err error
		v, err = r.track(ctx, l, o, v)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxRetryPause {
			p.reset()
		}
		if l.ctx.Err() == nil {
			r.complain(o, err.Error())
		}
		p.failed(time.Now())
		sleep(ctx, time.Until(p.notBefore))
	}
}

// track reads o unless v is what it was, and follows its changes until something is wrong. It returns what can be followed
// further; nil when it has to be read.
func (r *Registry) track(ctx context.Context, l *link, o *list, v *view) (*view, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	if v == nil {
		var err error
		if v, err = r.read(ctx, l, o); err != nil {
			return nil, err
		}
		r.publish(o, v)
	}
	changes := l.client.Watch(clientv3.WithRequireLeader(ctx), o.prefix, clientv3.WithPrefix(),
		clientv3.WithRev(v.revision+1), clientv3.WithFragment())
	audit := time.NewTimer(about(r.options.Relist))
	defer audit.Stop()
	publish := time.NewTimer(0) // fires when what changed is to be told
	defer publish.Stop()
	var burst pace
	told := true
	for {
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-publish.C:
			if !told {
				burst.succeeded(time.Now())
				told = true
				r.publish(o, v)
			}
		case <-audit.C:
			if err := r.audit(ctx, l, o, v); err != nil {
				return r.worth(v, err), err
			}
			audit.Reset(about(r.options.Relist))
		case change, ok := <-changes:
			if !ok {
				return v, errors.New("the watch has ended")
			}
			if err := change.Err(); err != nil {
				return r.worth(v, err), fmt.Errorf("watch: %w", err)
			}
			if v.apply(change.Events) && told {
				told = false
				publish.Reset(time.Until(burst.notBefore))
			}
		}
	}
}

// worth returns v unless err says that it has to be read again.
func (r *Registry) worth(v *view, err error) *view {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		r.counts.compactions++
		return nil
	case errors.Is(err, errMissed):
		r.counts.missed++
		return nil
	}
	return v
}

// read reads the list, when it is its turn.
func (r *Registry) read(ctx context.Context, l *link, o *list) (*view, error) {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	r.counts.reads++
	r.mu.Unlock()
	return readView(ctx, l, o, &r.options)
}

// audit compares v with what etcd has, by the number of entries and the newest of them.
func (r *Registry) audit(ctx context.Context, l *link, o *list, v *view) error {
	ctx, cancel := context.WithTimeout(ctx, r.options.CallTimeout)
	defer cancel()
	same, now, err := l.compare(ctx, v, 0)
	if err == nil && !same { // perhaps changes are on their way
		same, now, err = l.compare(ctx, v, v.revision)
	}
	switch {
	case errors.Is(err, rpctypes.ErrFutureRev): // etcd has lost data
		return errMissed
	case err != nil:
		return fmt.Errorf("look at the list: %w", err)
	case !same:
		return errMissed
	}
	v.revision = now // so that compaction does not leave a quiet list behind
	r.mu.Lock()
	defer r.mu.Unlock()
	o.updated = time.Now()
	return nil
}

// compare reports whether the list is v at a revision, 0 for the newest, and which revision that is.
func (l *link) compare(ctx context.Context, v *view, revision int64) (same bool, at int64, err error) {
	answer, err := l.client.Get(ctx, v.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend), clientv3.WithRev(revision))
	if err != nil {
		return false, 0, err
	}
	newest := int64(0)
	for _, kv := range answer.Kvs {
		newest = kv.ModRevision
	}
	if at = revision; at == 0 {
		at = answer.Header.Revision
	}
	return v.holds(answer.Count, newest) && at >= v.revision, at, nil
}

// publish hands v to all who watch the list.
func (r *Registry) publish(o *list, v *view) {
	nodes, problem := v.nodes()
	r.complain(o, problem)
	r.mu.Lock()
	defer r.mu.Unlock()
	o.nodes, o.known, o.updated = nodes, true, time.Now()
	for f := range o.feeds {
		f.Put(nodes)
	}
}

// complain remembers what is wrong with the list, and logs it unless it was wrong before.
func (r *Registry) complain(o *list, problem string) {
	r.mu.Lock()
	news := problem != "" && problem != o.problem
	o.problem = problem
	r.mu.Unlock()
	if news {
		r.options.Log.Warn("registry/etcd: provider list", "service", o.place.path, "group", o.place.group, "problem", problem)
	}
}
