package cluster_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// placed is nodes 10.0.0.1 and on, each with the parameters given.
func placed(t *testing.T, params ...map[string]string) []registry.Node {
	t.Helper()
	var all []registry.Node
	for i, p := range params {
		n := node(t, patient(i))
		n.Params = p
		all = append(all, n)
	}
	return all
}

func rack(name string) map[string]string { return map[string]string{"rack": name, "room": "r"} }

func room(name string) map[string]string { return map[string]string{"rack": "elsewhere", "room": name} }

// Calls go to the host, the rack, the room; where too few nodes of one can be used, in proportion to the next.
func TestNearestFirst(t *testing.T) {
	here := map[string]string{"host": "10.0.0.1", "rack": "a", "room": "r"}
	rooms := []map[string]string{rack("a"), rack("a"), rack("a"), rack("a"), rack("a"), rack("a"), rack("a"), rack("a"), rack("a"), rack("a"), room("r"), room("r"), room("x")}
	tests := []struct {
		name  string
		near  []string
		list  []map[string]string
		down  int // of the first nodes
		spill int
		want  map[int]float64 // share of the calls by level: host 0, rack 1, room 2, elsewhere 3
	}{
		{"host", []string{"host", "rack", "room"}, rooms, 0, 140, map[int]float64{0: 1}},
		{"rack", []string{"rack", "room"}, rooms, 0, 140, map[int]float64{1: 1}},
		{"rack, two of ten down", []string{"rack", "room"}, rooms, 2, 140, map[int]float64{1: 1}},
		{"rack, five of ten down", []string{"rack", "room"}, rooms, 5, 140, map[int]float64{1: 0.7, 2: 0.3}},
		{"rack, five of ten down, without reserve", []string{"rack", "room"}, rooms, 5, 100, map[int]float64{1: 0.5, 2: 0.5}},
		{"rack down", []string{"rack", "room"}, rooms, 10, 140, map[int]float64{2: 1}},
		{"all but elsewhere down", []string{"rack", "room"}, rooms, 12, 140, map[int]float64{3: 1}},
		{"nobody near", []string{"rack"}, []map[string]string{rack("b"), nil, rack("c")}, 0, 140, map[int]float64{3: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newActing(map[string]act{})
			list := placed(t, tt.list...)
			k := newCluster(t, cluster.Settings{
				Attempts: []motan.Filter{f}, Health: cluster.Health{Failures: 1, Pause: time.Hour},
				Placement: &cluster.Placement{Near: tt.near, Here: here, Spill: tt.spill},
			})
			k.Update(slices.Clone(list))
			k.Settings().Pool.Each(func(c *motan.Client) {
				for i := range tt.down {
					if c.Addr() == patient(i) {
						c.Close() // it cannot be used any more
					}
				}
			})
			f.wait(time.Second)
			f.run(k, 4000)
			got := map[int]float64{}
			for i, n := range list {
				level := 3
				switch {
				case i == 0 && tt.near[0] == "host":
					level = 0
				case n.Params["rack"] == "a":
					level = 1
				case n.Params["room"] == "r" && tt.list[0]["rack"] == "a":
					level = 2
				}
				got[level] += float64(f.count[n.Addr()]) / 4000
			}
			for level := range 4 {
				if math.Abs(got[level]-tt.want[level]) > 0.04 {
					t.Errorf("shares: got %v, want %v", got, tt.want)
					break
				}
			}
		})
	}
}

// A level whose nodes are full leaves calls to the next.
func TestFullLevelSpills(t *testing.T) {
	f := &holding{}
	k := newCluster(t, cluster.Settings{
		Attempts:  []motan.Filter{f},
		Placement: &cluster.Placement{Near: []string{"rack"}, Here: map[string]string{"rack": "a"}, Spill: 140, Full: 5},
	})
	k.Update(placed(t, rack("a"), rack("b"), rack("b")))
	for range 12 {
		k.Handle(withEnd(newCall("")))
	}
	waiting := map[string]int{}
	for _, e := range k.Endpoints() {
		waiting[e.Addr()] = e.State(motan.Now()).InFlight
	}
	if waiting[patient(0)] != 5 || waiting[patient(1)]+waiting[patient(2)] != 7 {
		t.Errorf("got %v, want 5 at the near one and the rest at the others", waiting)
	}
	f.release()
}

// Groups with weights keep their shares, and each sends its calls to the near ones first.
func TestNearWithinGroups(t *testing.T) {
	f := newActing(map[string]act{})
	k := newCluster(t, cluster.Settings{
		Attempts: []motan.Filter{f}, Placement: &cluster.Placement{Near: []string{"rack"}, Here: map[string]string{"rack": "a"}, Spill: 140},
	})
	list := placed(t, rack("a"), rack("b"), rack("b"), rack("a"))
	list[2].Group, list[3].Group = "h", "h"
	k.Update(slices.Clone(list))
	k.Share(map[string]int{"g": 3, "h": 1})
	f.run(k, 400)
	if got, want := f.count, (map[string]int{patient(0): 300, patient(3): 100}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSubsetByParameters(t *testing.T) {
	list := placed(t, map[string]string{"color": "blue"}, map[string]string{"color": "green", "v": "2"}, nil, map[string]string{"color": "blue", "v": "2"})
	tests := []struct {
		subset map[string]string
		strict bool
		want   []int
	}{
		{nil, false, []int{0, 1, 2, 3}},
		{map[string]string{"color": "blue"}, false, []int{0, 3}},
		{map[string]string{"color": "blue", "v": "2"}, false, []int{3}},
		{map[string]string{"color": "red"}, false, []int{0, 1, 2, 3}},
		{map[string]string{"color": "red"}, true, nil},
	}
	for _, tt := range tests {
		k := newCluster(t, cluster.Settings{Placement: &cluster.Placement{Subset: tt.subset, Strict: tt.strict}})
		k.Update(slices.Clone(list))
		var want []string
		for _, i := range tt.want {
			want = append(want, patient(i))
		}
		if got := addrs(k); !slices.Equal(got, want) {
			t.Errorf("%v, strict %t: got %v, want %v", tt.subset, tt.strict, got, want)
		}
	}
}

// Each of many hosts uses 10 of 100 nodes, always the same; together they use all of them about equally, and a node that
// goes changes one place at those that used it.
func TestSubsetSize(t *testing.T) {
	list := make([]registry.Node, 100)
	for i := range list {
		list[i] = node(t, fmt.Sprintf("10.1.0.%d:1", i+1))
	}
	use := func(host int, nodes []registry.Node) []string {
		k := newCluster(t, cluster.Settings{Placement: &cluster.Placement{Size: 10, Here: map[string]string{"host": fmt.Sprintf("10.2.0.%d", host)}}})
		k.Update(slices.Clone(nodes))
		return addrs(k)
	}
	count := map[string]int{}
	for host := range 300 {
		got := use(host, list)
		if len(got) != 10 || !slices.Equal(got, use(host, list)) {
			t.Fatalf("host %d: got %v, and something else before", host, got)
		}
		for _, addr := range got {
			count[addr]++
		}
		rest := use(host, list[1:])
		kept := 0
		for _, addr := range rest {
			if slices.Contains(got, addr) {
				kept++
			}
		}
		if kept < 9 {
			t.Errorf("host %d: %d of ten nodes stay when another goes, want 9", host, kept)
		}
	}
	for _, n := range list { // 30 on average, eight standard deviations
		if got := count[n.Addr()]; got < 5 || got > 72 {
			t.Errorf("%s is used by %d of 300 hosts, want about 30", n.Addr(), got)
		}
	}
}

// When more than half of the nodes cannot be used, those that are left out get calls as well, until the others are back.
func TestPanic(t *testing.T) {
	for _, threshold := range []int{0, 60} {
		k, f := hospital(t, 4)
		s := *k.Settings()
		s.Health.Panic = threshold
		s.Health.Pause = time.Hour
		k = newCluster(t, s, patient(0), patient(1), patient(2), patient(3))
		f.acts[patient(0)], f.acts[patient(1)] = broken, broken
		f.run(k, 4000)
		if out := outs(k, f.now); len(out) != 2 {
			t.Fatalf("got %v left out, want two", out)
		}
		before := f.count[patient(0)]
		f.run(k, 4000)
		if got := f.count[patient(0)] - before; (got > 900) != (threshold > 0) {
			t.Errorf("panic below %d %%: got %d calls of 4000 at a node that is left out", threshold, got)
		}
	}
}
