package cluster_test

import (
	"slices"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// grouped returns two nodes in each group.
func grouped(t *testing.T, groups ...string) []registry.Node {
	t.Helper()
	var list []registry.Node
	for i := range 2 {
		for j, g := range groups {
			n := node(t, patient(10*j+i))
			n.Group = g
			list = append(list, n)
		}
	}
	return list
}

func TestShare(t *testing.T) {
	tests := []struct {
		name   string
		groups []string
		shares map[string]int
		want   map[string]int // of 600 calls
	}{
		{"one pool", []string{"a", "b", "c"}, nil, map[string]int{"a": 200, "b": 200, "c": 200}},
		{"shares", []string{"c", "a", "b"}, map[string]int{"a": 3, "b": 2, "c": 1}, map[string]int{"a": 300, "b": 200, "c": 100}},
		{"equal shares", []string{"b", "a"}, map[string]int{"a": 7, "b": 7}, map[string]int{"a": 300, "b": 300}},
		{"a group without nodes", []string{"a", "b"}, map[string]int{"a": 1, "b": 2, "gone": 9}, map[string]int{"a": 200, "b": 400}},
		{"a group without share", []string{"a", "b"}, map[string]int{"a": 1}, map[string]int{"a": 600}},
		{"only groups without nodes", []string{"a", "b"}, map[string]int{"gone": 1}, map[string]int{"a": 300, "b": 300}},
	}
	for _, tt := range tests {
		for _, late := range []bool{false, true} { // shares known before the nodes, and after
			f := &answering{count: map[string]int{}}
			k := newCluster(t, cluster.Settings{Balance: cluster.RoundRobin{}, Attempts: []motan.Filter{f}})
			list := grouped(t, tt.groups...)
			if !late {
				k.Share(tt.shares)
			}
			k.Update(slices.Clone(list))
			k.Share(tt.shares)
			k.Update(slices.Clone(list))
			for range 600 {
				do(t, k, newCall(""))
			}
			got := map[string]int{}
			for _, n := range list {
				got[n.Group] += f.count[n.Addr()]
			}
			for g, want := range tt.want {
				if got[g] < want-2 || got[g] > want+2 {
					t.Errorf("%s, late %t: got %v, want %v", tt.name, late, got, tt.want)
					break
				}
			}
		}
	}
}

// Shares that are taken back leave one pool, and connections stay.
func TestShareAndBack(t *testing.T) {
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	k := newCluster(t, cluster.Settings{Pool: pool})
	k.Update(grouped(t, "b", "a"))
	k.Share(map[string]int{"a": 1, "b": 5})
	k.Share(nil)
	if got := clients(pool); got != 4 || len(k.Endpoints()) != 4 {
		t.Errorf("got %d clients and %d endpoints, want 4 of each", got, len(k.Endpoints()))
	}
	k.Update(nil)
	if got := clients(pool); got != 0 {
		t.Errorf("got %d clients without nodes, want none", got)
	}
	k.Close()
	k.Share(map[string]int{"a": 1})
	if len(k.Endpoints()) != 0 {
		t.Error("a closed cluster has endpoints")
	}
}

// Where the group whose turn it is cannot take a call, another does.
func TestShareFallsBack(t *testing.T) {
	f := newActing(map[string]act{})
	k := newCluster(t, cluster.Settings{Balance: cluster.RoundRobin{}, Attempts: []motan.Filter{f}, Health: cluster.Health{Failures: 3, Pause: 3600e9}})
	list := grouped(t, "a", "b")
	for _, n := range list {
		if n.Group == "b" {
			f.acts[n.Addr()] = broken
		}
	}
	k.Share(map[string]int{"a": 1, "b": 9})
	k.Update(slices.Clone(list))
	f.run(k, 1000)
	toB := 0
	for _, n := range list {
		if n.Group == "b" {
			toB += f.count[n.Addr()]
		}
	}
	if toB > 20 {
		t.Errorf("got %d of 1000 calls to a group that is out, want as few as show that", toB)
	}
}

// perGroup counts attempts by the group that the provider is told.
type perGroup map[string]int

func (f perGroup) Request(c *motan.Call) motan.Verdict {
	f[string(c.Request.Group())]++
	c.Reply.SetBody(answer)
	return motan.Answered
}

func (perGroup) Reply(*motan.Call) {}

// One provider may serve two groups at one address; each gets its share, over one connection.
func TestShareOfOneAddress(t *testing.T) {
	f, pool := make(perGroup), new(cluster.Pool)
	t.Cleanup(pool.Close)
	k := newCluster(t, cluster.Settings{Balance: cluster.RoundRobin{}, Pool: pool, Attempts: []motan.Filter{f}})
	list := grouped(t, "a", "b")
	for i := range list {
		list[i].Host, list[i].Port = "10.0.0.1", 80+i/2*2
	}
	k.Share(map[string]int{"a": 7, "b": 3})
	for range 3 { // as it was, and anew
		k.Update(slices.Clone(list))
		k.Update(nil)
	}
	k.Update(slices.Clone(list))
	for range 1000 {
		do(t, k, newCall(""))
	}
	if f["a"] != 700 || f["b"] != 300 {
		t.Errorf("got %v, want a 700 and b 300", f)
	}
	k.Close()
	if n := clients(pool); n != 0 {
		t.Errorf("%d clients are left, want none", n)
	}
}
