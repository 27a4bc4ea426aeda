package traffic

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// Target is where calls can go: the nodes of a group that have the parameters.
type Target struct {
	Group    string            // empty is the refer's own
	Params   map[string]string // nil for all nodes
	Fallback bool              // to the refer's own nodes where there are none
}

// Key is equal for targets with the same nodes.
func (t *Target) Key() string {
	var b strings.Builder
	b.WriteString(t.Group)
	for _, k := range slices.Sorted(maps.Keys(t.Params)) {
		b.WriteString("\x00" + k + "\x00" + t.Params[k])
	}
	return b.String()
}

// Rules are the rules of a refer, compiled. They are never changed; what they know of calls is in a [State].
//
// The first rule that fits a call counts, in the order in which they were given. How long it takes to find does not depend on
// how many rules there are, but on how many look alike: each rule is filed under that of its conditions which fewest others
// have, and a call is looked up by its caller, its method and so on.
type Rules struct {
	rules   []rule
	targets []Target
	indexes []index
	rest    []int32 // rules that are filed nowhere, ascending
	opens   bool    // some rule looks into bodies
}

// rule is one rule.
type rule struct {
	name       string
	ramp       *conf.Ramp
	conditions []condition
	share      share
	targets    []weighted // none: calls stay with the refer's own nodes
	state      *State
}

// weighted is a target with the sum of the weights up to it.
type weighted struct {
	target, upTo int32
}

// Compile makes rules of list. States has what is known of rules with the same names, and gets the states of the new ones. Nothing
// of it has an effect before [Rules.Begin].
func Compile(list []conf.TrafficRule, states map[string]*State) *Rules {
	r := &Rules{rules: make([]rule, len(list))}
	for i := range list {
		x := &list[i]
		if states[x.Name] == nil {
			states[x.Name] = new(State)
		}
		state := states[x.Name]
		r.opens = r.opens || len(x.Arguments) > 0 || x.Sticky.Argument
		r.rules[i] = rule{
			name: x.Name, conditions: conditions(x), state: state, ramp: x.Ramp,
			share: newShare(x, state), targets: r.aim(x),
		}
	}
	r.file()
	return r
}

// aim returns the targets of x, each of which is in r.targets once.
func (r *Rules) aim(x *conf.TrafficRule) []weighted {
	groups := x.Groups
	if groups == nil {
		if x.Nodes == nil {
			return nil
		}
		groups = []conf.TrafficGroup{{Weight: 1}}
	}
	var all []weighted
	sum := int32(0)
	for _, g := range groups {
		t := Target{Group: g.Name, Params: x.Nodes, Fallback: x.Fallback}
		n := slices.IndexFunc(r.targets, func(o Target) bool { return o.Fallback == t.Fallback && o.Key() == t.Key() })
		if n < 0 {
			n = len(r.targets)
			r.targets = append(r.targets, t)
		}
		sum += int32(g.Weight)
		all = append(all, weighted{int32(n), sum})
	}
	return all
}

// Targets are all that calls may go to. Nobody changes them.
func (r *Rules) Targets() []Target { return r.targets }

// Begin has the states follow these rules from now on.
func (r *Rules) Begin() {
	for i := range r.rules {
		r.rules[i].state.follow(r.rules[i].ramp)
	}
}

// All calls f with the name, the state and the targets of each rule in order.
func (r *Rules) All(f func(name string, s *State, targets []Target)) {
	for i := range r.rules {
		var targets []Target
		for _, w := range r.rules[i].targets {
			targets = append(targets, r.targets[w.target])
		}
		f(r.rules[i].name, r.rules[i].state, targets)
	}
}

// None is the target of calls that stay with the refer's own nodes.
const None = -1

// Pick returns the index in Targets of where c goes, or None. The state, nil where no rule fits, wants to be told how the call
// ends.
func (r *Rules) Pick(c *motan.Call) (target int, s *State) {
	best, h, chance := len(r.rules), uint64(0), luck(0)
	var room *desk
	if r.opens {
		room = desks.Get().(*desk)
		defer desks.Put(room)
	}
	consider := func(list []int32) {
		for _, i := range list {
			if int(i) >= best {
				return
			}
			if x := &r.rules[i]; x.fits(c, room) {
				if hash, in := x.share.takes(c, &chance, room); in {
					best, h = int(i), hash
					return
				}
			}
		}
	}
	for i := range r.indexes {
		r.indexes[i].look(c, room, consider)
	}
	consider(r.rest)
	if best == len(r.rules) {
		return None, nil
	}
	x := &r.rules[best]
	return x.aimed(h), x.state
}

// fits tells whether all conditions hold.
func (x *rule) fits(c *motan.Call, room *desk) bool {
	for i := range x.conditions {
		if !x.conditions[i].holds(c, room) {
			return false
		}
	}
	return true
}

// aimed returns the target for a call with the hash.
func (x *rule) aimed(h uint64) int {
	switch n := len(x.targets); n {
	case 0:
		return None
	case 1:
		return int(x.targets[0].target)
	default:
		at := int32(mix(h) % uint64(x.targets[n-1].upTo)) // another number than that which the share has seen
		i, _ := slices.BinarySearchFunc(x.targets, at+1, func(w weighted, at int32) int { return cmp.Compare(w.upTo, at) })
		return int(x.targets[i].target)
	}
}
