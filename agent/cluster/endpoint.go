package cluster

import (
	"sync/atomic"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// Endpoint is a node of a service and our connections to it. There is one for each service and
// node, perhaps a million in all, so it holds only what others do not hold already.
type Endpoint struct {
	node   atomic.Pointer[Node]
	client *motan.Client
}

// Node is what the registry says of an endpoint beside its address, and what calls have shown. It is not changed, and shared
// by neighbours of which the same is said while calls have shown nothing.
type Node struct {
	Group  string
	Params map[string]string

	vitals *vitals // nil while nothing is known
}

var _ motan.Handler = (*Endpoint)(nil)

// Node is what the registry says of e.
func (e *Endpoint) Node() *Node { return e.node.Load() }

// Addr is host:port as callers are told it in x-forwarded-for.
func (e *Endpoint) Addr() string { return e.client.Addr() }

// Handle sends c to the node.
func (e *Endpoint) Handle(c *motan.Call) { e.client.Handle(c) }

// Usable tells whether the node can be reached as far as is known.
func (e *Endpoint) Usable() bool { return e.client.Usable() }

// is tells whether e is what would be made of n.
func (e *Endpoint) is(n *registry.Node) bool { return e.at(n) && e.Node().is(n) }

// at tells whether n is at the address of e.
func (e *Endpoint) at(n *registry.Node) bool {
	var space [64]byte
	return string(n.AppendAddr(space[:0])) == e.Addr()
}

// describe returns what is said of n, with what calls have shown; v is nil for nothing.
func describe(n *registry.Node, v *vitals) *Node {
	serves := ""
	if n.Params[registry.SyncedFrom] != "" {
		serves = n.Params[registry.SyncedGroup]
	}
	switch {
	case v == nil && serves != "", v != nil && v.serves != serves:
		v = &vitals{serves: serves}
	}
	return &Node{Group: n.Group, Params: n.Params, vitals: v}
}

// called is the group that calls to the node name: what its provider knows.
func (d *Node) called() string {
	if d.vitals != nil && d.vitals.serves != "" {
		return d.vitals.serves
	}
	return d.Group
}

// is tells whether that is what is said of n.
func (d *Node) is(n *registry.Node) bool {
	return d.Group == n.Group && registry.SameParams(d.Params, n.Params)
}

// Connections is how many connections to the node are open.
func (e *Endpoint) Connections() int {
	n := 0
	for _, c := range e.client.Conns() {
		if c.Open() {
			n++
		}
	}
	return n
}
