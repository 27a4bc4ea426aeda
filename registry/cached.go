package registry

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unique"
)

// cached is one service that a Cache watches, for all who look for it.
type cached struct {
	c      *Cache
	s      Service // group and path only: the disk holds nodes of all versions
	users  int     // guarded by Cache.mu
	record *record
	cancel context.CancelFunc // ends the watch of the registry
	begin  func() error       // watches the registry; only the first call does
	load   sync.Once
	pace   pace

	mu      sync.Mutex
	feeds   map[*Feed]struct{} // guarded by mu
	ledger  ledger             // guarded by mu
	handed  packed             // guarded by mu: what the feeds were given
	given   bool               // guarded by mu: they were given something
	count   int                // guarded by mu: how many lists they were given
	live    bool               // guarded by mu: the registry has told something
	updated time.Time          // guarded by mu: when the registry last told something, or had told what is on the disk
}

func newCached(c *Cache, s Service) *cached {
	w := &cached{c: c, s: s, record: c.store.open(c.id, s.key()), feeds: make(map[*Feed]struct{})}
	w.ledger = ledger{rule: c.protection, blind: c.prober == nil}
	w.pace = pace{pass: w.publish, burst: 2}                // a node that leaves and is back at once is not missed for longer
	ctx, cancel := context.WithCancel(context.Background()) // end cancels it
	w.cancel = cancel
	w.begin = sync.OnceValue(func() error { return watchPacked(ctx, c.reg, s, w.tell) })
	return w
}

// add has f served. It gets what is known at once.
func (w *cached) add(f *Feed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.feeds[f] = struct{}{}
	if w.given {
		f.put(w.handed)
	}
}

// remove is the reverse of add.
func (w *cached) remove(f *Feed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.feeds, f)
}

// end ends the watch of the registry.
func (w *cached) end() {
	w.cancel()
	w.pace.close()
	w.record.close()
}

// fromDisk hands on what is on disk. It is over before the first live list is looked at.
func (w *cached) fromDisk() {
	k, known, err := w.record.load()
	if err != nil {
		w.c.log.Warn("registry: snapshot ignored", "service", w.s.Path, "group", w.s.Group, "error", err, "older_one_used", known)
	}
	if !known {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger.listed = k.nodes
	w.updated = k.told
	w.hand(k.nodes)
}

// hand gives nodes to all who look. The caller holds mu; put does not block.
func (w *cached) hand(nodes packed) {
	w.handed, w.given = nodes, true
	w.count++
	for f := range w.feeds {
		f.put(nodes)
	}
}

// tell takes a list from the registry.
func (w *cached) tell(nodes packed) {
	w.load.Do(w.fromDisk)
	now := time.Now()
	w.mu.Lock()
	first := !w.live
	doubts := w.ledger.tell(now, nodes)
	w.live, w.updated = true, now
	w.mu.Unlock()
	w.changed(first)
	if doubts {
		w.c.look()
	}
}

// changed has the nodes in use handed on if they are not those that were: now, or in their turn.
func (w *cached) changed(now bool) {
	w.mu.Lock()
	same := w.given && w.handed.equal(w.ledger.nodes())
	w.mu.Unlock()
	switch {
	case same:
		w.save() // the disk may know something else
	case now:
		w.publish()
	default:
		w.pace.poke()
	}
}

// publish hands on the nodes in use. The disk gets them before the receivers do, so that Close writes all that they have
// seen.
func (w *cached) publish() {
	w.save()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hand(w.ledger.nodes())
}

// save has the nodes in use written.
func (w *cached) save() {
	w.mu.Lock()
	k := knowledge{nodes: w.ledger.nodes(), told: w.updated}
	live := w.live
	w.mu.Unlock()
	if live {
		w.record.put(k)
	}
}

// doubted returns the addresses of nodes that are in doubt, after those that were kept for too long have been dropped.
func (w *cached) doubted(now time.Time) []unique.Handle[addr] {
	w.mu.Lock()
	dropped := w.ledger.sweep(now)
	addrs := w.ledger.doubted()
	w.mu.Unlock()
	if dropped {
		w.changed(false)
	}
	return addrs
}

// judge takes what became of an attempt to reach at.
func (w *cached) judge(at unique.Handle[addr], answers, timeout bool) {
	w.mu.Lock()
	changed := w.ledger.judge(at, answers, timeout)
	w.mu.Unlock()
	if changed {
		w.changed(false)
	}
}

// protected returns how many nodes are kept.
func (w *cached) protected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := w.ledger.protected()
	return n
}

// state tells what is known, given what the registry itself says about its list.
func (w *cached) state(connected bool, inner WatchState) WatchState {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WatchState{Group: w.s.Group, Path: w.s.Path, Nodes: len(w.handed), Generation: w.count, Updated: w.updated, LastError: inner.LastError}
	if w.live && inner.Updated.After(s.Updated) { // read again and found the same
		s.Updated = inner.Updated
	}
	s.Kept, s.KeptSince = w.ledger.protected()
	s.Stale = !w.live || s.Kept > 0 || !connected
	switch listed := len(w.ledger.listed); {
	case s.Kept > 0 && listed == 0:
		s.LastError = fmt.Sprintf("the registry lists no node; the %d known before are kept", s.Kept)
	case s.Kept > 0:
		s.LastError = fmt.Sprintf("the registry lists %d nodes; %d more known before are kept", listed, s.Kept)
	}
	return s
}
