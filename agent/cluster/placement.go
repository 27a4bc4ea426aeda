package cluster

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/motand/motand/registry"
)

// Placement says which nodes of a list this host uses, and which of them first. The zero Placement is all, alike.
type Placement struct {
	// Subset keeps the nodes whose parameters have these values. Where none has, all nodes are kept, or with Strict none.
	Subset map[string]string
	Strict bool
	// Size keeps so many nodes of each group where there are more: always the same ones for a host, others for another
	// host, and few change when nodes come and go. 0 keeps all.
	Size int

	// Near names what makes a node near, the nearest first: "host", or a parameter that has the value of Here. Calls go to
	// the nodes that are nearest, and spill over in proportion where these cannot take them.
	Near []string
	Here map[string]string // of this host, by name; "host" is its address
	// Spill is how much more than their share the nodes that can be used may be given, in percent, before calls go farther:
	// with 140 a level can lose two sevenths of its nodes first. Not below 100.
	Spill int
	// Full is how many calls of this cluster may wait for a node before one goes farther instead; 0 is any number.
	Full int
}

// choose returns the nodes that are used, in order.
func (p *Placement) choose(nodes []registry.Node) []registry.Node {
	if len(p.Subset) > 0 {
		var chosen []registry.Node
		for i := range nodes {
			if p.matches(&nodes[i]) {
				chosen = append(chosen, nodes[i])
			}
		}
		if len(chosen) > 0 || p.Strict {
			nodes = chosen
		}
	}
	if p.Size > 0 && len(nodes) > p.Size {
		return p.some(nodes)
	}
	return nodes
}

func (p *Placement) matches(n *registry.Node) bool {
	for name, value := range p.Subset {
		if n.Params[name] != value {
			return false
		}
	}
	return true
}

// some keeps Size nodes of each group: those for which the hash of this host and the node is least.
func (p *Placement) some(nodes []registry.Node) []registry.Node {
	type ranked struct {
		index int
		rank  uint64
	}
	groups := make(map[string][]ranked)
	for i := range nodes {
		rank := xxhash.Sum64String(p.Here["host"] + " " + nodes[i].Addr())
		groups[nodes[i].Group] = append(groups[nodes[i].Group], ranked{i, rank})
	}
	var keep []int
	for _, all := range groups {
		slices.SortFunc(all, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), a.index-b.index) })
		for _, r := range all[:min(len(all), p.Size)] {
			keep = append(keep, r.index)
		}
	}
	slices.Sort(keep)
	chosen := make([]registry.Node, len(keep))
	for i, index := range keep {
		chosen[i] = nodes[index]
	}
	return chosen
}

// level is how far a node is: 0 for the nearest.
func (p *Placement) level(host string, params map[string]string) int {
	for i, name := range p.Near {
		here, there := p.Here[name], params[name]
		if name == "host" {
			there = host
		}
		if here != "" && here == there {
			return i
		}
	}
	return len(p.Near)
}
