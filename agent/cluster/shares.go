package cluster

import (
	"maps"
	"slices"
	"strings"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// Share has calls shared out between the groups of the nodes in proportion to shares, by group, each at least 1; within a
// group the balance chooses. A group that has no nodes leaves its share to the others, and one without a share gets calls
// only where the others cannot take them. Nil makes all nodes one pool again.
func (k *Cluster) Share(shares map[string]int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone || maps.Equal(k.shares, shares) {
		return
	}
	k.shares = maps.Clone(shares)
	old := k.picker.Load().endpoints
	indexes := make([]int, len(old))
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortStableFunc(indexes, func(a, b int) int {
		one, other := &old[a], &old[b]
		return k.compare(one.Node().Group, k.distance(one), other.Node().Group, k.distance(other))
	})
	next := make([]Endpoint, len(old))
	for i, from := range indexes {
		e := &next[i]
		e.client = old[from].client
		e.node.Store(old[from].Node())
	}
	k.install(next)
}

// order puts nodes in the order in which endpoints are kept: by group where groups have shares, then by how far they are.
// Caller holds mu.
func (k *Cluster) order(nodes []registry.Node) {
	p := k.settings.Placement
	if k.shares == nil && (p == nil || len(p.Near) == 0) {
		return
	}
	level := func(n *registry.Node) int {
		if p == nil {
			return 0
		}
		return p.level(n.Host, n.Params)
	}
	slices.SortStableFunc(nodes, func(a, b registry.Node) int { return k.compare(a.Group, level(&a), b.Group, level(&b)) })
}

// compare orders by group, where that matters, then by level. Caller holds mu.
func (k *Cluster) compare(group string, level int, otherGroup string, otherLevel int) int {
	if k.shares != nil && group != otherGroup {
		return strings.Compare(group, otherGroup)
	}
	return level - otherLevel
}

// distance is the level of e, 0 where none is nearer than another.
func (k *Cluster) distance(e *Endpoint) int {
	if k.settings.Placement == nil {
		return 0
	}
	return k.levelOf(e)
}

// over returns the choice among endpoints of which no group has a share, in order.
func (k *Cluster) over(endpoints []Endpoint) Choice {
	if p := k.settings.Placement; p != nil && len(p.Near) > 0 {
		return k.nearest(endpoints)
	}
	return k.settings.Balance.Over(endpoints)
}

// choiceOver returns the choice among endpoints, of which there are some, in order. Caller holds mu.
func (k *Cluster) choiceOver(endpoints []Endpoint) Choice {
	if k.shares == nil {
		return k.over(endpoints)
	}
	var s sharing
	var weights []int
	for from := 0; from < len(endpoints); {
		group, to := endpoints[from].Node().Group, from+1
		for to < len(endpoints) && endpoints[to].Node().Group == group {
			to++
		}
		if w := k.shares[group]; w > 0 {
			weights = append(weights, w)
			s.groups = append(s.groups, span{from, k.over(endpoints[from:to:to])})
		}
		from = to
	}
	switch len(s.groups) {
	case 0:
		return k.settings.Balance.Over(endpoints)
	case 1:
		return s.groups[0]
	}
	round := interleave(weights)
	if round == nil {
		for i := range weights {
			round = append(round, int32(i))
		}
	}
	s.turns = newRing(round)
	return &s
}

// sharing is a choice between groups, then within one.
type sharing struct {
	turns  *ring
	groups []span
}

// Pick implements Choice.
func (s *sharing) Pick(c *motan.Call, try int) int {
	return s.groups[s.turns.Pick(c, try)].Pick(c, try)
}

// span is a choice among the endpoints from from on.
type span struct {
	from   int
	choice Choice
}

// Pick implements Choice.
func (s span) Pick(c *motan.Call, try int) int { return s.from + s.choice.Pick(c, try) }
