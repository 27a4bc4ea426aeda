package registry

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// board keeps the lists of services in memory and hands each change to those who watch. The registries that need no
// server are built on it. Its zero value is an empty board that knows everything: a service without a list has no nodes.
type board struct {
	outlets Feeds

	mu      sync.Mutex
	unknown bool                      // guarded by mu: nothing is known yet, so nobody is told anything
	lists   map[serviceKey]packed     // guarded by mu
	feeds   map[serviceKey][]watching // guarded by mu
}

// watching is one watch.
type watching struct {
	feed *Feed
	told time.Time // when the list was last changed or confirmed; zero if it never was
}

// watch adds a receiver, of a service that was checked, until ctx ends. left, which may be nil, is called after that.
func (b *board) watch(ctx context.Context, s Service, update func(packed), left func()) {
	k := s.key()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.feeds == nil {
		b.feeds = make(map[serviceKey][]watching)
	}
	var w watching
	w.feed = b.outlets.watch(ctx, s, update, func() {
		b.mu.Lock() // before w is looked at: a context that has ended already calls this at once
		b.leave(k, w.feed)
		b.mu.Unlock()
		if left != nil {
			left()
		}
	})
	if !b.unknown {
		w.tell(b.lists[k])
	}
	b.feeds[k] = append(b.feeds[k], w)
}

// leave ends a watch. Caller holds mu.
func (b *board) leave(k serviceKey, f *Feed) {
	b.feeds[k] = slices.DeleteFunc(b.feeds[k], func(w watching) bool { return w.feed == f })
	if len(b.feeds[k]) == 0 {
		delete(b.feeds, k)
	}
}

// set replaces the list of one service.
func (b *board) set(k serviceKey, nodes []Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lists == nil {
		b.lists = make(map[serviceKey]packed)
	}
	if len(nodes) == 0 {
		delete(b.lists, k)
	} else {
		b.lists[k] = repack(sortNodes(nodes), b.lists[k])
	}
	b.tell(k)
}

// replace replaces the lists of all services; from then on the board knows everything. Of a list that says what it said
// before the old one is kept, which costs those who have it nothing.
func (b *board) replace(lists map[serviceKey][]Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := make(map[serviceKey]packed, len(lists))
	for k, nodes := range lists {
		old, ok := b.lists[k]
		if sortNodes(nodes); !ok || !old.holds(nodes) {
			old = repack(nodes, old)
		}
		next[k] = old
	}
	b.unknown, b.lists = false, next
	for k := range b.feeds {
		b.tell(k)
	}
}

// tell hands the list of k to all who watch it. The caller holds mu; Put does not block.
func (b *board) tell(k serviceKey) {
	for i := range b.feeds[k] {
		b.feeds[k][i].tell(b.lists[k])
	}
}

// tell hands on a list that is known from now on.
func (w *watching) tell(l packed) {
	w.told = time.Now()
	w.feed.put(l)
}

// watches tells what every receiver was given.
func (b *board) watches() []WatchState {
	b.mu.Lock()
	defer b.mu.Unlock()
	var states []WatchState
	for k, feeds := range b.feeds {
		for _, w := range feeds {
			states = append(states, WatchState{Group: k.group, Path: k.path, Nodes: w.feed.Len(), Updated: w.told})
		}
	}
	return states
}

// sortNodes puts nodes in order of address, in place.
func sortNodes(nodes []Node) []Node {
	for i := 1; i < len(nodes); i++ {
		if compareAddrs(&nodes[i-1], &nodes[i]) > 0 { // which is seldom: most lists come in order
			slices.SortStableFunc(nodes, func(a, b Node) int { return compareAddrs(&a, &b) })
			break
		}
	}
	return nodes
}

func compareAddrs(a, b *Node) int {
	if c := cmp.Compare(a.Host, b.Host); c != 0 {
		return c
	}
	return cmp.Compare(a.Port, b.Port)
}
