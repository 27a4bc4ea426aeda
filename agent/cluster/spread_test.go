package cluster_test

import (
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// Every node gets its share; the share of one that is down goes to all others and not to its
// neighbour.
func TestSpread(t *testing.T) {
	const calls = 3000
	tests := []struct {
		name    string
		balance cluster.Balance
		slack   int // eight standard deviations for chance
	}{
		{"random", cluster.Random{}, 210},
		{"roundrobin", cluster.RoundRobin{}, 1},
		{"wrr", cluster.WeightedRoundRobin{}, 1},
		{"leastActive", cluster.LeastActive{}, 210},
		{"p2c", cluster.P2C{}, 600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			filter := &answering{count: make(map[string]int)}
			down := downAddr(t)
			up := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
			k := newCluster(t, cluster.Settings{Balance: tt.balance, Attempts: []motan.Filter{filter}}, up[0], down, up[1], up[2])
			knowDown(t, k, down)
			for range calls {
				if c := do(t, k, newCall("")); outcome(c) != "ok" {
					t.Fatalf("got %v, want ok", c.Err)
				}
			}
			for _, addr := range up {
				if n := filter.count[addr]; n < calls/3-tt.slack || n > calls/3+tt.slack {
					t.Errorf("%s: got %d calls of %d, want %d±%d", addr, n, calls, calls/3, tt.slack)
				}
			}
			if n := filter.count[down]; n != 0 {
				t.Errorf("%d calls to the node that is down, want 0", n)
			}
		})
	}
}

// knowDown makes the cluster find out that nobody listens on addr.
func knowDown(t *testing.T, k *cluster.Cluster, addr string) {
	t.Helper()
	for _, e := range k.Endpoints() {
		if e.Addr() != addr {
			continue
		}
		c := newCall("")
		c.Deadline = motan.Now() + int64(motantest.Patience)
		if got := outcome(do(t, e, c)); got != "not_sent" {
			t.Fatalf("call to %s: got %s, want not_sent", addr, got)
		}
		motantest.Await(t, addr+" to be known as down", func() bool { return !e.Usable() })
		return
	}
	t.Fatalf("no endpoint %s", addr)
}

func TestOneNodeGetsAll(t *testing.T) {
	for _, name := range cluster.Balances() {
		balance, _ := cluster.NewBalance(name, cluster.HashSettings{})
		filter := &answering{count: make(map[string]int)}
		k := newCluster(t, cluster.Settings{Balance: balance, Attempts: []motan.Filter{filter}}, "127.0.0.1:1")
		for range 20 {
			do(t, k, newCall(""))
		}
		if got := filter.count["127.0.0.1:1"]; got != 20 {
			t.Errorf("%s: got %d calls, want 20", name, got)
		}
	}
}
