package registry

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPackedKeepsAll(t *testing.T) {
	a, b, c := node(t, "10.0.0.1:1"), node(t, "[::1]:2"), node(t, "unix:///run/a.sock")
	b.Params, b.Available = nil, false
	c.Group, c.Path, c.Version, c.Protocol = "g", "p", "", "local"
	for _, want := range [][]Node{nil, {a}, {a, b, c}, {a, a, b, a}} {
		if got := pack(want).nodes(); !slices.EqualFunc(got, want, sameNode) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if pack(nil) == nil {
		t.Error("got nil for no nodes")
	}
}

// embedding has a Watch of its own, and none of Static's.
type embedding struct {
	Static
	asked int
}

func (e *embedding) Watch(context.Context, Service, func([]Node)) error {
	e.asked++
	return nil
}

// Who takes lists as they are kept goes through the Watch of a type that embeds a registry, and not past it.
func TestWatchPackedAsksTheOuterType(t *testing.T) {
	e := new(embedding)
	e.Set(hello, node(t, "10.0.0.1:1"))
	err := watchPacked(t.Context(), e, hello, func(packed) { t.Error("got a list of the embedded registry") })
	if err != nil || e.asked != 1 {
		t.Errorf("got %v and %d calls of Watch, want nil and 1", err, e.asked)
	}
}

// What neighbours have in common is kept once.
func TestPackedShares(t *testing.T) {
	other := node(t, "10.0.0.3:1")
	other.Params = map[string]string{"weight": "5"}
	l := pack([]Node{node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1"), other})
	if l[0].said != l[1].said || l[1].said == l[2].said {
		t.Errorf("got %p %p %p, want the first two the same", l[0].said, l[1].said, l[2].said)
	}
}

// Whatever list follows another, what is packed with its help is what is packed without, and what has not changed is
// taken over.
func TestRepack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var old packed
	for step := range 2000 {
		var nodes []Node
		for port := 1; port < 30; port++ {
			if random.IntN(5) > 0 {
				n := node(t, fmt.Sprintf("10.0.0.1:%d", port))
				n.Params = map[string]string{"weight": fmt.Sprint(random.IntN(2))}
				nodes = append(nodes, n)
			}
		}
		if step%4 == 0 {
			random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		}
		l := repack(nodes, old)
		if got := l.nodes(); !slices.EqualFunc(got, nodes, sameNode) || !l.equal(pack(nodes)) || !l.holds(nodes) {
			t.Fatalf("step %d: got %v, want %v", step, got, nodes)
		}
		again := repack(nodes, l)
		for i := range again {
			if again[i] != l[i] {
				t.Fatalf("step %d: entry %d of the same list was made anew", step, i)
			}
		}
		old = l
	}
}

func TestPackedEqual(t *testing.T) {
	change := func(f func(n *Node)) []Node {
		nodes := []Node{node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1"), node(t, "10.0.0.3:1")}
		f(&nodes[1])
		return nodes
	}
	base := pack(change(func(*Node) {}))
	tests := []struct {
		name  string
		nodes []Node
		want  bool
	}{
		{"the same", change(func(*Node) {}), true},
		{"the same params in another map", change(func(n *Node) { n.Params = maps.Clone(n.Params) }), true},
		{"host", change(func(n *Node) { n.Host = "10.0.0.9" }), false},
		{"port", change(func(n *Node) { n.Port++ }), false},
		{"group", change(func(n *Node) { n.Group = "x" }), false},
		{"version", change(func(n *Node) { n.Version = "x" }), false},
		{"protocol", change(func(n *Node) { n.Protocol = "x" }), false},
		{"available", change(func(n *Node) { n.Available = false }), false},
		{"one more parameter", change(func(n *Node) { n.Params["x"] = "" }), false},
		{"no parameters", change(func(n *Node) { n.Params = nil }), false},
		{"one less", change(func(*Node) {})[:2], false},
		{"none", nil, false},
	}
	for _, tt := range tests {
		if got := base.equal(pack(tt.nodes)); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
		if got := base.holds(tt.nodes); got != tt.want {
			t.Errorf("%s, not packed: got %t, want %t", tt.name, got, tt.want)
		}
	}
	if !packed(nil).equal(pack(nil)) {
		t.Error("two lists of no nodes differ")
	}
}

func TestPackedAccepted(t *testing.T) {
	versioned := func(versions ...string) []Node {
		nodes := make([]Node, len(versions))
		for i, v := range versions {
			nodes[i] = node(t, fmt.Sprintf("10.0.0.%d:1", i+1))
			nodes[i].Version = v
		}
		return nodes
	}
	tests := []struct {
		versions []string
		want     []string
	}{
		{nil, []string{}},
		{[]string{"1.0", "1.0"}, []string{"10.0.0.1:1", "10.0.0.2:1"}},
		{[]string{"2.0", "1.0", "2.0", "1.0"}, []string{"10.0.0.2:1", "10.0.0.4:1"}},
		{[]string{"1.0", "2.0", "2.0"}, []string{"10.0.0.1:1"}},
		{[]string{"2.0"}, []string{}},
	}
	for _, tt := range tests {
		l := pack(versioned(tt.versions...))
		got := l.accepted(Service{Version: "1.0"})
		if !slices.Equal(addrs(got.nodes()), tt.want) {
			t.Errorf("%v: got %v, want %v", tt.versions, addrs(got.nodes()), tt.want)
		}
		if len(got) == len(l) && len(l) > 0 && &got[0] != &l[0] {
			t.Errorf("%v: all were accepted, and the list was copied", tt.versions)
		}
		if again := l.nodes(); !slices.EqualFunc(again, versioned(tt.versions...), sameNode) {
			t.Errorf("%v: the list was changed to %v", tt.versions, addrs(again))
		}
	}
}

func TestNodeAddr(t *testing.T) {
	for _, tt := range []struct {
		host string
		port int
		want string
	}{
		{"10.0.0.1", 8002, "10.0.0.1:8002"},
		{"provider.example", 0, "provider.example:0"},
		{"2001:db8::1", 80, "[2001:db8::1]:80"},
		{"unix:///run/a:b.sock", 0, "unix:///run/a:b.sock"},
		{"unix:///run/a.sock", 7, "unix:///run/a.sock"},
	} {
		n := Node{Host: tt.host, Port: tt.port}
		if got := n.Addr(); got != tt.want {
			t.Errorf("%s %d: got %s, want %s", tt.host, tt.port, got, tt.want)
		}
		if got := string(n.AppendAddr([]byte("x"))); got != "x"+tt.want {
			t.Errorf("%s %d: appended, got %s", tt.host, tt.port, got)
		}
	}
}
