package conf

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// trafficRule reads one rule.
func (c *checker) trafficRule(n *node, path string, b *trafficBudget) TrafficRule {
	v := c.read(source{section: sectionTraffic, path: path, owner: "a rule", strict: true}, n)
	r := TrafficRule{
		Position: n.at, Name: v.text("name"), Percent: c.percent(v, path, "percent", 0), Fallback: v.bool("fallback"),
		Nodes: c.trafficNodes(n, path),
	}
	if n.kind != mapNode {
		return r
	}
	if r.Name == "" || len(r.Name) > 100 {
		c.f.errorf(n.at, path, "a rule needs a name of at most 100 bytes, under which metrics and the API know it")
	}
	path += "." + r.Name
	for _, text := range v.list("caller") {
		r.Callers = append(r.Callers, c.pattern(text, v.set["caller"].at, path+".caller", b))
	}
	for _, text := range v.list("method") {
		r.Methods = append(r.Methods, c.pattern(text, v.set["method"].at, path+".method", b))
	}
	for _, text := range v.list("ip") {
		r.Networks = append(r.Networks, c.network(text, v.set["ip"].at, path+".ip"))
	}
	b.values += len(r.Networks)
	r.Metadata = c.trafficMatches(n, path, "metadata", b)
	r.Arguments = c.trafficMatches(n, path, "argument", b)
	r.Sticky = c.sticky(v, path)
	r.Groups = c.trafficGroups(v, path)
	r.Ramp = c.ramp(v, path)
	if r.Groups == nil && r.Nodes == nil && v.has("ramp.step") {
		c.f.errorf(n.at, path, "a ramp leads to a group or to nodes; write one of the two")
	}
	if r.Ramp != nil && v.has("percent") {
		c.f.errorf(v.set["percent"].at, path+".percent", "a ramp moves the share itself; write ramp.from instead")
	}
	b.add(&r)
	return r
}

// percent reads a share; otherwise counts where none is written and the table has no default.
func (c *checker) percent(v values, path, key string, otherwise float64) float64 {
	x := otherwise
	if v.text(key) != "" {
		x = v.float(key)
	}
	if !(x >= 0 && x <= 100) {
		c.f.errorf(v.set[key].at, path+"."+key, "%s must be from 0 to 100; got %s", key, quote(v.text(key)))
	}
	return x
}

func (c *checker) ramp(v values, path string) *Ramp {
	if !v.has("ramp.step") {
		for key, x := range v.set {
			if strings.HasPrefix(key, "ramp.") {
				c.f.errorf(x.at, path+"."+key, "%s has no effect without ramp.step", key)
			}
		}
		return nil
	}
	step := c.percent(v, path, "ramp.step", 0)
	r := &Ramp{
		From: c.percent(v, path, "ramp.from", step), Step: step, To: c.percent(v, path, "ramp.to", 0),
		Every: v.duration("ramp.every"), ErrorPercent: c.percent(v, path, "ramp.errorPercent", 0),
		Calls: v.int("ramp.calls"), Window: v.duration("ramp.window"),
		Hold: v.text("ramp.onError") == "hold", Manual: v.text("ramp.start") == "manual",
	}
	switch {
	case step <= 0:
		c.f.errorf(v.set["ramp.step"].at, path+".ramp.step", "ramp.step must be more than 0")
	case r.From > r.To:
		c.f.errorf(v.set["ramp.step"].at, path+".ramp.from", "the ramp begins at %g %%, above its end at %g %%", r.From, r.To)
	case r.Every < time.Second || r.Window < time.Second:
		c.f.errorf(v.set["ramp.step"].at, path+".ramp.every", "ramp.every and ramp.window are at least 1000 ms")
	}
	return r
}

func (c *checker) sticky(v values, path string) Sticky {
	text := v.text("sticky")
	if text == "" {
		return Sticky{}
	}
	kind, key, _ := strings.Cut(text, ":")
	key = strings.TrimSpace(key)
	if kind != "metadata" && kind != "argument" || key == "" {
		c.f.errorf(v.set["sticky"].at, path+".sticky", "sticky is metadata:key or argument:place, such as metadata:uid; got %s", quote(text))
		return Sticky{}
	}
	if kind == "argument" {
		return Sticky{Key: argumentPlace(key), Argument: true}
	}
	return Sticky{Key: key}
}

// argumentPlace gives a place with the number of the argument in front.
func argumentPlace(key string) string {
	first, _, _ := strings.Cut(key, ".")
	if _, err := strconv.ParseUint(first, 10, 8); err != nil {
		return "0." + key
	}
	return key
}

func (c *checker) trafficGroups(v values, path string) []TrafficGroup {
	var groups []TrafficGroup
	for _, text := range v.list("group") {
		name, weight, weighted := strings.Cut(text, ":")
		g := TrafficGroup{Name: strings.TrimSpace(name), Weight: 1}
		if weighted {
			n, err := strconv.Atoi(strings.TrimSpace(weight))
			if err != nil || n < 1 || n > 100 {
				c.f.errorf(v.set["group"].at, path+".group", "the weight of a group is from 1 to 100, as in canary:3; got %s", quote(text))
			}
			g.Weight = n
		}
		if g.Name == "" || slices.ContainsFunc(groups, func(o TrafficGroup) bool { return o.Name == g.Name }) {
			c.f.errorf(v.set["group"].at, path+".group", "%s names no group, or one that is there already", quote(text))
		}
		groups = append(groups, g)
	}
	return groups
}

func (c *checker) trafficNodes(n *node, path string) map[string]string {
	p, ok := n.get("nodes")
	if !ok || p.value.null() {
		return nil
	}
	nodes := map[string]string{}
	if p.value.kind != mapNode || len(p.value.pairs) == 0 {
		c.f.errorf(p.value.at, path+".nodes", "nodes is a mapping of parameters, such as {zone: north}; got %s", p.value.describe())
	}
	for _, x := range p.value.pairs {
		if x.value.kind != scalarNode || x.value.null() {
			c.f.errorf(x.value.at, path+".nodes."+x.key, "a parameter has one text; got %s", x.value.describe())
			continue
		}
		nodes[x.key] = x.value.text
	}
	return nodes
}

// network reads an address or a network.
func (c *checker) network(text string, at Position, path string) netip.Prefix {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		c.f.errorf(at, path, "%s is neither an address nor a network such as 10.1.0.0/16", quote(text))
	}
	return p.Masked()
}

// trafficMatches reads the mapping of metadata or of arguments.
func (c *checker) trafficMatches(n *node, path, key string, b *trafficBudget) []TrafficMatch {
	p, ok := n.get(key)
	if !ok || p.value.null() {
		return nil
	}
	if p.value.kind != mapNode {
		c.f.errorf(p.value.at, path+"."+key, "%s is a mapping, such as {uid: \"7*\"}; got %s", key, p.value.describe())
		return nil
	}
	var all []TrafficMatch
	for _, x := range p.value.pairs {
		m := TrafficMatch{Key: x.key}
		if key == "argument" {
			m.Key = argumentPlace(x.key)
		}
		if slices.ContainsFunc(all, func(o TrafficMatch) bool { return o.Key == m.Key }) {
			c.f.errorf(x.at, path+"."+key, "%s is the same place as another one", quote(x.key))
		}
		items := []*node{x.value}
		if x.value.kind == listNode {
			items = x.value.items
		}
		for _, item := range items {
			if item.kind != scalarNode || item.null() || item.text == "" {
				c.f.errorf(cmp.Or(item.at, x.at), path+"."+key+"."+x.key, "a value is a text or a list of texts; got %s", item.describe())
				continue
			}
			m.Values = append(m.Values, c.pattern(item.text, item.at, path+"."+key+"."+x.key, b))
		}
		all = append(all, m)
	}
	return all
}

// pattern reads what a value may be.
func (c *checker) pattern(text string, at Position, path string, b *trafficBudget) Pattern {
	b.values++
	p := Pattern{Text: text}
	switch expr, is := strings.CutPrefix(text, "~"); {
	case is:
		re, err := regexp.Compile(expr)
		if err != nil {
			c.f.errorf(at, path, "%s is no regular expression: %v", quote(expr), err)
			return p
		}
		p.Regexp, p.Begin = re, beginning(expr)
		if p.Begin == "" {
			b.regexps++
		}
	case strings.HasSuffix(text, "*"):
		p.Begin, p.Text = strings.TrimSuffix(text, "*"), ""
	}
	return p
}
