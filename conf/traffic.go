package conf

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Traffic is the rules of one refer, of all its groups.
type Traffic struct {
	Position
	Refer string // its conf-id
	Rules []TrafficRule
}

// TrafficRule sends the calls that fit it elsewhere. What is empty fits every call.
type TrafficRule struct {
	Position
	Name      string
	Callers   []Pattern
	Networks  []netip.Prefix
	Methods   []Pattern
	Metadata  []TrafficMatch // in the order of the file, each key once
	Arguments []TrafficMatch // likewise; keys begin with the argument's number

	Percent float64 // of the calls that fit, 0 to 100
	Sticky  Sticky  // what chooses them; none is chance

	Groups   []TrafficGroup    // where they go; none is the refer's own
	Nodes    map[string]string // parameters that nodes must have; nil for all nodes
	Fallback bool              // to the refer's own nodes
	Ramp     *Ramp             // moves Percent; nil for none
}

// TrafficMatch is a key and the values that it may have.
type TrafficMatch struct {
	Key    string
	Values []Pattern
}

// TrafficGroup is a group with its share beside others, 1 to 100.
type TrafficGroup struct {
	Name   string
	Weight int
}

// Sticky is the key whose value decides for a call. The zero Sticky is none.
type Sticky struct {
	Key      string
	Argument bool // the key is the place of an argument, else a key of the metadata
}

// Ramp moves a rule's share in steps.
type Ramp struct {
	From, Step, To float64 // percent
	Every          time.Duration
	ErrorPercent   float64
	Calls          int
	Window         time.Duration
	Hold           bool // on errors it stays; else nobody is sent any more
	Manual         bool // waits to be started
}

// The limits of rules. Each key of metadata and each argument that rules look at costs a call a look, however many rules
// there are.
const (
	maxTrafficRules     = 1000 // of a refer
	maxTrafficValues    = 10_000
	maxTrafficKeys      = 32 // of metadata, different ones
	maxTrafficArguments = 8  // likewise
	maxTrafficRegexps   = 100
	maxTrafficTargets   = 100 // groups and subsets of nodes
)

// ParseTraffic reads rules for a refer that are given while the agent runs, as YAML or JSON: a list as it stands in
// motan-traffic. The name stands in positions. On an Error among the diagnostics there are no rules.
func ParseTraffic(name, refer string, data []byte) ([]TrafficRule, []Diagnostic) {
	f := &findings{}
	doc, err := decode(data)
	if len(data) > maxFileBytes || !checkText(f, name, data) || err != nil || doc == nil || len(doc.Content) == 0 {
		if err != nil {
			at, message := syntaxError(name, data, err)
			f.errorf(at, "", "%s", message)
		} else if f.errors == 0 {
			f.errorf(Position{File: name}, "", "there are no rules; write a list such as [{\"name\":\"canary\",\"percent\":5,\"group\":\"canary\"}]")
		}
		return nil, f.sorted()
	}
	r := newReader(f, name)
	if !r.bounded(doc.Content[0]) {
		return nil, f.sorted()
	}
	t := newChecker(f, newMap(Position{}, nil), Options{}).traffic(pair{key: refer, at: r.at(doc.Content[0]), value: r.node(doc.Content[0])})
	if f.errors > 0 {
		return nil, f.sorted()
	}
	return t.Rules, f.sorted()
}

// readTraffic reads motan-traffic: lists of rules by id of the refer.
func (c *checker) readTraffic() {
	p, ok := c.section(sectionTraffic)
	if !ok {
		return
	}
	refers := map[string]bool{}
	for _, r := range c.cfg.Refers {
		refers[r.ConfID] = true
	}
	for _, e := range p.value.pairs {
		if e.value.null() {
			continue
		}
		if !refers[e.key] {
			c.f.errorf(e.at, sectionTraffic+"."+e.key, "no refer has the id %s%s", quote(e.key), hint(c.f, e.key, refers))
			continue
		}
		c.cfg.Traffic = append(c.cfg.Traffic, c.traffic(e))
	}
}

// traffic reads the rules of one refer.
func (c *checker) traffic(e pair) Traffic {
	t, path := Traffic{Position: e.at, Refer: e.key}, sectionTraffic+"."+e.key
	if e.value.kind != listNode {
		c.f.errorf(e.value.at, path, "the rules of %s must be a list; got %s", quote(e.key), e.value.describe())
		return t
	}
	if len(e.value.items) > maxTrafficRules {
		c.f.errorf(e.at, path, "%d rules, at most %d are taken; put values that go the same way into one rule", len(e.value.items), maxTrafficRules)
		return t
	}
	b := trafficBudget{metadata: map[string]bool{}, arguments: map[string]bool{}, targets: map[string]bool{}}
	names := map[string]Position{}
	for _, n := range e.value.items {
		r := c.trafficRule(n, path, &b)
		if first, twice := names[r.Name]; twice && r.Name != "" {
			c.f.errorf(r.Position, path, "the name %s is taken by the rule at %s", quote(r.Name), first)
		}
		names[r.Name] = r.Position
		t.Rules = append(t.Rules, r)
	}
	b.check(c, e.at, path)
	return t
}

// trafficBudget counts what all rules of a refer need together.
type trafficBudget struct {
	values, regexps              int
	metadata, arguments, targets map[string]bool
}

func (b *trafficBudget) check(c *checker, at Position, path string) {
	for _, x := range []struct {
		what      string
		got, most int
	}{
		{"values", b.values, maxTrafficValues},
		{"regular expressions without a fixed beginning", b.regexps, maxTrafficRegexps},
		{"keys of metadata", len(b.metadata), maxTrafficKeys},
		{"places of arguments", len(b.arguments), maxTrafficArguments},
		{"groups and subsets of nodes", len(b.targets), maxTrafficTargets},
	} {
		if x.got > x.most {
			c.f.errorf(at, path, "the rules have %d %s, at most %d are taken", x.got, x.what, x.most)
		}
	}
}

func (b *trafficBudget) add(r *TrafficRule) {
	for _, m := range r.Metadata {
		b.metadata[m.Key] = true
	}
	for _, m := range r.Arguments {
		b.arguments[m.Key] = true
	}
	subset := ""
	for _, k := range slices.Sorted(maps.Keys(r.Nodes)) {
		subset = strings.Join([]string{subset, k, r.Nodes[k]}, "\x00")
	}
	for _, g := range r.Groups {
		b.targets[g.Name+"\x00"+subset] = true
	}
	if r.Groups == nil && subset != "" {
		b.targets["\x00"+subset] = true
	}
}
