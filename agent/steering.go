package agent

import (
	"context"
	"slices"
	"sync"

	"github.com/motand/motand/agent/cluster/command"
	"github.com/motand/motand/registry"
)

// steering gives the cluster of a refer its nodes: those of its own group, or those of the groups that mixGroups or a command
// name, without those that route rules forbid.
//
// A refer that nothing is commanded of keeps no list: it is watched once, and its nodes go straight to the cluster.
type steering struct {
	route   *route
	localIP string // what route rules compare with
	known   func() // is called once, when something is known of the nodes

	mu      sync.Mutex
	ctx     context.Context      // guarded by mu; nil before start
	command command.Command      // guarded by mu: of type Traffic; the zero one leaves nodes as they are
	screen  *screen              // guarded by mu: of the refers filter
	watches map[string]*sighting // guarded by mu: by group
	heard   bool                 // guarded by mu
}

// sighting is the watch of one group.
type sighting struct {
	end   context.CancelFunc
	heard bool
	nodes []registry.Node // nil where they go straight to the cluster
}

// start begins to watch, until ctx ends.
func (s *steering) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
	if groups := s.route.refer.MixGroups; len(groups) > 0 {
		s.command = mixed(s.route.refer.Group, groups)
	}
	return s.watch()
}

// mixed is the command that key mixGroups stands for.
func mixed(own string, groups []string) command.Command {
	c := command.Command{Groups: []command.Group{{Name: own}}}
	for _, g := range groups {
		c.Groups = append(c.Groups, command.Group{Name: g})
	}
	return c
}

// follow makes c the command, ok false for none: then mixGroups counts.
func (s *steering) follow(c command.Command, ok bool) error {
	if groups := s.route.refer.MixGroups; !ok && len(groups) > 0 {
		c = mixed(s.route.refer.Group, groups)
	} else if !ok {
		c = command.Command{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return nil
	}
	s.command = c
	return s.watch()
}

// sift has only nodes used that x lets through.
func (s *steering) sift(x *screen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.screen = x
	if s.ctx == nil || s.ctx.Err() != nil {
		return nil
	}
	return s.watch()
}

// plain tells whether the nodes go straight to the cluster. The caller holds mu.
func (s *steering) plain() bool {
	return len(s.command.Groups) == 0 && len(s.command.Rules) == 0 && s.screen == nil && s.route.refer.Spellings == nil
}

// spelled is what group is called: the own one as the first of its spellings that has nodes. The caller holds mu.
func (s *steering) spelled(group string) string {
	if r := s.route.refer; group == r.Group && r.Spellings != nil {
		for _, g := range r.Groups() {
			if w := s.watches[g]; w != nil && len(w.nodes) > 0 {
				return g
			}
		}
	}
	return group
}

// found tells whether it is known which spelling of the own group has nodes. The caller holds mu.
func (s *steering) found() bool {
	r := s.route.refer
	if r.Spellings == nil {
		return true
	}
	if w := s.watches[s.spelled(r.Group)]; w != nil && len(w.nodes) > 0 {
		return true
	}
	return !slices.ContainsFunc(r.Groups(), func(g string) bool { return s.watches[g] == nil || !s.watches[g].heard })
}

// wanted returns the groups that nodes are taken of, the own one first where there is none. The caller holds mu.
func (s *steering) wanted() []string {
	var groups []string
	for _, g := range s.command.Groups {
		if !slices.Contains(groups, g.Name) {
			groups = append(groups, g.Name)
		}
	}
	if groups == nil {
		groups = []string{s.route.refer.Group}
	}
	return groups
}

// watch begins the watches that are wanted and ends the others. The own group is always watched: its nodes are there at once
// when a command ends, and while others have none. The caller holds mu.
func (s *steering) watch() error {
	own := s.route.refer.Groups()
	wanted := append(s.wanted(), own...)
	for group, w := range s.watches {
		// A watch whose nodes go straight to the cluster keeps none, so it is made anew when that changes.
		if !slices.Contains(wanted, group) || slices.Contains(own, group) && (w.nodes == nil) != s.plain() {
			w.end()
			delete(s.watches, group)
		}
	}
	if s.watches == nil {
		s.watches = make(map[string]*sighting, 1)
	}
	for _, group := range wanted {
		if s.watches[group] != nil {
			continue
		}
		if err := s.look(group); err != nil {
			return err
		}
	}
	if !s.plain() {
		s.apply()
	}
	return nil
}

// look begins to watch group. The caller holds mu.
func (s *steering) look(group string) error {
	w := new(sighting)
	if !s.plain() {
		w.nodes = []registry.Node{}
	}
	ctx, end := context.WithCancel(s.ctx)
	w.end = end
	r := s.route.refer
	err := s.route.source.Watch(ctx, registry.Service{Group: group, Path: r.Path, Version: r.Version, Protocol: r.Protocol},
		func(nodes []registry.Node) { s.update(group, w, nodes) })
	if err != nil {
		end()
		return err
	}
	s.watches[group] = w
	return nil
}

// update takes the nodes of a group.
func (s *steering) update(group string, w *sighting, nodes []registry.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches[group] != w { // it was on its way when the watch ended
		return
	}
	w.heard = true
	if w.nodes == nil {
		s.route.cluster.Share(nil)
		s.route.cluster.Update(nodes)
	} else {
		w.nodes = append([]registry.Node{}, nodes...) // not nil
		s.apply()
	}
	if !s.heard && s.found() {
		s.heard = true
		s.known()
	}
}

// apply gives the cluster the nodes of all groups that are wanted. Before any of them is known it leaves the nodes of before;
// where rules leave none, the own group's nodes count, as with motan-go. The caller holds mu.
func (s *steering) apply() {
	var nodes []registry.Node
	heard := false
	var groups []string
	for _, group := range s.wanted() {
		if group = s.spelled(group); !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	for _, group := range groups {
		if w := s.watches[group]; w != nil {
			heard = heard || w.heard
			nodes = append(nodes, w.nodes...)
		}
	}
	nodes = s.allowed(nodes)
	if len(nodes) == 0 {
		if w := s.watches[s.spelled(s.route.refer.Group)]; w != nil && w.heard {
			nodes, heard = slices.Clone(w.nodes), true
		}
	}
	if !heard {
		return
	}
	s.route.cluster.Share(s.shares())
	s.route.cluster.Update(s.screen.through(nodes))
}

// allowed returns those of nodes that the rules let this host use, in the same place. The caller holds mu.
func (s *steering) allowed(nodes []registry.Node) []registry.Node {
	if len(s.command.Rules) == 0 {
		return nodes
	}
	return slices.DeleteFunc(nodes, func(n registry.Node) bool { return !s.command.Keep(s.localIP, n.Host) })
}

// shares are the groups' weights, nil where they have none. The caller holds mu.
func (s *steering) shares() map[string]int {
	if !s.command.Weighted() {
		return nil
	}
	shares := make(map[string]int, len(s.command.Groups))
	for _, g := range s.command.Groups {
		shares[s.spelled(g.Name)] += g.Share()
	}
	return shares
}
