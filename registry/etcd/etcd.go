// Package etcd keeps Motan's service registry in etcd v3, under the names that it has in ZooKeeper, so that operators know
// their way:
//
//	<prefix>/motan/<group>/<service>/server/<host:port>             a provider that callers see
//	<prefix>/motan/<group>/<service>/unavailableServer/<host:port>  one that is registered only
//
// The value is the node's URL as text (motan protocol, section 6.1). Values in Java's serialized form are read as well. What
// we write hangs on one lease for each Registry, whose end is what a session's end is in ZooKeeper.
//
// As in registry/zookeeper, Watch and Announce note what is wanted and return; goroutines compare that with what etcd holds
// and work on the difference, whatever happened before. Each list is read once and then followed by revision, so that no
// change is missed and a reconnect reads nothing again. All watches share one connection and one stream; each costs the
// servers one watcher, which is less than telling every agent of every change below /motan.
//
// It does not choose providers or remember them on disk; registry.Cached does that.
//
// The failure it prevents: an agent that after some hiccup of etcd no longer sees new providers, or is no longer seen.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry"
)

// readers is how many lists are read at once.
const readers = 8

// Registry is Motan's registry in one etcd cluster. It connects at the first Watch or Announce, and keeps one connection and
// one lease until Close. Provider lists are told as they are, also when they become empty.
type Registry struct {
	options Options

	wake    chan struct{}  // holds a token when there is a claim to look at
	reading chan struct{}  // holds a token for each list that is being read
	feeds   registry.Feeds // of all watches; end with Close
	wg      sync.WaitGroup // all goroutines of ours
	ctx     context.Context
	cancel  context.CancelFunc // ends all goroutines
	gone    chan struct{}      // closed when Close is done

	mu        sync.Mutex // guards what follows; never held over a request
	started   bool
	closed    bool
	link      *link         // nil before the first
	changed   chan struct{} // closed and replaced when link or connected changes
	connected bool
	since     time.Time // when connected changed
	failure   string
	epoch     int                // counts the times after which nothing that was read is worth anything
	lease     clientv3.LeaseID   // 0 for none
	past      []clientv3.LeaseID // leases of ours before, newest first
	revision  int64              // of etcd when it last answered
	sessions  int
	lists     map[string]*list  // by prefix of their keys
	claims    map[string]*claim // by base and address
	counts    counts
	latency   registry.Latency // of signs of life
	claiming  bool             // a claim is being looked at
	yielded   bool             // claims are left alone
	left      bool             // at the end the lease could not be revoked
}

// counts are figures for State. They are guarded by Registry.mu.
type counts struct{ reads, missed, compactions, repairs int64 }

var (
	_ registry.Registry = (*Registry)(nil)
	_ registry.Closer   = (*Registry)(nil)
	_ registry.Stater   = (*Registry)(nil)
	_ registry.Browser  = (*Registry)(nil)
	_ registry.Copier   = (*Registry)(nil)
)

// New checks o. It does not connect.
func New(o Options) (*Registry, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{
		options: o, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), reading: make(chan struct{}, readers),
		gone: make(chan struct{}), changed: make(chan struct{}),
		lists: make(map[string]*list), claims: make(map[string]*claim),
	}, nil
}

// start begins to connect unless that was done. The caller holds mu.
func (r *Registry) start() error {
	if r.closed {
		return registry.ErrClosed
	}
	if !r.started {
		r.started, r.since = true, time.Now()
		r.wg.Go(func() { r.serve(r.ctx) })      // ends with Close
		r.wg.Go(func() { r.holdClaims(r.ctx) }) // ends with Close
	}
	return nil
}

// Watch implements registry.Registry. Group and Path of s must be names that can be one step of a key.
func (r *Registry) Watch(ctx context.Context, s registry.Service, update func([]registry.Node)) error {
	p, err := r.options.place(s)
	if err != nil {
		return err
	}
	if update == nil {
		return errors.New("registry/etcd: watch: no receiver for updates")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return err
	}
	prefix := p.key(kindServer, "")
	o := r.lists[prefix]
	if o == nil {
		o = &list{place: p, prefix: prefix, feeds: make(map[*registry.Feed]struct{})}
		r.lists[prefix] = o
		following, stop := context.WithCancel(r.ctx)
		o.stop = stop
		r.wg.Go(func() { r.follow(following, o) }) // ends with the last watch of it, or with Close
	}
	var f *registry.Feed
	f = r.feeds.Watch(ctx, s, update, func() {
		r.mu.Lock() // before f is looked at: a context that has ended already calls this at once
		defer r.mu.Unlock()
		r.leave(o, f)
	})
	o.feeds[f] = struct{}{}
	if o.known {
		f.Put(o.nodes)
	}
	return nil
}

// leave ends a watch; the list is forgotten with the last. The caller holds mu.
func (r *Registry) leave(o *list, f *registry.Feed) {
	delete(o.feeds, f)
	if len(o.feeds) == 0 && r.lists[o.prefix] == o {
		delete(r.lists, o.prefix)
		o.stop()
	}
}

// Announce implements registry.Registry. n needs a host that others can reach: a unix socket is refused.
func (r *Registry) Announce(ctx context.Context, n registry.Node) error {
	p, text, err := r.checked(n)
	if err != nil {
		return err
	}
	addr := n.Addr()
	w := wish{key: p.key(kindServer, addr), instead: p.key(kindUnavailable, addr), available: n.Available}
	if !n.Available {
		w.key, w.instead = w.instead, w.key
	}
	w.value = string(r.options.Form.Encode(text))
	return r.want(ctx, p, p.key("", addr), addr, w)
}

// AnnounceCopy implements registry.Copier. Of the hosts that Announce refuses it refuses all.
func (r *Registry) AnnounceCopy(ctx context.Context, n registry.Node) error {
	n.Available = true
	p, text, err := r.checked(n)
	if err != nil {
		return fmt.Errorf("%w; it is not copied", err)
	}
	addr := n.Addr()
	return r.want(ctx, p, p.key("copy", addr), addr, wish{
		key: p.key(kindServer, addr), instead: p.key(kindUnavailable, addr), value: string(r.options.Form.Encode(text)),
		available: true, yield: true,
	})
}

// checked returns where n is announced and its text, or what is wrong with it.
func (r *Registry) checked(n registry.Node) (p place, text string, err error) {
	if p, err = r.options.place(n.Service); err != nil {
		return p, "", err
	}
	if text, err = n.Text(); err != nil {
		return p, "", err
	}
	if n.Port == 0 || strings.ContainsRune(n.Host, '/') {
		return p, "", fmt.Errorf("registry/etcd: announce %s at %s: other hosts need an IP or name, and a port", n.Path, n.Addr())
	}
	return p, text, nil
}

// want has w be in etcd until ctx ends or something else is wanted under the same name.
func (r *Registry) want(ctx context.Context, p place, name, addr string, w wish) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return err
	}
	m := r.claims[name]
	if m == nil {
		m = &claim{place: p, addr: addr}
		r.claims[name] = m
	}
	if m.stop != nil {
		m.stop()
	}
	m.change(w, false)
	generation := m.generation
	m.stop = context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.claims[name] == m && m.generation == generation {
			m.change(m.want, true)
			r.poke()
		}
	})
	r.poke()
	return nil
}

// poke has the claims looked at.
func (r *Registry) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // that is going to happen
	}
}
