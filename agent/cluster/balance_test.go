package cluster_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

func TestNewBalance(t *testing.T) {
	for _, name := range append(cluster.Balances(), "", "activeWeight") {
		if b, ok := cluster.NewBalance(name, cluster.HashSettings{}); !ok || b == nil {
			t.Errorf("%q: got %v, %t", name, b, ok)
		}
	}
	for _, name := range []string{"Random", "fastest"} {
		if b, ok := cluster.NewBalance(name, cluster.HashSettings{}); ok {
			t.Errorf("%q: got %v, want it not to be known", name, b)
		}
	}
}

// spread makes calls and returns how many of them each node got, in order of the nodes.
func spread(t *testing.T, s cluster.Settings, list []registry.Node, calls int, pairs func(i int) []string) []int {
	t.Helper()
	f := &answering{count: map[string]int{}}
	s.Attempts = []motan.Filter{f}
	k := newCluster(t, s)
	k.Update(slices.Clone(list))
	for i := range calls {
		var more []string
		if pairs != nil {
			more = pairs(i)
		}
		do(t, k, newCall("", more...))
	}
	got := make([]int, len(list))
	for i, n := range list {
		got[i] = f.count[n.Addr()]
	}
	return got
}

// weighted returns a node for each weight; "" is a node that names none.
func weighted(t *testing.T, weights ...string) []registry.Node {
	t.Helper()
	var all []registry.Node
	for i, w := range weights {
		n := node(t, fmt.Sprintf("10.0.0.%d:1", i+1))
		if w != "" {
			n.Params = map[string]string{"META_WEIGHT": w}
		}
		all = append(all, n)
	}
	return all
}

// Every balance serves lists of any length, whatever the nodes say of themselves.
func TestBalancesServeAllLists(t *testing.T) {
	for _, name := range cluster.Balances() {
		for n := 1; n <= 12; n++ {
			weights := make([]string, n)
			for i := range weights {
				weights[i] = []string{"", "0", "-3", "x", "99999", "7"}[i%6]
			}
			b, _ := cluster.NewBalance(name, cluster.HashSettings{})
			sum := 0
			for _, got := range spread(t, cluster.Settings{Balance: b}, weighted(t, weights...), 20, func(i int) []string {
				return []string{"consistentHashKey", strconv.Itoa(i % 3)}
			}) {
				sum += got
			}
			if sum != 20 {
				t.Errorf("%s over %d: got %d calls through, want 20", name, n, sum)
			}
		}
	}
}

func TestRoundRobinTakesTurns(t *testing.T) {
	got := spread(t, cluster.Settings{Balance: cluster.RoundRobin{}}, weighted(t, "", "", ""), 30, nil)
	if want := []int{10, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWeights(t *testing.T) {
	tests := []struct {
		weights []string
		calls   int
		want    []int
	}{
		{[]string{"", "20", "30"}, 600, []int{100, 200, 300}}, // none is 10
		{[]string{"1", "1000"}, 501, []int{1, 500}},           // 500 at most
		{[]string{"0", "-5", "3"}, 50, []int{10, 10, 30}},     // 1 at least
		{[]string{"7", "7"}, 20, []int{10, 10}},
		{[]string{"5"}, 7, []int{7}},
	}
	for _, tt := range tests {
		got := spread(t, cluster.Settings{Balance: cluster.WeightedRoundRobin{}}, weighted(t, tt.weights...), tt.calls, nil)
		for i := range got {
			if math.Abs(float64(got[i]-tt.want[i])) > 1 { // a round may begin anywhere
				t.Errorf("weights %q: got %v, want %v", tt.weights, got, tt.want)
				break
			}
		}
	}
}

// The turns of a heavy node do not follow each other while others have any.
func TestWeightsInterleave(t *testing.T) {
	var order []string
	note := &noting{&order}
	k := newCluster(t, cluster.Settings{Balance: cluster.WeightedRoundRobin{}, Attempts: []motan.Filter{note}})
	k.Update(weighted(t, "10", "10", "20"))
	for range 40 {
		do(t, k, newCall(""))
	}
	for i := 2; i < len(order); i++ {
		if order[i] == order[i-1] && order[i] == order[i-2] {
			t.Errorf("turns %d to %d: got %s three times", i-2, i, order[i])
		}
	}
}

// noting is answering that notes the order of the nodes.
type noting struct{ order *[]string }

func (f *noting) Request(c *motan.Call) motan.Verdict {
	*f.order = append(*f.order, c.Endpoint)
	return motan.Answered
}

func (f *noting) Reply(*motan.Call) {}

// Weights that would make an endless round keep their proportions about.
func TestWeightsOfThousands(t *testing.T) {
	weights := make([]string, 3000)
	for i := range weights {
		weights[i] = strconv.Itoa(1 + i%499)
	}
	weights[0] = "500"
	list := make([]registry.Node, len(weights))
	for i := range list {
		list[i] = node(t, fmt.Sprintf("10.%d.%d.%d:1", i/62500, i/250%250, i%250))
		list[i].Params = map[string]string{"META_WEIGHT": weights[i]}
	}
	got := spread(t, cluster.Settings{Balance: cluster.WeightedRoundRobin{}}, list, 12000, nil)
	light, heavy := 0, 0
	for i, n := range got {
		if i%499 < 100 {
			light += n
		} else if i%499 >= 399 {
			heavy += n
		}
	}
	if heavy < 3*light {
		t.Errorf("got %d calls for nodes of weight 400 and more, %d for those of 100 and less", heavy, light)
	}
}

// The same key goes to the same node, and to another, also always the same, while that one is down.
func TestHashIsSteady(t *testing.T) {
	list := weighted(t, "", "", "", "", "")
	where := func(list []registry.Node, key string) string {
		counts := spread(t, cluster.Settings{Balance: &cluster.ConsistentHash{}}, list, 10, func(int) []string { return []string{"consistentHashKey", key} })
		at := slices.Index(counts, 10)
		if at < 0 {
			t.Fatalf("key %s: got %v, want all calls at one node", key, counts)
		}
		return list[at].Addr()
	}
	for i := range 20 {
		key := "user-" + strconv.Itoa(i)
		before := where(list, key)
		if where(list, key) != before {
			t.Errorf("key %s: another cluster chose another node", key)
		}
		gone := slices.IndexFunc(list, func(n registry.Node) bool { return n.Addr() == before })
		rest := slices.Delete(slices.Clone(list), gone, gone+1)
		if where(rest, key) == before {
			t.Errorf("key %s: still at a node that has gone", key)
		}
	}
}

// When a node comes, few keys move, and when it goes they come back.
func TestHashMovesFew(t *testing.T) {
	f := &answering{count: map[string]int{}}
	k := newCluster(t, cluster.Settings{Balance: &cluster.ConsistentHash{}, Attempts: []motan.Filter{f}})
	list := weighted(t, "", "", "", "", "", "", "", "")
	where := func() []string {
		var at []string
		for i := range 400 {
			at = append(at, do(t, k, newCall("", "consistentHashKey", "user-"+strconv.Itoa(i))).Endpoint)
		}
		return at
	}
	k.Update(slices.Clone(list))
	before := where()
	k.Update(append(slices.Clone(list), node(t, "10.0.0.99:1")))
	moved := 0
	for i, addr := range where() {
		if addr != before[i] {
			moved++
		}
	}
	if moved == 0 || moved > 160 {
		t.Errorf("%d of 400 keys moved when a ninth node came, want about 50", moved)
	}
	k.Update(slices.Clone(list))
	if after := where(); !slices.Equal(after, before) {
		t.Error("keys are elsewhere after the node has gone again")
	}
}

// Callers behind motan-go's agent and behind this one meet at the same node: its choices, taken from its v1.2.0 with these
// nodes and keys.
func TestHashAgreesWithMotanGo(t *testing.T) {
	var list []registry.Node
	for i := range 10 {
		list = append(list, node(t, fmt.Sprintf("10.0.0.%d:8002", i)))
	}
	for key, want := range motanGoChoices {
		counts := spread(t, cluster.Settings{Balance: &cluster.ConsistentHash{}}, list, 1, func(int) []string { return []string{"consistentHashKey", key} })
		if got := list[slices.Index(counts, 1)].Addr(); got != want {
			t.Errorf("key %s: got %s, want %s", key, got, want)
		}
	}
}

// A ring of few points, on which the usual load cannot be had, is built all the same; so is one of silly settings.
func TestHashSettings(t *testing.T) {
	for _, s := range []cluster.HashSettings{
		{Replicas: 1}, {Parts: 3, Replicas: 1}, {Parts: -1, Load: -1, Replicas: -1}, {Load: math.NaN()}, {Load: 1e300}, {Parts: 11, Load: 1.1, Replicas: 2},
	} {
		b := &cluster.ConsistentHash{Settings: s}
		counts := spread(t, cluster.Settings{Balance: b}, weighted(t, "", "", "", ""), 50, func(i int) []string {
			return []string{"consistentHashKey", strconv.Itoa(i)}
		})
		if sum := counts[0] + counts[1] + counts[2] + counts[3]; sum != 50 {
			t.Errorf("%+v: got %v, want 50 calls", s, counts)
		}
	}
}

// Nobody is left over by LeastActive, and of two it takes the one without a call.
func TestLeastActive(t *testing.T) {
	held := &holding{}
	k := newCluster(t, cluster.Settings{Balance: cluster.LeastActive{}, Attempts: []motan.Filter{held}}, "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1")
	for range 9 {
		k.Handle(withEnd(newCall("")))
	}
	counts := map[string]int{}
	for _, c := range held.calls {
		counts[c.Endpoint]++
	}
	for addr, n := range counts {
		if n != 3 {
			t.Errorf("%s: got %d of 9 calls that wait, want 3", addr, n)
		}
	}
	held.release()
}

// holding keeps every attempt until release.
type holding struct{ calls []*motan.Call }

func (f *holding) Request(c *motan.Call) motan.Verdict {
	f.calls = append(f.calls, c)
	return motan.Held
}

func (f *holding) Reply(*motan.Call) {}

func (f *holding) release() {
	for _, c := range f.calls {
		c.End()
	}
	f.calls = nil
}

// withEnd has c released when it has ended.
func withEnd(c *motan.Call) *motan.Call {
	c.Push(releasing{}, 0)
	return c
}

type releasing struct{}

func (releasing) Return(c *motan.Call, _ int) bool {
	c.Release()
	return false
}

// acting ends each attempt as said for its node, at a clock of its own.
type acting struct {
	now   int64
	acts  map[string]act
	count map[string]int
}

// act is how a node answers.
type act struct {
	takes time.Duration
	err   *motan.Error
	x     *motan.Exception
}

func (f *acting) Request(c *motan.Call) motan.Verdict {
	f.count[c.Endpoint]++
	a := f.acts[c.Endpoint]
	c.Batch = &motan.Batch{Now: f.now + int64(a.takes)}
	c.Err = a.err
	if a.x != nil {
		c.Reply.SetException(*a.x)
	}
	return motan.Answered
}

func (f *acting) Reply(*motan.Call) {}

// run hands n calls to k, one each millisecond.
func (f *acting) run(k *cluster.Cluster, n int) {
	for range n {
		f.now += int64(time.Millisecond)
		c := newCall("")
		c.Start = f.now
		c.Batch = &motan.Batch{Now: f.now}
		k.Handle(withEnd(c))
	}
}

func newActing(acts map[string]act) *acting {
	return &acting{now: int64(time.Hour), acts: acts, count: map[string]int{}}
}

// An endpoint that is slow, or fails fast, is left with a few calls.
func TestP2CAvoids(t *testing.T) {
	const bad = "10.0.0.1:1"
	tests := []struct {
		name string
		act  act
	}{
		{"slow", act{takes: 200 * time.Millisecond}},
		{"failing fast", act{takes: time.Millisecond, x: &motan.Exception{Code: 500, Message: "no", Type: motan.TypeService}}},
		{"broken", act{takes: time.Millisecond, err: motan.Errorf(motan.KindBroken, 400, "broken")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			acts := map[string]act{}
			var list []registry.Node
			for i := range 10 {
				n := node(t, fmt.Sprintf("10.0.0.%d:1", i+1))
				acts[n.Addr()] = act{takes: 2 * time.Millisecond}
				list = append(list, n)
			}
			acts[bad] = tt.act
			f := newActing(acts)
			k := newCluster(t, cluster.Settings{
				Balance: cluster.P2C{}, Attempts: []motan.Filter{f},
				Timeouts: cluster.Timeouts{Request: time.Second, Min: time.Millisecond, Max: time.Minute},
			})
			k.Update(list)
			f.run(k, 5000)
			if got := f.count[bad]; got == 0 || got > 150 {
				t.Errorf("got %d of 5000 calls, want some, but no more than 3 in 100", got)
			}
			f.acts[bad] = act{takes: 2 * time.Millisecond}
			f.run(k, 60000)
			clear(f.count)
			f.run(k, 5000)
			if got := f.count[bad]; got < 250 {
				t.Errorf("well again: got %d of 5000 calls, want about 500", got)
			}
		})
	}
}
