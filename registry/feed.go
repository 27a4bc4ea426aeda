package registry

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Feed hands the lists of one watch to its receiver: one at a time, the latest only, and only those that differ from the
// one before. Every kind of registry uses it, so that a slow receiver delays nobody but itself.
type Feed struct {
	service Service
	update  func([]Node)
	wake    chan struct{} // holds one token while there is something new

	mu    sync.Mutex
	next  []Node // guarded by mu: what Run hands over next
	count int    // guarded by mu: the length of the list that was handed over last
}

// NewFeed returns a feed for who looks for s. It does nothing until Run is called.
func NewFeed(s Service, update func([]Node)) *Feed {
	return &Feed{service: s, update: update, wake: make(chan struct{}, 1)}
}

// Put replaces the list. Nodes that the service does not accept are left out. It never blocks; nodes is not kept.
func (f *Feed) Put(nodes []Node) {
	accepted := make([]Node, 0, len(nodes))
	for _, n := range nodes {
		if f.service.Accepts(n) {
			accepted = append(accepted, n)
		}
	}
	f.mu.Lock()
	f.next = accepted
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default: // Run was told already and takes the newest list
	}
}

// Len returns the length of the list that was handed over last.
func (f *Feed) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Run calls the receiver until ctx ends. It is called once, on a goroutine of its own.
func (f *Feed) Run(ctx context.Context) {
	var last []Node
	first := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		nodes := f.next
		f.mu.Unlock()
		if !first && slices.EqualFunc(last, nodes, sameNode) {
			continue
		}
		first, last = false, nodes
		f.mu.Lock()
		f.count = len(nodes)
		f.mu.Unlock()
		f.update(slices.Clone(nodes)) // the receiver keeps its slice; last stays ours
	}
}

// sameNode reports whether a and b say the same.
func sameNode(a, b Node) bool {
	return a.Service == b.Service && a.Host == b.Host && a.Port == b.Port && a.Available == b.Available &&
		maps.Equal(a.Params, b.Params)
}
