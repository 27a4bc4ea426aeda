package cluster_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
)

// hospital is a cluster of n nodes that take turns, with health as motan-go's defaults have it, and the nodes' acts.
func hospital(t *testing.T, n int) (*cluster.Cluster, *acting) {
	t.Helper()
	f := newActing(map[string]act{})
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = patient(i)
	}
	return newCluster(t, cluster.Settings{
		Balance: cluster.RoundRobin{}, Attempts: []motan.Filter{f},
		Health:   cluster.Health{Failures: 10, Pause: time.Second},
		Timeouts: cluster.Timeouts{Request: time.Second, Min: time.Millisecond, Max: time.Minute},
	}, addrs...), f
}

func patient(i int) string { return fmt.Sprintf("10.0.0.%d:1", i+1) }

// wait lets the clock of f go on.
func (f *acting) wait(d time.Duration) { f.now += int64(d) }

var (
	broken  = act{err: motan.Errorf(motan.KindBroken, motan.CodeDefault, "broken")}
	refused = act{err: motan.Errorf(motan.KindRefused, motan.CodeRejected, "refused by a filter here")}
	unsent  = act{err: &motan.Error{Kind: motan.KindNotSent, Code: motan.CodeNoChannel, Type: motan.TypeService, Message: "no channel", Cause: errors.New("refused")}}
	circuit = act{err: motan.Errorf(motan.KindNotSent, motan.CodeDefault, "circuit open")}
	closed  = act{x: &motan.Exception{Code: motan.CodeUnavailable, Type: motan.TypeService, Message: "closing"}}
	confuse = act{x: &motan.Exception{Code: 500, Type: motan.TypeFramework, Message: "no such method"}}
	thrown  = act{x: &motan.Exception{Code: 500, Type: motan.TypeBiz, Message: "no such user"}}
	timeout = motan.Errorf(motan.KindTimeout, motan.CodeDefault, "timeout")
)

// outs is which of n nodes are left out.
func outs(k *cluster.Cluster, now int64) []string {
	var out []string
	for _, e := range k.Endpoints() {
		if e.State(now).Out {
			out = append(out, e.Addr())
		}
	}
	return out
}

func TestHealth(t *testing.T) {
	tests := []struct {
		name string
		act  act // of the first of four nodes
		all  bool
		out  bool
	}{
		{"broken", broken, false, true},
		{"not sent", unsent, false, true},
		{"503", closed, false, true},
		{"patient time-outs", act{takes: time.Second, err: timeout}, false, true},
		{"impatient time-outs", act{takes: 10 * time.Millisecond, err: timeout}, false, false},
		{"refused here", refused, false, false},
		{"refused here, to be tried elsewhere", circuit, false, false},
		{"exceptions of the implementation", thrown, false, false},
		{"exceptions of the framework at one node", confuse, false, true},
		{"exceptions of the framework at all nodes, which callers cause", confuse, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, f := hospital(t, 4)
			f.acts[patient(0)] = tt.act
			for i := 1; tt.all && i < 4; i++ {
				f.acts[patient(i)] = tt.act
			}
			f.run(k, 4000) // 4 s
			out := outs(k, f.now)
			if got := len(out) > 0; got != tt.out {
				t.Errorf("left out: got %v, want %t", out, tt.out)
			}
			if n, ever := k.Out(); n != len(out) || (ever > 0) != tt.out {
				t.Errorf("counted: got %d now and %d ever, want %d now", n, ever, len(out))
			}
			if tt.out && f.count[patient(0)] > 400 {
				t.Errorf("got %d calls to it of 4000, want few", f.count[patient(0)])
			}
		})
	}
}

// A node that is left out is tried by one call after a pause, each time a longer one; when that is answered, it is back.
func TestHealthComesBack(t *testing.T) {
	k, f := hospital(t, 3)
	f.acts[patient(0)] = broken
	f.run(k, 60)
	before := f.count[patient(0)]
	if out := outs(k, f.now); len(out) != 1 || before != 10 {
		t.Fatalf("got %v left out after %d calls, want one after 10", out, before)
	}
	f.run(k, 900)
	if got := f.count[patient(0)]; got != before {
		t.Errorf("in the first second: got %d calls, want none", got-before)
	}
	f.wait(200 * time.Millisecond)
	f.run(k, 50)
	if got := f.count[patient(0)]; got != before+1 {
		t.Errorf("after the first second: got %d calls, want the one that decides", got-before)
	}
	f.run(k, 1800)
	if got := f.count[patient(0)]; got != before+1 {
		t.Errorf("in the next two seconds: got %d calls, want none", got-before-1)
	}
	delete(f.acts, patient(0))
	f.wait(time.Second)
	f.run(k, 300)
	if got := f.count[patient(0)] - before - 1; got < 90 {
		t.Errorf("well again: got %d of 300 calls, want a third", got)
	}
	if n, _ := k.Out(); n != 0 || len(outs(k, f.now)) != 0 {
		t.Errorf("got %d left out, want none", n)
	}
}

// A call that was sent before a node was left out does not bring it back.
func TestHealthOldAnswers(t *testing.T) {
	held := &holding{}
	k := newCluster(t, cluster.Settings{
		Balance: cluster.RoundRobin{}, Attempts: []motan.Filter{held}, Health: cluster.Health{Failures: 2, Pause: time.Hour},
	}, patient(0), patient(1))
	for range 8 {
		k.Handle(withEnd(newCall("")))
	}
	var first []*motan.Call
	for _, c := range held.calls {
		if c.Endpoint == patient(0) {
			first = append(first, c)
			continue
		}
		c.End()
	}
	for _, c := range first[:3] {
		c.Fail(motan.Errorf(motan.KindBroken, motan.CodeDefault, "broken"))
	}
	first[3].End()
	if out := outs(k, motan.Now()); len(out) != 1 || out[0] != patient(0) {
		t.Errorf("got %v left out, want %s", out, patient(0))
	}
}

// Whatever happens, at most half of the nodes are left out, and never the only one.
func TestHealthLeavesHalf(t *testing.T) {
	for n := 1; n <= 5; n++ {
		k, f := hospital(t, n)
		for i := range n {
			f.acts[patient(i)] = broken
		}
		f.run(k, 2000)
		if out := outs(k, f.now); len(out) != n/2 {
			t.Errorf("%d nodes: got %v left out, want %d", n, out, n/2)
		}
		total := 0
		for _, calls := range f.count {
			total += calls
		}
		if total != 2000 {
			t.Errorf("%d nodes: got %d calls through, want 2000", n, total)
		}
	}
}

// What is known of a node stays when the list changes, and goes with the node.
func TestHealthOverUpdates(t *testing.T) {
	k, f := hospital(t, 4)
	f.acts[patient(0)] = broken
	f.run(k, 100)
	k.Update(nodes(t, patient(3), patient(0), patient(1), "10.0.0.9:1"))
	if out := outs(k, f.now); len(out) != 1 || out[0] != patient(0) {
		t.Errorf("after an update: got %v left out, want %s", out, patient(0))
	}
	k.Update(nodes(t, patient(3), patient(1)))
	if n, _ := k.Out(); n != 0 {
		t.Errorf("after it has gone: got %d left out, want none", n)
	}
	k.Update(nodes(t, patient(0), patient(1)))
	if out := outs(k, f.now); len(out) != 0 {
		t.Errorf("after it has come again: got %v left out, want none", out)
	}
}

// With errorCountThreshold 0 only a node that stands out against the others is left out.
func TestHealthOff(t *testing.T) {
	f := newActing(map[string]act{patient(0): broken, patient(1): broken})
	k := newCluster(t, cluster.Settings{Balance: cluster.RoundRobin{}, Attempts: []motan.Filter{f}}, patient(0), patient(1))
	f.run(k, 5000)
	if out := outs(k, f.now); len(out) != 0 {
		t.Errorf("got %v left out, want none", out)
	}
}

func TestState(t *testing.T) {
	f := newActing(map[string]act{patient(0): {takes: 5 * time.Millisecond}})
	k := newCluster(t, cluster.Settings{Balance: cluster.P2C{}, Attempts: []motan.Filter{f}}, patient(0))
	e := k.Endpoints()[0]
	if got, want := e.State(f.now), (cluster.State{Reachable: true}); got != want {
		t.Errorf("before any call: got %+v, want %+v", got, want)
	}
	f.run(k, 10)
	if s := e.State(f.now); s.Latency < int64(4*time.Millisecond) || s.Latency > int64(5*time.Millisecond) || s.InFlight != 0 {
		t.Errorf("got %+v, want 5 ms and nothing in flight", s)
	}
}
