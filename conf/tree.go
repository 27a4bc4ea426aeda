package conf

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// kind says what a node is.
type kind int

const (
	scalarNode kind = iota
	mapNode
	listNode
)

// node is one value of the merged configuration. Unlike a yaml.Node it knows its file and has no aliases. A node is
// never changed once it is made, because aliases share it.
type node struct {
	kind   kind
	at     Position
	tag    string // of scalars, such as !!int
	text   string // of scalars, as written
	quoted bool   // of scalars
	pairs  []pair // of maps, in the order of the files
	items  []*node

	index map[string]int // key to place in pairs
}

// pair is a key of a map with its value.
type pair struct {
	key   string
	at    Position // of the key
	value *node
}

// newMap makes a map of pairs whose keys differ.
func newMap(at Position, pairs []pair) *node {
	n := &node{kind: mapNode, at: at, pairs: pairs, index: make(map[string]int, len(pairs))}
	for i, p := range pairs {
		n.index[p.key] = i
	}
	return n
}

// get finds the pair of a key. A nil node and one that is no map have none.
func (n *node) get(key string) (pair, bool) {
	if n == nil || n.kind != mapNode {
		return pair{}, false
	}
	i, ok := n.index[key]
	if !ok {
		return pair{}, false
	}
	return n.pairs[i], true
}

func (n *node) null() bool {
	return n == nil || n.kind == scalarNode && n.tag == "!!null"
}

// describe names the kind of value for messages that say what was found.
func (n *node) describe() string {
	switch {
	case n.null():
		return "nothing"
	case n.kind == mapNode:
		return "a mapping"
	case n.kind == listNode:
		return "a list"
	}
	return quote(n.text)
}

// yaml gives the node in the form in which the YAML library writes it.
func (n *node) yaml() *yaml.Node {
	switch n.kind {
	case mapNode:
		out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, p := range n.pairs {
			out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.key}, p.value.yaml())
		}
		return out
	case listNode:
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range n.items {
			out.Content = append(out.Content, item.yaml())
		}
		return out
	}
	out := &yaml.Node{Kind: yaml.ScalarNode, Tag: n.tag, Value: n.text}
	if n.quoted && !strings.Contains(n.text, "\n") {
		out.Style = yaml.DoubleQuotedStyle
	}
	return out
}

// mergeNodes lays over on top of base as motan-go does: maps key by key, lists one after the other, everything else
// replaced; nothing replaces with nothing.
func mergeNodes(base, over *node) *node {
	switch {
	case over.null():
		return base
	case base.null():
		return over
	case base.kind == listNode && over.kind == listNode:
		merged := *base
		merged.items = append(slices.Clip(base.items), over.items...)
		return &merged
	case base.kind != mapNode || over.kind != mapNode:
		return over
	}
	pairs := append([]pair(nil), base.pairs...)
	for _, p := range over.pairs {
		i, ok := base.index[p.key]
		if !ok {
			pairs = append(pairs, p)
			continue
		}
		merged := mergeNodes(pairs[i].value, p.value)
		if merged == p.value {
			pairs[i].at = p.at
		}
		pairs[i].value = merged
	}
	return newMap(base.at, pairs)
}
