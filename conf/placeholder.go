package conf

import (
	"regexp"
	"strings"
)

// idcPlaceholder is left in groups for the agent, which tries the values of -idc against the registry.
const idcPlaceholder = "idc"

var placeholder = regexp.MustCompile(`^\$\{([^}]+)\}$`)

// fillPlaceholders replaces the values of maps that are a ${name} as a whole with what dynamic-param says for the pool.
// Lists are left alone, as motan-go leaves them.
func fillPlaceholders(f *findings, root *node, pool string) *node {
	filled := &filler{f: f, values: map[string]*node{}}
	if p, ok := root.get(sectionDynamic); ok && !p.value.null() {
		if p.value.kind != mapNode {
			f.errorf(p.value.at, sectionDynamic, "%s must be a mapping of names to values; got %s", sectionDynamic, p.value.describe())
			return root
		}
		for _, d := range p.value.pairs {
			filled.values[d.key] = dynamicValue(f, d, pool)
		}
	}
	pairs := make([]pair, 0, len(root.pairs))
	for _, p := range root.pairs {
		if p.key != sectionDynamic {
			p.value = filled.node(p.value, p.key)
		}
		pairs = append(pairs, p)
	}
	return newMap(root.at, pairs)
}

// dynamicValue chooses from a map by pool: the pool itself, else the first "regexp:" key that matches it, else
// "default". It gives nil where there is no choice.
func dynamicValue(f *findings, d pair, pool string) *node {
	if d.value.kind != mapNode {
		return d.value
	}
	if p, ok := d.value.get(pool); ok && !p.value.null() {
		return p.value
	}
	var match *node
	for _, p := range d.value.pairs {
		text, ok := strings.CutPrefix(p.key, "regexp:")
		if !ok {
			continue
		}
		re, err := regexp.Compile(text)
		if err != nil {
			f.errorf(p.at, sectionDynamic+"."+d.key, "%s is no regular expression: %v", quote(text), err)
			continue
		}
		if match == nil && !p.value.null() && re.MatchString(pool) {
			match = p.value
		}
	}
	if match != nil {
		return match
	}
	p, _ := d.value.get("default")
	return p.value
}

type filler struct {
	f      *findings
	values map[string]*node
}

func (l *filler) node(n *node, path string) *node {
	switch n.kind {
	case mapNode:
		var pairs []pair
		for i, p := range n.pairs {
			value := l.value(p.value, path+"."+p.key)
			if value == p.value {
				continue
			}
			if pairs == nil {
				pairs = append([]pair(nil), n.pairs...)
			}
			pairs[i].value = value
		}
		if pairs != nil {
			return newMap(n.at, pairs)
		}
	case listNode:
		for _, item := range n.items {
			if item.kind == scalarNode && placeholder.MatchString(item.text) {
				l.f.warnf(item.at, path, "%s is not filled in: placeholders in lists are left as they are", quote(item.text))
			}
		}
	}
	return n
}

func (l *filler) value(n *node, path string) *node {
	if n.kind != scalarNode {
		return l.node(n, path)
	}
	found := placeholder.FindStringSubmatch(n.text)
	if found == nil {
		return n
	}
	name := found[1]
	if v := l.values[name]; !v.null() {
		if placeholder.MatchString(v.text) && v.kind == scalarNode {
			l.f.errorf(v.at, sectionDynamic+"."+name, "the value of %s is a placeholder again; write the value", quote(name))
			return v
		}
		return v
	}
	if name == idcPlaceholder && strings.HasSuffix(path, ".group") {
		return n
	}
	if _, written := l.values[name]; written {
		l.f.errorf(n.at, path, "placeholder %s has no value for this pool; add \"default:\" to it in %s", quote(n.text), sectionDynamic)
		return n
	}
	l.f.errorf(n.at, path, "placeholder %s has no value; add %s to %s%s", quote(n.text), quote(name), sectionDynamic, hint(l.f, name, l.values))
	return n
}
