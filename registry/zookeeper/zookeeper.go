// Package zookeeper keeps Motan's service registry in ZooKeeper, in the tree that Motan Java and motan-go share.
//
// It is built on wishes: Watch and Announce note what is wanted, and one goroutine compares that with what the tree is
// known to hold and works on the difference, again after each notice, reconnect and new session, and now and then without
// any reason. So there is one way in which things come about, whatever has happened before.
//
// It does not choose providers or remember them on disk; registry.Cached does that.
//
// The failure it prevents: an agent that after some hiccup of ZooKeeper no longer sees new providers, or is no longer seen.
package zookeeper

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/motand/motand/registry"
)

// Registry is Motan's registry in one ZooKeeper ensemble. It connects at the first Watch or Announce, and keeps one session
// until Close. Provider lists are told as they are, also when they become empty.
type Registry struct {
	options Options
	address address

	wake     chan struct{}        // holds a token when there is something to look at
	finished chan func(time.Time) // what jobs leave to be done
	feeds    registry.Feeds       // of all watches; end with Close
	wg       sync.WaitGroup       // all goroutines of ours
	ctx      context.Context      // ends the goroutine that reconciles, and the watches of commands
	cancel   context.CancelFunc
	stopped  chan struct{} // closed when the goroutine that reconciles has ended
	gone     chan struct{} // closed when Close is done

	mu         sync.Mutex // guards what follows; never held over a request
	started    bool
	closed     bool
	link       *link // nil until started
	connected  bool  // there is a connection with a session
	authorized bool  // the servers know who we are, where they have to
	authPace   pace
	arrivals   int     // how often the link had got a session when we last looked
	session    int64   // 0 before the first
	past       []int64 // sessions of ours before, newest first
	sessions   int
	since      time.Time // when connected changed
	failure    string
	lookouts   map[string]*lookout // by folder
	orders     map[string]*order   // by path
	claims     map[string]*claim   // by claimName
	spare      map[string]struct{} // paths that the server watches for us although nobody asks any more
	agenda     agenda
	running    int  // jobs
	yielded    bool // claims are left alone
	left       bool // at the end no server could be told
	counts     *counts
}

var (
	_ registry.Registry       = (*Registry)(nil)
	_ registry.Commander      = (*Registry)(nil)
	_ registry.AgentAnnouncer = (*Registry)(nil)
	_ registry.Copier         = (*Registry)(nil)
	_ registry.Closer         = (*Registry)(nil)
	_ registry.Stater         = (*Registry)(nil)
)

// New checks o. It does not connect.
func New(o Options) (*Registry, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	a, err := parseAddress(o.Address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{
		options:    o,
		address:    a,
		wake:       make(chan struct{}, 1),
		finished:   make(chan func(time.Time), maxJobs),
		ctx:        ctx,
		cancel:     cancel,
		stopped:    make(chan struct{}),
		gone:       make(chan struct{}),
		authorized: o.Auth == "",
		lookouts:   make(map[string]*lookout),
		orders:     make(map[string]*order),
		spare:      make(map[string]struct{}),
		counts:     &counts{limit: newRate(o.ReadRate)},
		claims:     make(map[string]*claim),
	}, nil
}

// start connects unless that was done. The caller holds mu.
func (r *Registry) start() error {
	if r.closed {
		return registry.ErrClosed
	}
	if r.started {
		return nil
	}
	l, err := dialLink(&r.options, r.address, r.wake)
	if err != nil {
		return err
	}
	r.started, r.link, r.since = true, l, time.Now()
	r.wg.Go(func() { r.reconcile(r.ctx) }) // ends with Close
	return nil
}

// Watch implements registry.Registry. Group and Path of s must be names that can be one step of a ZooKeeper path.
func (r *Registry) Watch(ctx context.Context, s registry.Service, update func([]registry.Node)) error {
	p, err := placeOf(r.address.chroot, s)
	if err != nil {
		return err
	}
	if update == nil {
		return errors.New("registry/zookeeper: watch: no receiver for updates")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return err
	}
	dir := p.dir(dirServer)
	o := r.lookouts[dir]
	if o == nil {
		o = &lookout{place: p, dir: dir, feeds: make(map[*registry.Feed]struct{}), vigil: r.newVigil(dir)}
		r.lookouts[dir] = o
		r.showClient(p, s)
	}
	var f *registry.Feed
	f = r.feeds.Watch(ctx, s, update, func() {
		r.mu.Lock() // before f is looked at: a context that has ended already calls this at once
		defer r.mu.Unlock()
		r.leave(o, f)
	})
	o.add(f)
	poke(r.wake)
	return nil
}

// newVigil returns one that reads path at once. A watch that was left over from before is used again: the client library
// cannot take one back, and would keep one more each time. The caller holds mu.
func (r *Registry) newVigil(path string) vigil {
	_, armed := r.spare[path]
	delete(r.spare, path)
	return vigil{dirty: true, armed: armed, auditAt: time.Now().Add(about(r.options.Relist))}
}

// leave ends a watch; the list is forgotten with the last. The caller holds mu.
func (r *Registry) leave(o *lookout, f *registry.Feed) {
	delete(o.feeds, f)
	if len(o.feeds) > 0 || r.lookouts[o.dir] != o {
		return
	}
	delete(r.lookouts, o.dir)
	r.keepWatch(o.dir, &o.vigil)
	if m := r.claims[claimName(o.place, dirClient, "")]; m != nil {
		m.withdraw()
	}
	poke(r.wake)
}

// keepWatch remembers that the server watches path for us, though v is given up. The caller holds mu.
func (r *Registry) keepWatch(path string, v *vigil) {
	if v.armed && !v.busy { // a reading under way knows better when it ends
		r.spare[path] = struct{}{}
	}
}
