package cluster_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/meta"
	"github.com/motand/motand/motan/motantest"
)

// teller is a provider that tells its weight, and says how often it was asked.
func teller(t *testing.T, weight *atomic.Int64, values func() map[string]string) (s *motantest.Server, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s = motantest.NewServer(t, func(f *motan.Frame) *motan.Frame {
		if !meta.Asked(f) {
			return motantest.Echo(f)
		}
		asked.Add(1)
		if values == nil {
			values = func() map[string]string {
				return map[string]string{"META_WEIGHT": strconv.FormatInt(weight.Load(), 10)}
			}
		}
		if values() == nil {
			return motantest.Exception(motan.CodeUnsupported, motan.TypeService, meta.NotSupported)(f)
		}
		reply := new(motan.Frame)
		if err := meta.Answer(reply, f, values()); err != nil {
			t.Error(err)
		}
		return reply
	})
	return s, asked
}

func often() cluster.Weights {
	return cluster.Weights{Every: 20 * time.Millisecond, Cache: time.Millisecond, Prefix: "META_"}
}

// shares is how many of n calls each node gets.
func shares(t *testing.T, k *cluster.Cluster, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		got[do(t, k, newCall("")).Endpoint]++
	}
	return got
}

// The weights that nodes tell count, from soon after a list has come, and when they change.
func TestDynamicWeights(t *testing.T) {
	var heavy, light atomic.Int64
	heavy.Store(30)
	light.Store(10)
	a, _ := teller(t, &heavy, nil)
	b, _ := teller(t, &light, nil)
	k := newCluster(t, cluster.Settings{Balance: cluster.WeightedRoundRobin{}, Weights: often()}, a.Addr(), b.Addr())
	within := func(n, want int) bool { return n >= want-1 && n <= want+1 }
	motantest.Await(t, "three quarters of the calls at the heavy node", func() bool { return within(shares(t, k, 40)[a.Addr()], 30) })
	heavy.Store(10)
	light.Store(190)
	motantest.Await(t, "a twentieth of the calls there", func() bool { return within(shares(t, k, 40)[a.Addr()], 2) })
}

// Who does not know the question is not asked again, and has the weight of the registry; so has who tells of none.
func TestWeightsOfTheRegistry(t *testing.T) {
	old, asked := teller(t, nil, func() map[string]string { return nil })
	other, _ := teller(t, nil, func() map[string]string { return map[string]string{"META_idc": "north", "META_WEIGHT": "heavy"} })
	k := newCluster(t, cluster.Settings{Balance: cluster.WeightedRoundRobin{}, Weights: often()})
	list := nodes(t, old.Addr(), other.Addr())
	list[0].Params = map[string]string{"META_WEIGHT": "30"}
	k.Update(list)
	motantest.Await(t, "the nodes to be asked", func() bool { return asked.Load() == 1 && len(other.Frames()) > 5 })
	if got := shares(t, k, 40)[old.Addr()]; got < 29 || got > 31 {
		t.Errorf("got %d of 40 calls at the node of weight 30, want 30", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("who does not know the question was asked %d times", n)
	}
}

// An answer serves every cluster with a node at the address, and other balances do not ask.
func TestWeightsAreShared(t *testing.T) {
	var weight atomic.Int64
	weight.Store(20)
	s, asked := teller(t, &weight, nil)
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	rare := cluster.Weights{Every: 10 * time.Millisecond, Cache: time.Hour}
	for range 3 {
		k := newCluster(t, cluster.Settings{Balance: cluster.WeightedRoundRobin{}, Weights: rare, Pool: pool}, s.Addr(), downAddr(t))
		motantest.Await(t, "the weight to count", func() bool { return shares(t, k, 1)[s.Addr()] == 1 && asked.Load() == 1 })
	}
	random := newCluster(t, cluster.Settings{Weights: often(), Pool: pool}, s.Addr())
	shares(t, random, 10)
	if n := asked.Load(); n != 1 {
		t.Errorf("got asked %d times, want once", n)
	}
}

// A node that comes gets a tenth of its calls at first and all of them in the end, with any balance; those that were there
// first do not begin slowly.
func TestSlowStart(t *testing.T) {
	for _, name := range []string{"random", "roundrobin", "wrr", "p2c", "leastActive"} {
		t.Run(name, func(t *testing.T) {
			balance, _ := cluster.NewBalance(name, cluster.HashSettings{})
			f := newActing(map[string]act{})
			k := newCluster(t, cluster.Settings{Balance: balance, SlowStart: 10 * time.Second, Attempts: []motan.Filter{f}}, patient(0), patient(1), patient(2))
			f.now = motan.Now() // when the list comes
			f.run(k, 300)
			if n := f.count[patient(2)]; n < 40 {
				t.Errorf("got %d calls of 300 at a node of the first list, want its share", n)
			}
			k.Update(nodes(t, patient(0), patient(1), patient(2), patient(3)))
			f.now = motan.Now()
			f.run(k, 1000) // the first second: 10 %, of a quarter
			if n := f.count[patient(3)]; n > 80 {
				t.Errorf("in the first second: got %d calls of 1000 at the new node, want about 25", n)
			}
			before := f.count[patient(3)]
			f.wait(7 * time.Second)
			f.run(k, 1000) // about 80 %
			if n := f.count[patient(3)] - before; n < 100 || n > 300 {
				t.Errorf("after eight seconds: got %d calls of 1000, want about 200", n)
			}
		})
	}
}
