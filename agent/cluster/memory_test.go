package cluster_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/registry"
)

// hostNodes returns n nodes of one service on hosts that serve many, those from the first on.
func hostNodes(path string, first, n int) []registry.Node {
	all := make([]registry.Node, n)
	for i := range all {
		h := (first + i) % 1000
		all[i] = registry.Node{
			Service: registry.Service{Group: "g", Path: path, Protocol: "motan2"},
			Host:    fmt.Sprintf("10.0.%d.%d", h/250, h%250), Port: 8002, Available: true,
		}
	}
	return all
}

// A list that says nothing new changes nothing and costs no memory; one that does is noticed, whatever it says.
func TestUpdateComparesLists(t *testing.T) {
	k := newCluster(t, cluster.Settings{})
	list := hostNodes("svc", 0, 100)
	k.Update(list)
	before := k.Endpoints()
	again := hostNodes("svc", 0, 100)
	if got := testing.AllocsPerRun(100, func() { k.Update(again) }); got != 0 && !raced {
		t.Errorf("the same list: got %v allocations, want 0", got)
	}
	if after := k.Endpoints(); after[0] != before[0] || after[99] != before[99] {
		t.Error("the same list has made new endpoints")
	}
	changes := map[string]func(n *registry.Node){
		"host":   func(n *registry.Node) { n.Host = "10.9.9.9" },
		"port":   func(n *registry.Node) { n.Port = 1 },
		"group":  func(n *registry.Node) { n.Group = "other" },
		"params": func(n *registry.Node) { n.Params = map[string]string{"weight": "5"} },
	}
	for name, change := range changes {
		changed := hostNodes("svc", 0, 100)
		change(&changed[50])
		k.Update(changed)
		e := k.Endpoints()[50]
		if e.Addr() != changed[50].Addr() || e.Node.Group != changed[50].Group || e.Node.Params["weight"] != changed[50].Params["weight"] {
			t.Errorf("%s: got %s %+v, want %+v", name, e.Addr(), e.Node, changed[50])
		}
		if other := k.Endpoints()[51]; other.Node.Group != "g" || other.Node.Params != nil {
			t.Errorf("%s: the neighbour became %+v", name, other.Node)
		}
	}
}

// Thousands of nodes that go at once are waited for by one goroutine.
func TestPoolRetiresManyAtOnce(t *testing.T) {
	k := newCluster(t, cluster.Settings{})
	k.Update(hostNodes("svc", 0, 1000))
	before := runtime.NumGoroutine()
	k.Update(nil)
	if got := runtime.NumGoroutine() - before; got > 3 { // some may be others' of the test binary
		t.Errorf("got %d goroutines for 1000 nodes that have gone", got)
	}
}

// The cost of a list of 100 nodes that says nothing new, and of one in which one node changes.
func BenchmarkUpdate(b *testing.B) {
	lists := [][]registry.Node{hostNodes("svc", 0, 100), hostNodes("svc", 0, 100)}
	lists[1][50].Host = "10.9.9.9"
	for name, n := range map[string]int{"same": 1, "one changed": 2} {
		b.Run(name, func(b *testing.B) {
			k := newCluster(b, cluster.Settings{})
			other := newCluster(b, cluster.Settings{Pool: k.Settings().Pool}) // keeps the clients
			other.Update(append(lists[1], lists[0]...))
			k.Update(lists[0])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k.Update(lists[i%n])
			}
		})
	}
}
