// Package relay copies services from one registry to another, so that the callers of one mesh find the providers of
// another: ZooKeeper to ZooKeeper in another data centre, ZooKeeper to etcd, in one direction or in both.
//
// A copy is the provider's node with marks (registry.SyncedFrom and the names beside it). By the marks a copy is never taken
// for a provider that came by itself: it is not copied back, nor further than Options.Hops says. A copy is announced by
// registry.Copier, which leaves alone what anybody else has under that address; so several agents may copy the same. The
// first one there announces a node, and the others, who watch the list that it is in, take its place when it goes.
//
// What is copied is what the registry of origin is believed to list: with registry.Cached before it, a list that was lost is
// kept, and so are its copies. The package does not ask providers whether they live.
//
// The failure it prevents: two registries that tell each other of a provider that has long gone.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/registry"
)

const (
	// maxServices bounds what patterns choose.
	maxServices = 10_000
	// groupShare is added for each group to the time between two looks, so that many groups make few requests.
	groupShare = 20 * time.Millisecond
	// lookTimeout bounds one look.
	lookTimeout = 30 * time.Second
)

// target is what a registry has to be able to do so that copies can be announced there.
type target interface {
	registry.Registry
	registry.Copier
}

// Relay copies what its options choose while Run runs.
type Relay struct {
	options Options
	to      target
	nodes   atomic.Int64 // copies that are wanted, of all lanes

	mu      sync.Mutex
	lanes   map[registry.Service]*lane // guarded by mu; by group and path in the registry of origin
	looked  time.Time                  // guarded by mu: when patterns were last compared with what there is
	problem string                     // guarded by mu: why that failed, or a service could not be watched
}

// New checks o and starts nothing.
func New(o Options) (*Relay, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	to, ok := registry.As[target](o.To)
	if !ok {
		return nil, errors.New("registry/relay: the registry to copy to takes no copies; zookeeper and etcd do")
	}
	if _, ok := registry.As[registry.Browser](o.From); !ok && o.browses() {
		return nil, errors.New("registry/relay: the registry to copy from cannot tell what it holds; name groups and services without * ? [")
	}
	return &Relay{options: o, to: to, lanes: make(map[registry.Service]*lane)}, nil
}

// Run copies until ctx ends, then has all copies withdrawn. It is called once.
func (r *Relay) Run(ctx context.Context) {
	for _, s := range r.options.exact() {
		if err := r.open(ctx, s); err != nil {
			r.options.Log.Error("registry/relay: service is not copied", "sync", r.options.Name, "service", s.Path, "group", s.Group, "error", err)
		}
	}
	for {
		groups := 0
		if r.options.browses() {
			groups = r.look(ctx)
		}
		r.settle()
		pause := r.options.LookEvery + time.Duration(groups)*groupShare
		timer := time.NewTimer(pause - pause/10 + rand.N(pause/5))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// open begins to copy s.
func (r *Relay) open(ctx context.Context, s registry.Service) error {
	l := &lane{relay: r, from: s, into: r.options.renamed(s), copies: make(map[registry.NodeKey]*copied)}
	l.ctx, l.cancel = context.WithCancel(ctx)
	r.mu.Lock()
	r.lanes[s] = l
	r.mu.Unlock()
	if err := r.options.From.Watch(l.ctx, s, l.listed); err != nil {
		l.cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.lanes, s)
		r.problem = err.Error()
		return fmt.Errorf("registry/relay: watch %s of group %s: %w", s.Path, s.Group, err)
	}
	return nil
}

// look opens the services that the patterns choose, and closes those that are gone. It returns how many groups it asked.
func (r *Relay) look(ctx context.Context) (groups int) {
	words, done := context.WithTimeout(ctx, lookTimeout)
	defer done()
	found, groups, err := r.options.find(words)
	if ctx.Err() != nil {
		return groups
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	for _, s := range found {
		if r.lane(s) == nil {
			if e := r.open(ctx, s); e != nil {
				problem = e.Error()
			}
		}
	}
	if err == nil {
		for _, l := range r.all() {
			if !r.options.isExact(l.from) && !slices.Contains(found, l.from) {
				r.leave(l)
			}
		}
	}
	r.mu.Lock()
	before := r.problem
	r.looked, r.problem = time.Now(), problem
	r.mu.Unlock()
	if problem != "" && problem != before {
		r.options.Log.Warn("registry/relay: looking for services", "sync", r.options.Name, "error", problem)
	}
	return groups
}

// leave gives up l if nobody provides its service any more. What the registry does not name, as one that has lost its data,
// may still be known.
func (r *Relay) leave(l *lane) {
	if !l.idle() {
		return
	}
	l.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lanes, l.from)
}

// settle has the lanes try again what did not go.
func (r *Relay) settle() {
	for _, l := range r.all() {
		l.settle()
	}
}

func (r *Relay) lane(s registry.Service) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[s]
}

func (r *Relay) all() []*lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.lanes))
}

// logger is where accidents are told.
func (o *Options) logger() *slog.Logger {
	if o.Log == nil {
		return slog.Default()
	}
	return o.Log
}
