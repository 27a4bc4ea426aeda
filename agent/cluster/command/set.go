package command

import (
	"maps"
	"slices"
)

// Set is the commands that count for a service: those for the agent, and those for the service's group. An agent's come
// before a group's of the same type. It is a value; nil lists are no commands.
type Set struct{ Agent, Group List }

// Traffic returns the command that spreads the calls of the service: the first that matches, ok false if none does.
func (s Set) Traffic(path string) (c Command, ok bool) {
	for _, l := range []List{s.Agent, s.Group} {
		for _, c := range l.Commands {
			if c.Type == Traffic && c.Pattern.Match(path) {
				return c, true
			}
		}
	}
	return Command{}, false
}

// Degraded returns the command by which calls of the service are refused, ok false if there is none. Which one of several
// matters only for what is told of it: the last, as with motan-go.
func (s Set) Degraded(path string) (c Command, ok bool) {
	for _, l := range []List{s.Agent, s.Group} {
		for _, c := range slices.Backward(l.Commands) {
			if c.Type == Degrade && c.Pattern.Match(path) {
				return c, true
			}
		}
	}
	return Command{}, false
}

// Switches returns what switches are set to while the commands exist, by name. Of one list the last command counts, and
// all of it; the agent's comes before the group's.
func (s Set) Switches() map[string]bool {
	all := make(map[string]bool)
	for _, l := range []List{s.Group, s.Agent} {
		for _, c := range slices.Backward(l.Commands) {
			if c.Type == Switch {
				maps.Copy(all, c.flips())
				break
			}
		}
	}
	return all
}

func (c Command) flips() map[string]bool {
	flips := make(map[string]bool, len(c.Switches))
	for _, f := range c.Switches {
		flips[f.Name] = f.On
	}
	return flips
}

// Weighted tells whether calls are shared out by the groups' weights. Else the nodes of all groups are one pool.
func (c Command) Weighted() bool {
	return slices.ContainsFunc(c.Groups, func(g Group) bool { return g.Weight > 0 })
}

// Share returns g's share of the calls of c: a group without weight counts as 1 beside those that have one.
func (g Group) Share() int { return max(g.Weight, 1) }

// Keep tells whether a caller at local may use the node at host: every rule allows it.
func (c Command) Keep(local, host string) bool {
	for _, r := range c.Rules {
		if !r.Keep(local, host) {
			return false
		}
	}
	return true
}
