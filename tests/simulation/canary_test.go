package simulation

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/motand/motand/agent/traffic"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// TestSimulateCanary: a release that fares well grows by steps to its end; one that breaks is left within seconds, after a
// handful of calls.
func TestSimulateCanary(t *testing.T) {
	var shares []line
	for _, v := range []struct {
		name   string
		breaks time.Duration // 0 for never
		want   traffic.Phase
	}{
		{"a good release", 0, traffic.Done},
		{"one that breaks after 11 min", 11 * time.Minute, traffic.Stopped},
	} {
		run := release(t, v.breaks)
		shares = append(shares, line{v.name + ", as set", run.set}, line{v.name + ", of the calls", run.got})
		found(t, v.name, "%s, %d of %d calls failed, stopped after %s", run.phase, run.failed, run.calls, run.stopped)
		switch {
		case run.phase != v.want:
			t.Errorf("%s: got %s, want %s", v.name, run.phase, v.want)
		case v.breaks > 0 && (run.stopped < v.breaks || run.stopped > v.breaks+10*time.Second):
			t.Errorf("%s: stopped after %s, want within 10 s after %s", v.name, run.stopped, v.breaks)
		case v.breaks > 0 && run.failed > 30:
			t.Errorf("%s: %d of %d calls failed, want at most 30", v.name, run.failed, run.calls)
		}
	}
	draw(t, "canary", "Share of a release that grows by steps, stopped by failures", "%", 30*time.Second, shares)
}

// released is what came of half an hour of calls.
type released struct {
	phase         traffic.Phase
	calls, failed int
	stopped       time.Duration
	set, got      []float64 // percent, each half minute
}

// release makes 20 calls a second for half an hour; the release fails a third of its calls from breaks on.
func release(t *testing.T, breaks time.Duration) *released {
	t.Helper()
	list, problems := conf.ParseTraffic("rules", "users", []byte("- {name: release, group: next, sticky: 'metadata:uid', ramp.step: 10, ramp.to: 50, ramp.calls: 50}"))
	if list == nil {
		t.Fatal(problems)
	}
	states := make(map[string]*traffic.State)
	rules := traffic.Compile(list, states)
	rules.Begin()
	state, chance, start := states["release"], rand.New(rand.NewPCG(1, 2)), time.Now()
	run, sent := new(released), 0
	for second := range 30 * 60 {
		passed := time.Duration(second) * time.Second
		state.Tick(start.Add(passed))
		for range 20 {
			c := motan.NewCall()
			c.Request.Set("uid", fmt.Sprint(chance.IntN(1_000_000)))
			run.calls++
			if target, s := rules.Pick(c); target != traffic.None {
				sent++
				if breaks > 0 && passed >= breaks && chance.IntN(3) == 0 {
					run.failed++
					c.Err = motan.Errorf(motan.KindTimeout, motan.CodeInternal, "broken")
				}
				s.Follow(c)
				c.End()
			}
			c.Release()
		}
		p, _ := state.Progress()
		if p.Phase == traffic.Stopped && run.phase != p.Phase {
			run.stopped = passed
		}
		run.phase = p.Phase
		if second%30 == 0 && second > 0 {
			run.set, run.got = append(run.set, p.Percent), append(run.got, float64(sent)/6)
			sent = 0
		}
	}
	return run
}
