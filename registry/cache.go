package registry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// Cache is a registry that remembers what another one told: in memory, so that nodes stay in use when the registry loses
// them (see Protection), and on disk. At the start it hands out what is on disk, that nobody serves a service as well, until
// the other has something to say; so a host can start while its registry is down, and PHP and Lua programs find the nodes
// when no agent runs.
//
// The first list of a service is handed on at once, and so are two changes; further ones follow at most twice a second, so
// that nodes that flap or restart in turn cost their callers little.
//
// What protection is in force is told by State, and the log is told when it begins and when it is over.
type Cache struct {
	reg        Registry
	id         string
	store      *Store
	protection Protection
	prober     Prober
	log        *slog.Logger
	ctx        context.Context
	cancel     context.CancelFunc
	feeds      Feeds
	wake       chan struct{} // holds a token when nodes in doubt are to be looked at

	mu         sync.Mutex
	services   map[serviceKey]*cached // guarded by mu
	patrolling bool                   // guarded by mu: the goroutine that looks at nodes in doubt runs
	closed     bool                   // guarded by mu
}

var (
	_ Registry  = (*Cache)(nil)
	_ Stater    = (*Cache)(nil)
	_ Closer    = (*Cache)(nil)
	_ Unwrapper = (*Cache)(nil)
)

// CacheOptions say how a Cache remembers.
type CacheOptions struct {
	// ID tells the registry from others that share Store. It is the name of a folder there.
	ID string
	// Store is where lists are kept; required. The cache does not close it, but Close flushes it.
	Store *Store
	// Protection says which lists are not believed.
	Protection Protection
	// Prober tells whether nodes answer that the registry does not list any more. Without one they are kept as long as
	// Protection says, dead or alive.
	Prober Prober
	// Log is where accidents are told; nil means slog.Default().
	Log *slog.Logger
}

// Cached returns reg with a memory.
func Cached(reg Registry, o CacheOptions) *Cache {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.ID == "" {
		o.ID = "registry"
	}
	o.Store.join(o.ID)
	c := &Cache{
		reg: reg, id: o.ID, store: o.Store, protection: o.Protection, prober: o.Prober, log: o.Log,
		wake: make(chan struct{}, 1), services: make(map[serviceKey]*cached),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background()) // Close cancels it
	return c
}

// Watch implements Registry.
func (c *Cache) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	return c.watchPacked(ctx, s, unpacking(update))
}

// watchPacked is Watch for a receiver that takes lists as they are kept, of a service that was checked.
func (c *Cache) watchPacked(ctx context.Context, s Service, update func(packed)) error {
	w := c.use(Service{Group: s.Group, Path: s.Path})
	ctx, cancel := context.WithCancel(ctx)
	f := c.feeds.watch(ctx, s, update, nil)
	w.add(f)
	context.AfterFunc(ctx, func() {
		cancel() // ctx, of which only its parent's end was known
		c.leave(w, f)
	})
	if err := w.begin(); err != nil {
		cancel()
		return err
	}
	go w.load.Do(w.fromDisk) // ends when the disk has answered
	return nil
}

// use returns the one who watches s, with one user more.
func (c *Cache) use(s Service) *cached {
	fresh := newCached(c, s)
	c.mu.Lock()
	w := c.services[s.key()]
	if w == nil {
		w = fresh
		c.services[s.key()] = w
	}
	w.users++
	c.mu.Unlock()
	if w != fresh {
		fresh.end()
	}
	return w
}

// leave ends one use of w, for f. The last one ends the watch.
func (c *Cache) leave(w *cached, f *Feed) {
	w.remove(f)
	c.mu.Lock()
	w.users--
	last := w.users == 0
	if last {
		delete(c.services, w.s.key())
	}
	c.mu.Unlock()
	if last {
		w.end()
		select {
		case c.wake <- struct{}{}: // whoever looks at nodes in doubt may have nothing left to do
		default:
		}
	}
}

// all returns the services that are watched, in order.
func (c *Cache) all() []*cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(c.services), compareKeys)
	all := make([]*cached, len(keys))
	for i, k := range keys {
		all[i] = c.services[k]
	}
	return all
}

// idle tells whether nobody looks for anything.
func (c *Cache) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.services) == 0
}

// Announce implements Registry.
func (c *Cache) Announce(ctx context.Context, n Node) error {
	return c.reg.Announce(ctx, n)
}

// Unwrap implements Unwrapper.
func (c *Cache) Unwrap() Registry { return c.reg }

// Close implements Closer: it closes the registry behind if that can be closed, and writes what is not on disk yet. Nodes in
// doubt are not looked at any more and stay as they are.
func (c *Cache) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	var err error
	if closer, ok := As[Closer](c.reg); ok {
		err = closer.Close(ctx)
	}
	for _, w := range c.all() {
		w.save() // what waits for its turn to be handed on is known as well
	}
	return errors.Join(err, c.store.Flush(ctx))
}

// State implements Stater: the state of the registry behind, with the lists that callers really have.
func (c *Cache) State() State {
	var s State
	if inner, ok := As[Stater](c.reg); ok {
		s = inner.State()
	} else {
		s.Connected = true
	}
	behind := make(map[serviceKey]WatchState, len(s.Watches))
	for _, w := range s.Watches {
		behind[serviceKey{w.Group, w.Path}] = w
	}
	s.Watches = nil
	for _, w := range c.all() {
		s.Watches = append(s.Watches, w.state(s.Connected, behind[w.s.key()]))
	}
	extra := make(map[string]int64, len(s.Extra)+2)
	maps.Copy(extra, s.Extra)
	var failure string
	extra["snapshot_writes"], extra["snapshot_failures"], failure = c.store.status()
	if failure != "" && s.LastError == "" {
		s.LastError = "snapshot: " + failure
	}
	s.Extra = extra
	return s
}
