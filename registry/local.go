package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxLocalNodes bounds what programs can announce to a Local; one host has no more services than this.
const maxLocalNodes = 10000

// Local is the registry protocol "local": what is announced in this process, or put in by the management port for
// programs on this host, is seen by watchers in this process at once. It is for hosts without a registry server. Its
// zero value is ready. It keeps no goroutine while nothing changes.
type Local struct {
	board board

	mu     sync.Mutex
	nodes  map[NodeKey]*localNode // guarded by mu
	timer  *time.Timer            // guarded by mu: fires when the next node expires; nil when none does
	closed bool                   // guarded by mu
}

// localNode is one announcement. It ends when its context does or when it expires.
type localNode struct {
	node    Node
	put     bool // by Put
	since   time.Time
	expires time.Time   // zero: never
	stop    func() bool // ends the watch on the context
}

var (
	_ Registry = (*Local)(nil)
	_ Stater   = (*Local)(nil)
	_ Closer   = (*Local)(nil)
)

// Watch implements Registry. A service that nobody announced has an empty list.
func (l *Local) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	return l.watchPacked(ctx, s, unpacking(update))
}

// watchPacked is Watch for a receiver that takes lists as they are kept, of a service that was checked.
func (l *Local) watchPacked(ctx context.Context, s Service, update func(packed)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.board.watch(ctx, s, update, nil)
	return nil
}

// Announce implements Registry.
func (l *Local) Announce(ctx context.Context, n Node) error {
	return l.put(ctx, n, 0, false)
}

// Put announces n until Delete, until ttl has passed without another Put, or for ever when ttl is 0. It returns an error
// when n has no service or no address, or when there are more nodes than a host can have.
func (l *Local) Put(n Node, ttl time.Duration) error {
	if ttl < 0 {
		return fmt.Errorf("registry: local: put %s: a time to live of %v is negative", n.Addr(), ttl)
	}
	return l.put(context.Background(), n, ttl, true)
}

func (l *Local) put(ctx context.Context, n Node, ttl time.Duration, program bool) error {
	if _, err := n.Text(); err != nil { // what cannot be written elsewhere is refused here as well
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.nodes == nil {
		l.nodes = make(map[NodeKey]*localNode)
	}
	k, e := n.Key(), &localNode{node: n, put: program, since: time.Now()}
	old := l.nodes[k]
	if old == nil && len(l.nodes) >= maxLocalNodes {
		return fmt.Errorf("registry: local: put %s: there are %d nodes already; delete some", n.Addr(), maxLocalNodes)
	}
	if old != nil {
		old.stop()
	}
	if ttl > 0 {
		e.expires = e.since.Add(ttl)
	}
	l.nodes[k] = e
	e.stop = context.AfterFunc(ctx, func() { l.drop(k, e) })
	if old == nil || !sameNode(old.node, n) {
		l.publish(n.key())
	}
	l.schedule()
	return nil
}

// Delete withdraws what was put or announced under k. It reports whether there was anything.
func (l *Local) Delete(k NodeKey) bool {
	return l.drop(k, nil)
}

// drop removes e, or whatever k holds when e is nil. It reports whether that was there.
func (l *Local) drop(k NodeKey, e *localNode) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.nodes[k]
	if have == nil || (e != nil && have != e) {
		return false
	}
	have.stop()
	delete(l.nodes, k)
	l.publish(serviceKey{k.Group, k.Path})
	return true
}

// Nodes returns everything announced now, available or not, in order of address.
func (l *Local) Nodes() []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	nodes := make([]Node, 0, len(l.nodes))
	for _, e := range l.nodes {
		nodes = append(nodes, e.node)
	}
	return sortNodes(nodes)
}

// Program is a node that Put has announced, and for how much longer it stays; 0 is for ever.
type Program struct {
	Node Node
	TTL  time.Duration
}

// Programs returns what Put has announced, in order of address: another Local that puts it again holds the same.
func (l *Local) Programs() []Program {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Program
	now := time.Now()
	for _, e := range l.nodes {
		switch left := e.expires.Sub(now); {
		case !e.put:
		case e.expires.IsZero():
			all = append(all, Program{Node: e.node})
		case left > 0:
			all = append(all, Program{e.node, left})
		}
	}
	slices.SortFunc(all, func(a, b Program) int { return cmp.Compare(a.Node.Addr(), b.Node.Addr()) })
	return all
}

// publish hands out the list of one service. The caller holds mu; nothing below blocks.
func (l *Local) publish(k serviceKey) {
	var nodes []Node
	for nk, e := range l.nodes {
		if nk.Group == k.group && nk.Path == k.path && e.node.Available {
			nodes = append(nodes, e.node)
		}
	}
	l.board.set(k, nodes)
}

// schedule sets the one timer to the next expiry. The caller holds mu.
func (l *Local) schedule() {
	var next time.Time
	for _, e := range l.nodes {
		if !e.expires.IsZero() && (next.IsZero() || e.expires.Before(next)) {
			next = e.expires
		}
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if !next.IsZero() {
		l.timer = time.AfterFunc(time.Until(next), l.expire)
	}
}

// expire drops what has outlived its time.
func (l *Local) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	changed := make(map[serviceKey]bool)
	for k, e := range l.nodes {
		if !e.expires.IsZero() && !e.expires.After(now) {
			delete(l.nodes, k)
			changed[serviceKey{k.Group, k.Path}] = true
		}
	}
	for k := range changed {
		l.publish(k)
	}
	l.schedule()
}

// Close implements Closer: everything announced is withdrawn. Watches end with their contexts.
func (l *Local) Close(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	changed := make(map[serviceKey]bool)
	for k, e := range l.nodes {
		e.stop()
		changed[serviceKey{k.Group, k.Path}] = true
	}
	clear(l.nodes)
	for k := range changed {
		l.publish(k)
	}
	l.schedule()
	return nil
}

// State implements Stater.
func (l *Local) State() State {
	s := State{Kind: "local", Connected: true, Watches: l.board.watches()}
	l.mu.Lock()
	for _, e := range l.nodes {
		s.Announced = append(s.Announced, AnnounceState{
			Group: e.node.Group, Path: e.node.Path, Addr: e.node.Addr(),
			Available: e.node.Available, Written: true, Checked: e.since,
		})
	}
	l.mu.Unlock()
	s.Sort()
	return s
}
