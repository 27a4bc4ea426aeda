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
	mu      sync.Mutex
	unknown bool                               // guarded by mu: nothing is known yet, so nobody is told anything
	lists   map[serviceKey][]Node              // guarded by mu
	feeds   map[serviceKey]map[*Feed]time.Time // guarded by mu; the value is when its list was last changed or confirmed
	wg      sync.WaitGroup                     // the feeds' goroutines
}

// watch adds a receiver until ctx ends.
func (b *board) watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	f, k := NewFeed(s, update), s.key()
	b.mu.Lock()
	if b.feeds == nil {
		b.feeds = make(map[serviceKey]map[*Feed]time.Time)
	}
	if b.feeds[k] == nil {
		b.feeds[k] = make(map[*Feed]time.Time)
	}
	b.feeds[k][f] = time.Time{}
	if !b.unknown {
		b.feeds[k][f] = time.Now()
		f.Put(b.lists[k])
	}
	b.mu.Unlock()
	b.wg.Go(func() { // ends with ctx
		f.Run(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.feeds[k], f)
		if len(b.feeds[k]) == 0 {
			delete(b.feeds, k)
		}
	})
	return nil
}

// set replaces the list of one service.
func (b *board) set(k serviceKey, nodes []Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lists == nil {
		b.lists = make(map[serviceKey][]Node)
	}
	if len(nodes) == 0 {
		delete(b.lists, k)
	} else {
		b.lists[k] = sortNodes(nodes)
	}
	b.tell(k)
}

// replace replaces the lists of all services; from then on the board knows everything.
func (b *board) replace(lists map[serviceKey][]Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unknown = false
	b.lists = lists
	for _, nodes := range lists {
		sortNodes(nodes)
	}
	for k := range b.feeds {
		b.tell(k)
	}
}

// tell hands the list of k to all who watch it. The caller holds mu; Put does not block.
func (b *board) tell(k serviceKey) {
	for f := range b.feeds[k] {
		b.feeds[k][f] = time.Now()
		f.Put(b.lists[k])
	}
}

// watches tells what every receiver was given.
func (b *board) watches() []WatchState {
	b.mu.Lock()
	defer b.mu.Unlock()
	var states []WatchState
	for k, feeds := range b.feeds {
		for f, at := range feeds {
			states = append(states, WatchState{Group: k.group, Path: k.path, Nodes: f.Len(), Updated: at})
		}
	}
	return states
}

// sortNodes puts nodes in order of address, in place.
func sortNodes(nodes []Node) []Node {
	slices.SortStableFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port))
	})
	return nodes
}
