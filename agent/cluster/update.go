package cluster

import (
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// lookAhead is how many nodes in a row may have gone for the rest of a list to be recognised.
const lookAhead = 8

// Update makes nodes the ones to choose from. Nodes that stay keep their connections; calls
// in flight to a node that goes are not disturbed. A list that says nothing new costs a comparison.
// After Close it does nothing.
func (k *Cluster) Update(nodes []registry.Node) {
	if k.update(nodes) && k.weigher != nil {
		k.weigher.soon()
	}
}

// update tells whether something has changed.
func (k *Cluster) update(nodes []registry.Node) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.settings.Placement != nil {
		nodes = k.settings.Placement.choose(nodes)
	}
	k.order(nodes)
	if k.gone || k.picker.Load().is(nodes) {
		return false
	}
	k.replace(nodes)
	return true
}

// is tells whether p is what would be made of nodes.
func (p *picker) is(nodes []registry.Node) bool {
	if len(nodes) != len(p.endpoints) {
		return false
	}
	for i := range nodes {
		if !p.endpoints[i].is(&nodes[i]) {
			return false
		}
	}
	return true
}

// spot is what makes a node another one: a provider that serves two groups at one address is a node of each.
type spot struct {
	client *motan.Client
	group  string
}

// replace makes endpoints of nodes and puts them in the place of the old ones. Most lists differ from the one before in a node
// or two, so the old endpoints are gone through in step. Caller holds mu.
func (k *Cluster) replace(nodes []registry.Node) {
	old := k.picker.Load().endpoints
	before := old
	known := remembered(old)
	endpoints := make([]Endpoint, 0, len(nodes))
	var gone []*motan.Client // counted as used until all are there
	var seen map[spot]struct{}
	if !ordered(nodes) {
		seen = make(map[spot]struct{}, len(nodes))
	}
	for i := range nodes {
		n := &nodes[i]
		for passed := range min(len(old), lookAhead) {
			if old[passed].at(n) {
				for range passed {
					gone, old = append(gone, old[0].client), old[1:]
				}
				break
			}
		}
		var client *motan.Client
		var said *Node
		if len(old) > 0 && old[0].at(n) {
			client, said, old = old[0].client, old[0].Node(), old[1:]
		} else {
			var space [64]byte
			client = k.settings.Pool.get(n.AppendAddr(space[:0]), k.key(""))
			said = known[client]
		}
		if _, twice := seen[spot{client, n.Group}]; twice {
			gone = append(gone, client)
			continue
		}
		if seen != nil {
			seen[spot{client, n.Group}] = struct{}{}
		}
		said = described(n, said, endpoints)
		endpoints = endpoints[:len(endpoints)+1]
		e := &endpoints[len(endpoints)-1]
		e.client = client
		e.node.Store(said)
	}
	k.greet(before, endpoints)
	k.install(endpoints)
	for _, client := range gone {
		k.settings.Pool.Put(k.key(client.Addr()))
	}
	for i := range old {
		k.settings.Pool.Put(k.key(old[i].Addr()))
	}
}

// remembered is what is said of those endpoints of which calls have shown something.
func remembered(endpoints []Endpoint) map[*motan.Client]*Node {
	var known map[*motan.Client]*Node
	for i := range endpoints {
		if d := endpoints[i].Node(); d.vitals != nil {
			if known == nil {
				known = make(map[*motan.Client]*Node)
			}
			known[endpoints[i].client] = d
		}
	}
	return known
}

// install has calls choose among endpoints. Caller holds mu.
func (k *Cluster) install(endpoints []Endpoint) {
	p := &picker{endpoints: endpoints}
	if len(endpoints) > 0 {
		p.choice = k.choiceOver(endpoints)
	}
	out := int32(0)
	for i := range endpoints {
		if v := endpoints[i].vitals(); v != nil && v.until.Load() != 0 {
			out++
		}
	}
	k.ward.out.Store(out)
	k.picker.Store(p)
}

// ordered tells whether nodes are in the order in which registries hand them over, so that no address is there twice.
func ordered(nodes []registry.Node) bool {
	for i := 1; i < len(nodes); i++ {
		a, b := &nodes[i-1], &nodes[i]
		if a.Host > b.Host || a.Host == b.Host && (a.Port >= b.Port || a.Addr() == b.Addr()) { // ports do not count with a unix socket
			return false
		}
	}
	return true
}

// described returns what is said of n: before, where that is it, or what is said of the last endpoint, or another one. What
// calls have shown stays. Before is nil for a node that is new.
func described(n *registry.Node, before *Node, endpoints []Endpoint) *Node {
	if before != nil && before.is(n) {
		return before
	}
	if before != nil && before.vitals != nil {
		return describe(n, before.vitals)
	}
	if last := len(endpoints) - 1; last >= 0 {
		if d := endpoints[last].Node(); d.vitals == nil && d.is(n) {
			return d
		}
	}
	return describe(n, nil)
}
