package filters

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func TestConcurrency(t *testing.T) {
	s := settings(textParams("concurrency.limit=2"))
	var waiting []*motan.Call
	h, f := behind(t, motan.HandlerFunc(func(c *motan.Call) { waiting = append(waiting, c) }), "concurrency", s)
	refused := func() bool {
		c := call("m")
		h.Handle(c)
		if c.Err != nil && (c.Err.Code != motan.CodeRejected || c.Err.Kind != motan.KindRefused) {
			t.Errorf("got %+v, want errcode 10002", c.Err)
		}
		return c.Err != nil
	}
	if first, second, third := refused(), refused(), refused(); first || second || !third {
		t.Fatalf("got %d calls through, want 2 and the third refused", len(waiting))
	}
	waiting[0].Fail(motan.Errorf(motan.KindTimeout, 400, "late")) // however it ends
	if next, over := refused(), refused(); next || !over {
		t.Error("one has ended: want one more to pass, and no other")
	}
	if err := f.(Adjustable).Adjust(map[string]string{"concurrency.limit": "3"}); err != nil {
		t.Fatal(err)
	}
	if next, over := refused(), refused(); next || !over {
		t.Error("a higher limit: want one more to pass, and no other")
	}
	for what, want := range map[string]float64{"refused": 3, "in_flight": 3, "limit": 3} {
		if got := counted(s.States, what); got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	passesFree(t, "concurrency", nil)
	passesFree(t, "concurrency", textParams("concurrency.adaptive=true"))
	if _, err := NewConcurrency(settings(textParams("concurrency.min=5 concurrency.max=4"))); err == nil || !strings.Contains(err.Error(), "concurrency.min") {
		t.Errorf("min over max: got %v", err)
	}
}

// A provider that answers in 10 ms as long as at most knee calls are in flight, and slower the
// more there are: the limit comes to rest near the knee, and rises when the knee does.
func TestConcurrencyFindsTheKnee(t *testing.T) {
	x := &concurrencySettings{limit: 20, adaptive: true, min: 4, max: 1000}
	var g gradient
	g.get(x)
	now := int64(0)
	run := func(seconds int, knee float64) {
		for range seconds * 10 {
			now += int64(gradientPeriod)
			load := float64(g.get(x)) // there is always more to do
			took := float64(10 * time.Millisecond)
			if load > knee {
				took *= load / knee
			}
			g.used.Store(true)
			for range gradientSamples {
				g.sample(now, int64(took), x)
			}
		}
	}
	run(60, 100)
	first := g.get(x)
	if first < 80 || first > 300 {
		t.Errorf("knee at 100: got limit %d, want 80 to 300", first)
	}
	run(60, 20)
	if got := g.get(x); got < 16 || got > 60 {
		t.Errorf("knee at 20: got limit %d after %d, want 16 to 60", got, first)
	}
	run(60, 100)
	if got := g.get(x); got < 80 || got > 300 {
		t.Errorf("knee at 100 again: got limit %d, want 80 to 300", got)
	}
}

// A limit that is not used does not grow, and it stays between min and max.
func TestConcurrencyBounds(t *testing.T) {
	x := &concurrencySettings{limit: 50, adaptive: true, min: 10, max: 60}
	var g gradient
	g.get(x)
	now := int64(0)
	period := func(took time.Duration, used bool) int64 {
		now += int64(gradientPeriod)
		g.used.Store(used)
		for range gradientSamples {
			g.sample(now, int64(took), x)
		}
		return g.get(x)
	}
	for range 100 {
		if got := period(time.Millisecond, false); got != 50 {
			t.Fatalf("unused: got %d, want 50", got)
		}
	}
	for range 100 {
		period(time.Millisecond, true)
	}
	if got := g.get(x); got != 60 {
		t.Errorf("used: got %d, want the most, 60", got)
	}
	slow := time.Millisecond
	for range 30 {
		slow = slow * 3 / 2
		period(slow, true)
	}
	if got := g.get(x); got != 10 {
		t.Errorf("ever slower: got %d, want the least, 10", got)
	}
}

func TestConcurrencyAtOnce(t *testing.T) {
	s := settings(textParams("concurrency.limit=8 concurrency.adaptive=true"))
	h, f := behind(t, ok, "concurrency", s)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 500 {
				c := call("m")
				h.Handle(c)
				c.Release()
			}
		})
	}
	wait.Wait()
	if n := f.(*Concurrency).state.inFlight.Load(); n != 0 {
		t.Errorf("got %d calls in flight at the end, want 0", n)
	}
}
