package registry

import (
	"context"
	"sync"
)

// Static is a registry of fixed lists in memory, for tests and for programs that know their peers. Its zero value knows
// all services and no nodes. Set changes a list; what is announced is only kept to be looked at.
type Static struct {
	board board

	mu        sync.Mutex
	announced map[NodeKey]*announced // guarded by mu
}

// announced is one announcement; its identity tells a replaced context's end from the present one's.
type announced struct {
	node Node
	stop func() bool // ends the watch on the context
}

var _ Registry = (*Static)(nil)

// Set replaces the list of the service that s names by group and path, and tells all who watch it. Nodes that are not
// available are not handed out.
func (r *Static) Set(s Service, nodes ...Node) {
	r.board.set(s.key(), available(nodes))
}

// available returns a copy of nodes with only those that are for callers to see.
func available(nodes []Node) []Node {
	out := make([]Node, 0, len(nodes))
	for _, n := range nodes {
		if n.Available {
			out = append(out, n)
		}
	}
	return out
}

// Watch implements Registry. A service that was never Set has an empty list.
func (r *Static) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	r.board.watch(ctx, s, unpacking(update), nil)
	return nil
}

// Announce implements Registry: n is listed by Announced until ctx ends, and handed to nobody.
func (r *Static) Announce(ctx context.Context, n Node) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.announced == nil {
		r.announced = make(map[NodeKey]*announced)
	}
	k, a := n.Key(), &announced{node: n}
	if old := r.announced[k]; old != nil {
		old.stop()
	}
	r.announced[k] = a
	a.stop = context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.announced[k] == a {
			delete(r.announced, k)
		}
	})
	return nil
}

// Announced returns what is announced now, in order of address.
func (r *Static) Announced() []Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := make([]Node, 0, len(r.announced))
	for _, a := range r.announced {
		nodes = append(nodes, a.node)
	}
	return sortNodes(nodes)
}
