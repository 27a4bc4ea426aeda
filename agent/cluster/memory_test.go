package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan/motantest"
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

// What an agent knows of its services takes tens of bytes a node, from the registry to the endpoints, and no
// goroutine: 10,000 services of 100 nodes have to fit into 60 MiB.
func TestDiscoveryMemory(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory of its own")
	}
	const services, each = 500, 100
	const budget = 64 // bytes a node, with what the service takes shared among its nodes
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the second one frees what the first has only unlinked
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	paths := make([]string, services) // which the configuration holds
	for i := range paths {
		paths[i] = fmt.Sprintf("com.example.Service%d", i)
	}
	var pool cluster.Pool
	t.Cleanup(pool.Close)
	before, goroutines := heap(), runtime.NumGoroutine()
	source := new(registry.Static)
	var clusters []*cluster.Cluster
	for i, path := range paths {
		s := registry.Service{Group: "g", Path: path, Protocol: "motan2"}
		source.Set(s, hostNodes(path, i*each, each)...)
		k := cluster.New(cluster.Settings{Service: path, Group: "g", Connections: 3, Pool: &pool})
		t.Cleanup(k.Close)
		clusters = append(clusters, k)
		if err := source.Watch(t.Context(), s, k.Update); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range clusters {
		motantest.Await(t, "all nodes", func() bool { return len(k.Endpoints()) == each })
	}
	motantest.Await(t, "rest", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	if got := (heap() - before) / (services * each); got > budget {
		t.Errorf("got %d bytes a node, want at most %d", got, budget)
	}
	runtime.KeepAlive(clusters)
	runtime.KeepAlive(source)
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
		if e.Addr() != changed[50].Addr() || e.Node().Group != changed[50].Group || e.Node().Params["weight"] != changed[50].Params["weight"] {
			t.Errorf("%s: got %s %+v, want %+v", name, e.Addr(), e.Node(), changed[50])
		}
		if other := k.Endpoints()[51]; other.Node().Group != "g" || other.Node().Params != nil {
			t.Errorf("%s: the neighbour became %+v", name, other.Node())
		}
	}
}

// Whatever list follows another, in order or not, with nodes named twice or not: the endpoints are those of the list, and
// no client is kept or given up that should not be.
func TestUpdateRandomLists(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	k := newCluster(t, cluster.Settings{Pool: pool})
	for step := range 3000 {
		var list []registry.Node
		var want []string
		said := make(map[string]string) // by address: the first counts
		weights := []string{"1", "2"}[:1+random.IntN(2)]
		add := func(port int) {
			n := registry.Node{Service: registry.Service{Group: "g"}, Host: "10.0.0.1", Port: port, Available: true}
			if port%3 == 0 {
				n.Host, n.Port = fmt.Sprintf("unix:///run/%d", port/6), port // two ports are one socket
			}
			n.Params = map[string]string{"weight": weights[random.IntN(len(weights))]}
			list = append(list, n)
			if _, twice := said[n.Addr()]; !twice {
				said[n.Addr()] = n.Params["weight"]
				want = append(want, n.Addr())
			}
		}
		for port := range 25 {
			if random.IntN(4) > 0 {
				add(port)
			}
		}
		if step%3 == 0 {
			for range random.IntN(5) {
				add(random.IntN(25))
			}
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			want = want[:0]
			clear(said)
			shuffled := list
			list = nil
			for _, n := range shuffled {
				if _, twice := said[n.Addr()]; !twice {
					said[n.Addr()] = n.Params["weight"]
					want = append(want, n.Addr())
				}
				list = append(list, n)
			}
		}
		k.Update(list)
		if got := addrs(k); !slices.Equal(got, want) {
			t.Fatalf("step %d: got %v, want %v", step, got, want)
		}
		for _, e := range k.Endpoints() {
			if got := e.Node().Params["weight"]; got != said[e.Addr()] {
				t.Fatalf("step %d: %s has weight %s, want %s", step, e.Addr(), got, said[e.Addr()])
			}
		}
		if got := clients(pool); got != len(want) {
			t.Fatalf("step %d: got %d clients for %d nodes", step, got, len(want))
		}
	}
	k.Close()
	if got := clients(pool); got != 0 {
		t.Errorf("after Close: got %d clients, want 0", got)
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
