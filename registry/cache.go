package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Cache is a registry that remembers on disk what another one told. At the start it hands out what is on disk until the
// other has something to say, so that a host can start while its registry is down; and PHP and Lua programs find the same
// files when no agent runs.
//
// A list that becomes empty does not replace nodes that are known, unless AllowEmpty was given: in the field an empty list
// nearly always is an accident of the registry, and both Motan Java and motan-go ignore it (motan protocol, section 5.4).
// That it was ignored is logged and told by State.
type Cache struct {
	reg        Registry
	log        *slog.Logger
	allowEmpty bool
	snapshots  snapshotter

	mu      sync.Mutex
	watches map[*cached]struct{} // guarded by mu
}

var (
	_ Registry  = (*Cache)(nil)
	_ Stater    = (*Cache)(nil)
	_ Closer    = (*Cache)(nil)
	_ Unwrapper = (*Cache)(nil)
)

// CacheOption changes how a Cache behaves.
type CacheOption func(*Cache)

// AllowEmpty makes an empty list count like any other.
func AllowEmpty() CacheOption {
	return func(c *Cache) { c.allowEmpty = true }
}

// Cached returns reg with a memory in dir, which is made when the first list is written. A log of nil is slog.Default().
// Each service has one file, "<group>_<service>", in motan-go's format; the URL of each node is kept with it, so that
// nothing is lost. Files are replaced whole, at most once a second each, and are readable by everybody but writable only
// by the agent's user.
func Cached(reg Registry, dir string, log *slog.Logger, options ...CacheOption) *Cache {
	if log == nil {
		log = slog.Default()
	}
	c := &Cache{reg: reg, log: log, snapshots: snapshotter{dir: dir, log: log}, watches: make(map[*cached]struct{})}
	for _, option := range options {
		option(c)
	}
	return c
}

// cached is one watch.
type cached struct {
	c    *Cache
	s    Service // group and path only: the disk holds nodes of all versions
	feed *Feed
	load sync.Once

	mu      sync.Mutex
	nodes   []Node    // guarded by mu: what was last handed on
	updated time.Time // guarded by mu: when the registry last told something that counted
	ignored bool      // guarded by mu: the registry lists nobody now, and nodes are kept
}

// Watch implements Registry.
func (c *Cache) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	w := &cached{c: c, s: Service{Group: s.Group, Path: s.Path}, feed: NewFeed(s, update)}
	if err := c.reg.Watch(ctx, w.s, w.live); err != nil {
		return err
	}
	c.mu.Lock()
	c.watches[w] = struct{}{}
	c.mu.Unlock()
	go func() { // ends with ctx
		w.load.Do(w.fromDisk)
		w.feed.Run(ctx)
		c.mu.Lock()
		delete(c.watches, w)
		c.mu.Unlock()
	}()
	return nil
}

// fromDisk hands on what is on disk. It is over before the first live list is looked at.
func (w *cached) fromDisk() {
	nodes, err := readSnapshot(w.c.snapshots.dir, w.s)
	if err != nil {
		w.c.log.Warn("registry: snapshot ignored", "service", w.s.Path, "group", w.s.Group, "error", err)
	}
	if len(nodes) == 0 {
		return
	}
	w.mu.Lock()
	w.nodes = nodes
	w.mu.Unlock()
	w.feed.Put(nodes)
}

// live takes a list from the registry.
func (w *cached) live(nodes []Node) {
	w.load.Do(w.fromDisk)
	w.mu.Lock()
	if len(nodes) == 0 && len(w.nodes) > 0 && !w.c.allowEmpty {
		known, again := len(w.nodes), w.ignored
		w.ignored = true
		w.mu.Unlock()
		if !again {
			w.c.log.Warn("registry: an empty list is ignored, the nodes known before stay",
				"service", w.s.Path, "group", w.s.Group, "nodes", known)
		}
		return
	}
	w.nodes, w.updated, w.ignored = nodes, time.Now(), false
	w.mu.Unlock()
	// Before the receiver is told, so that Close writes all that it has seen. The copy is not nil even when the list is.
	w.c.snapshots.put(w.s.key(), append([]Node{}, nodes...))
	w.feed.Put(nodes)
}

// Announce implements Registry.
func (c *Cache) Announce(ctx context.Context, n Node) error {
	return c.reg.Announce(ctx, n)
}

// Unwrap implements Unwrapper.
func (c *Cache) Unwrap() Registry { return c.reg }

// Close implements Closer: it closes the registry behind if that can be closed, and writes what is not on disk yet.
func (c *Cache) Close(ctx context.Context) error {
	var err error
	if closer, ok := As[Closer](c.reg); ok {
		err = closer.Close(ctx)
	}
	return errors.Join(err, c.snapshots.flush(ctx))
}

// State implements Stater: the state of the registry behind, with the ages of the lists that callers really have.
func (c *Cache) State() State {
	var s State
	if inner, ok := As[Stater](c.reg); ok {
		s = inner.State()
	} else {
		s.Connected = true
	}
	problems := make(map[serviceKey]string)
	for _, w := range s.Watches {
		problems[serviceKey{w.Group, w.Path}] = w.LastError
	}
	s.Watches = nil
	c.mu.Lock()
	for w := range c.watches {
		state := w.state(s.Connected)
		if state.LastError == "" {
			state.LastError = problems[w.s.key()]
		}
		s.Watches = append(s.Watches, state)
	}
	c.mu.Unlock()
	extra := make(map[string]int64, len(s.Extra)+2)
	maps.Copy(extra, s.Extra)
	var failure string
	extra["snapshot_writes"], extra["snapshot_failures"], failure = c.snapshots.status()
	if failure != "" && s.LastError == "" {
		s.LastError = "snapshot: " + failure
	}
	s.Extra = extra
	s.Sort()
	return s
}

func (w *cached) state(connected bool) WatchState {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WatchState{Group: w.s.Group, Path: w.s.Path, Nodes: w.feed.Len(), Updated: w.updated}
	s.Stale = w.updated.IsZero() || w.ignored || !connected
	if w.ignored {
		s.LastError = fmt.Sprintf("the registry lists no node; the %d known before are kept", len(w.nodes))
	}
	return s
}
