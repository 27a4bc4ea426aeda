package conf

import (
	"math"
	"strings"

	"gopkg.in/yaml.v3"
)

// reader turns the YAML library's nodes into ours: aliases and merge keys are resolved, limits and keys checked.
type reader struct {
	f     *findings
	file  string
	sizes map[*yaml.Node]size
	open  map[*yaml.Node]bool
	made  map[*yaml.Node]*node
}

// size is that of a tree with aliases counted as what they stand for.
type size struct{ nodes, height int }

func newReader(f *findings, file string) *reader {
	return &reader{f: f, file: file, sizes: map[*yaml.Node]size{}, open: map[*yaml.Node]bool{}, made: map[*yaml.Node]*node{}}
}

func (r *reader) at(n *yaml.Node) Position {
	return Position{File: r.file, Line: n.Line, Column: n.Column}
}

// bounded counts before anything is expanded. It reports and gives false where the tree is too deep, too large, or an
// alias stands inside what it names. An alias comes after what it names, so the recursion is as deep as the text.
func (r *reader) bounded(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		if r.open[n.Alias] {
			r.f.errorf(r.at(n), "", "alias *%s stands inside what it names; write the values out", n.Value)
			return false
		}
		r.sizes[n] = r.sizes[n.Alias]
		return true
	}
	r.open[n] = true
	whole := size{nodes: 1}
	for _, c := range n.Content {
		if !r.bounded(c) {
			return false
		}
		whole.nodes = min(whole.nodes+r.sizes[c].nodes, math.MaxInt32)
		whole.height = max(whole.height, r.sizes[c].height)
	}
	whole.height++
	delete(r.open, n)
	r.sizes[n] = whole
	switch {
	case whole.height > maxNesting:
		r.f.errorf(r.at(n), "", "nested deeper than %d levels; a configuration needs five", maxNesting)
	case whole.nodes > maxNodes:
		r.f.errorf(r.at(n), "", "more than %d values once aliases are expanded; write fewer", maxNodes)
	default:
		return true
	}
	return false
}

func (r *reader) node(n *yaml.Node) *node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if made, ok := r.made[n]; ok {
		return made
	}
	out := &node{at: r.at(n)}
	switch n.Kind {
	case yaml.MappingNode:
		out = r.mapping(n)
	case yaml.SequenceNode:
		out.kind = listNode
		for _, c := range n.Content {
			out.items = append(out.items, r.node(c))
		}
	default:
		out.tag, out.text = n.ShortTag(), n.Value
		out.quoted = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	}
	if n.Anchor != "" {
		r.made[n] = out
	}
	return out
}

// mapping reads a map. Keys of merge keys (<<) come after the map's own and give way to them.
func (r *reader) mapping(n *yaml.Node) *node {
	var pairs []pair
	var merges []*yaml.Node
	seen := map[string]Position{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			r.f.errorf(r.at(n.Content[i]), "", "a key must be a word, not a list or mapping; quote ${...} and {...}")
			continue
		case k.ShortTag() == "!!merge":
			merges = append(merges, v)
			continue
		case k.Value == "" || k.ShortTag() == "!!null":
			r.f.errorf(r.at(n.Content[i]), "", "an empty key; write a name before the colon")
			continue
		}
		at := r.at(n.Content[i])
		if first, ok := seen[k.Value]; ok {
			r.f.errorf(at, k.Value, "key %s is already written in line %d; keep one of them", quote(k.Value), first.Line)
			continue
		}
		seen[k.Value] = at
		pairs = append(pairs, pair{key: strings.ToValidUTF8(k.Value, "?"), at: at, value: r.node(v)})
	}
	for _, m := range merges {
		pairs = r.merge(pairs, seen, m)
	}
	return newMap(r.at(n), pairs)
}

// merge appends the pairs of a merge key's value, a map or a list of maps, whose keys are not there yet.
func (r *reader) merge(pairs []pair, seen map[string]Position, value *yaml.Node) []pair {
	from := r.node(value)
	sources := []*node{from}
	if from.kind == listNode {
		sources = from.items
	}
	for _, s := range sources {
		if s.kind != mapNode {
			r.f.errorf(s.at, "<<", "<< takes a mapping or a list of mappings, such as *name; got %s", s.describe())
			continue
		}
		for _, p := range s.pairs {
			if _, ok := seen[p.key]; !ok {
				seen[p.key] = p.at
				pairs = append(pairs, p)
			}
		}
	}
	return pairs
}
