package traffic

import (
	"math"
	"net/netip"
	"slices"

	"github.com/motand/motand/motan"
)

// index finds the rules that may fit by one subject of a call. Lists are ascending and never empty.
type index struct {
	subject
	exact    map[string][]int32
	begins   map[string][]int32 // by what values begin with
	lengths  []int              // of the keys of begins, ascending
	networks map[netip.Prefix][]int32
	bits     []int // of the keys of networks
}

// look calls consider with each list of rules that c may fit.
func (x *index) look(c *motan.Call, room *desk, consider func([]int32)) {
	if x.kind == network {
		addr, ok := from(c)
		if !ok {
			return
		}
		for _, bits := range x.bits {
			if p, err := addr.Prefix(bits); err == nil {
				consider(x.networks[p])
			}
		}
		return
	}
	text, ok := x.value(c, room.forIndex())
	if !ok {
		return
	}
	consider(x.exact[string(text)])
	for _, n := range x.lengths {
		if n > len(text) {
			return
		}
		consider(x.begins[string(text[:n])])
	}
}

// filing counts how many rules have a key of an index.
type filing struct {
	indexes map[string]*index // by kind and key of the subject
	order   []*index
	users   map[string]int
}

// name tells the subjects of one list of rules apart.
func (s *subject) name() string { return string(rune('0'+s.kind)) + s.key }

// file files each rule under one of its conditions: the one whose most frequent value is the rarest. A regular expression
// whose beginning nobody knows is no value to file under.
func (r *Rules) file() {
	f := filing{indexes: make(map[string]*index), users: make(map[string]int)}
	for i := range r.rules {
		for _, c := range r.rules[i].conditions {
			for _, key := range c.keys() {
				f.users[key]++
			}
		}
	}
	for i := range r.rules {
		var rarest *condition
		least := math.MaxInt
		for j := range r.rules[i].conditions {
			c := &r.rules[i].conditions[j]
			most := 0
			for _, key := range c.keys() {
				most = max(most, f.users[key])
			}
			if most > 0 && most < least {
				rarest, least = c, most
			}
		}
		if rarest == nil {
			r.rest = append(r.rest, int32(i))
			continue
		}
		f.put(rarest, int32(i))
	}
	for _, x := range f.order {
		slices.Sort(x.lengths)
		r.indexes = append(r.indexes, *x)
	}
}

// keys are what the condition can be filed under, each with its subject; nil where it cannot.
func (x *condition) keys() []string {
	var all []string
	for _, p := range x.networks {
		all = append(all, x.name()+"\x00"+p.String())
	}
	for i := range x.values {
		p := &x.values[i]
		if !p.Exact() && p.Begin == "" {
			return nil
		}
		key := x.name() + "\x01" + p.Begin
		if p.Exact() {
			key = x.name() + "\x00" + p.Text
		}
		all = append(all, key)
	}
	return all
}

// put files rule i under x.
func (f *filing) put(x *condition, i int32) {
	to := f.indexes[x.name()]
	if to == nil {
		to = &index{
			subject: x.subject, exact: make(map[string][]int32), begins: make(map[string][]int32),
			networks: make(map[netip.Prefix][]int32),
		}
		f.indexes[x.name()] = to
		f.order = append(f.order, to)
	}
	add := func(list []int32) []int32 {
		if n := len(list); n > 0 && list[n-1] == i { // a value that is written twice
			return list
		}
		return append(list, i)
	}
	for _, p := range x.networks {
		if !slices.Contains(to.bits, p.Bits()) {
			to.bits = append(to.bits, p.Bits())
		}
		to.networks[p] = add(to.networks[p])
	}
	for j := range x.values {
		switch p := &x.values[j]; {
		case p.Exact():
			to.exact[p.Text] = add(to.exact[p.Text])
		default:
			if !slices.Contains(to.lengths, len(p.Begin)) {
				to.lengths = append(to.lengths, len(p.Begin))
			}
			to.begins[p.Begin] = add(to.begins[p.Begin])
		}
	}
}
