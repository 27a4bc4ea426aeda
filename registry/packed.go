package registry

import (
	"cmp"
	"context"
	"slices"
	"unique"
)

// packed is a list of nodes as it is kept: two words each, because an agent may know a million. What nodes of one list have in
// common is there once, and so is the address of a host that serves many services. It is never changed once it is made, so
// whoever keeps the same list shares it.
type packed []entry

// entry is one node of a packed list.
type entry struct {
	addr unique.Handle[addr]
	said *said
}

// addr is where a node is.
type addr struct {
	host string
	port int
}

// said is what is told about a node beside its address. Neighbours in a list share it where it is the same.
type said struct {
	service   Service
	params    map[string]string
	available bool
}

// lookAhead is how many nodes in a row may have gone for the rest of a list to be recognised.
const lookAhead = 8

// pack returns nodes as they are kept, never nil. It keeps their Params and nothing else of them.
func pack(nodes []Node) packed { return repack(nodes, nil) }

// repack is pack for nodes most of which are those of old in the same order: their entries are taken over.
func repack(nodes []Node, old packed) packed {
	l := make(packed, 0, len(nodes))
	var last *said
	for i := range nodes {
		n := &nodes[i]
		for gone := range min(len(old), lookAhead) {
			if old[gone].at(n) {
				old = old[gone:]
				break
			}
		}
		var e entry
		if len(old) > 0 && old[0].at(n) {
			e, old = old[0], old[1:]
		} else {
			e.addr = unique.Make(addr{n.Host, n.Port})
		}
		s := said{n.Service, n.Params, n.Available}
		switch {
		case last != nil && last.equal(&s):
			e.said = last
		case e.said == nil || !e.said.equal(&s):
			e.said = new(said)
			*e.said = s
		}
		last = e.said
		l = append(l, e)
	}
	return l
}

// sorted returns l in order of address: l itself where it is.
func (l packed) sorted() packed {
	order := func(a, b entry) int { return a.addr.Value().compare(b.addr.Value()) }
	if slices.IsSortedFunc(l, order) {
		return l
	}
	l = slices.Clone(l)
	slices.SortStableFunc(l, order)
	return l
}

func (a addr) compare(b addr) int {
	return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port))
}

// at tells whether that is the address of n.
func (e entry) at(n *Node) bool { return e.addr.Value() == addr{n.Host, n.Port} }

// nodes returns what was packed; the slice is the caller's.
func (l packed) nodes() []Node {
	nodes := make([]Node, len(l))
	for i, e := range l {
		at := e.addr.Value()
		nodes[i] = Node{Service: e.said.service, Host: at.host, Port: at.port, Params: e.said.params, Available: e.said.available}
	}
	return nodes
}

// equal reports whether l and m are the same nodes in the same order.
func (l packed) equal(m packed) bool {
	if len(l) != len(m) {
		return false
	}
	if len(l) == 0 || &l[0] == &m[0] {
		return true
	}
	var a, b *said // found equal, as those of the neighbours are most often
	for i := range l {
		if l[i].addr != m[i].addr {
			return false
		}
		if l[i].said == a && m[i].said == b {
			continue
		}
		if a, b = l[i].said, m[i].said; !a.equal(b) {
			return false
		}
	}
	return true
}

// holds reports whether l is what would be made of nodes, for less than it takes to make it.
func (l packed) holds(nodes []Node) bool {
	if len(l) != len(nodes) {
		return false
	}
	for i := range nodes {
		n := &nodes[i]
		if l[i].addr.Value() != (addr{n.Host, n.Port}) || !l[i].said.equal(&said{n.Service, n.Params, n.Available}) {
			return false
		}
	}
	return true
}

// accepted returns the nodes that s accepts, which is l itself when they are all.
func (l packed) accepted(s Service) packed {
	takes := func(e entry) bool { return s.Accepts(Node{Service: e.said.service}) }
	n := 0
	for n < len(l) && takes(l[n]) {
		n++
	}
	if n == len(l) {
		return l
	}
	some := append(make(packed, 0, len(l)-1), l[:n]...)
	for _, e := range l[n+1:] {
		if takes(e) {
			some = append(some, e)
		}
	}
	return some
}

func (s *said) equal(t *said) bool {
	return s == t || s.service == t.service && s.available == t.available && SameParams(s.params, t.params)
}

// watchPacked is reg.Watch, of a service that was checked, for a receiver that takes lists as they are kept. The registries
// here hand over their own, so that those who keep them as well share them. It asks for types and not for a method: a
// type that embeds one of these may have a Watch of its own.
func watchPacked(ctx context.Context, reg Registry, s Service, update func(packed)) error {
	switch r := reg.(type) {
	case *Static:
		r.board.watch(ctx, s, update, nil)
		return nil
	case *Local:
		return r.watchPacked(ctx, s, update)
	case *File:
		r.watchPacked(ctx, s, update)
		return nil
	case *Cache:
		return r.watchPacked(ctx, s, update)
	}
	return reg.Watch(ctx, s, func(nodes []Node) { update(pack(nodes)) })
}

// unpacking returns update as a receiver of lists as they are kept, nil for nil.
func unpacking(update func([]Node)) func(packed) {
	if update == nil {
		return nil
	}
	return func(l packed) { update(l.nodes()) }
}
