package filters

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestCPUMeter(t *testing.T) {
	steps := []struct {
		text string
		want float64
	}{
		{"cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 2 3", 0}, // nothing to compare with
		{"cpu  175 0 100 825 0 0 0 0 99 0\n", 75},
		{"cpu  175 0 100 900 25 0 0 0 99 0\n", 0},
		{"cpu  275 0 100 900 25 0 0 0 99 0\n", 100},
		{"cpu  1 2\n", 100}, // nothing that can be read changes nothing
		{"intr 1 2 3 4 5 6 7", 100},
		{"cpu  a b c d e f g", 100},
		{"", 100},
		{"cpu  175 0 100 900 25 0 0 0 99 0\n", 100}, // a counter that went back
	}
	var m cpuMeter
	for i, s := range steps {
		if m.take([]byte(s.text)); m.percent() != s.want {
			t.Errorf("step %d: got %g %%, want %g", i, m.percent(), s.want)
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	var host cpuMeter
	host.measure()
	motantest.Await(t, "the processors' times", func() bool {
		host.mu.Lock()
		defer host.mu.Unlock()
		return host.total > 0 && !host.running.Load()
	})
}

// Waiting in the agent raises the level while every call has waited; it falls afterwards.
func TestLoadShedLevel(t *testing.T) {
	x := &shedSettings{delay: int64(20 * time.Millisecond), cpu: 0}
	var s shedState
	period := func(waits ...time.Duration) int64 {
		for _, w := range waits {
			s.waited(int64(w))
		}
		s.look(x, 1)
		return s.level.Load()
	}
	if got := period(time.Second, time.Millisecond); got != 0 {
		t.Errorf("one call did not wait: got level %d, want 0", got)
	}
	if got := period(30*time.Millisecond, 21*time.Millisecond); got != shedUp {
		t.Errorf("all waited: got level %d, want %d", got, shedUp)
	}
	for range 100 {
		period(time.Second)
	}
	if got := s.level.Load(); got != shedMost {
		t.Errorf("for long: got level %d, want %d", got, shedMost)
	}
	if got := period(); got != shedMost-shedDown {
		t.Errorf("no call: got level %d, want %d", got, shedMost-shedDown)
	}
	if s.look(x, 10); s.level.Load() != shedMost-11*shedDown {
		t.Errorf("ten periods without a call: got level %d, want %d", s.level.Load(), shedMost-11*shedDown)
	}
	s.level.Store(shedMost - shedDown)
	x.cpu = 90
	s.cpu.now.Store(math.Float64bits(95))
	s.cpu.running.Store(true) // so that it is not measured
	if got := period(); got != shedMost {
		t.Errorf("busy processors: got level %d, want %d", got, shedMost)
	}
}

// The unimportant calls are refused first, and the important ones last (A7.2).
func TestLoadShedClasses(t *testing.T) {
	s := settings(textParams("loadShed.cpu=0 loadShed.delay=0 loadShed.class=low loadShed.key=class"))
	h, f := behind(t, ok, "loadShed", s)
	state := f.(*LoadShed).state
	state.next.Store(math.MaxInt64) // nobody looks
	tests := []struct {
		level int64
		class string
		want  int // refused of 1000, within eight standard deviations
	}{
		{0, "low", 0},
		{500, "low", 500},
		{500, "", 500},
		{500, "normal", 0},
		{500, "high", 0},
		{1000, "low", 1000},
		{1500, "normal", 500},
		{1500, "nonsense", 1000},
		{1999, "high", 0},
		{2000, "normal", 1000},
		{2500, "high", 500},
		{shedMost, "high", 900},
	}
	for _, tt := range tests {
		state.level.Store(tt.level)
		refused := 0
		for range 1000 {
			c := call("get", "class", tt.class)
			h.Handle(c)
			if c.Err != nil {
				refused++
			}
			c.Release()
		}
		slack := 130
		if tt.want%1000 == 0 {
			slack = 0
		}
		if refused < tt.want-slack || refused > tt.want+slack {
			t.Errorf("level %d, class %q: got %d of 1000 refused, want %d", tt.level, tt.class, refused, tt.want)
		}
	}
	passesFree(t, "loadShed", textParams("loadShed.cpu=0"))
	if _, err := NewLoadShed(settings(textParams("loadShed.class=urgent loadShed.cpu=101"))); err == nil ||
		!strings.Contains(err.Error(), "loadShed.class: ") || !strings.Contains(err.Error(), "loadShed.cpu: ") {
		t.Errorf("mistakes: got %v", err)
	}
}

// A call that has waited is looked at by the filter itself.
func TestLoadShedLooks(t *testing.T) {
	s := settings(textParams("loadShed.cpu=0 loadShed.delay=5"))
	h, f := behind(t, ok, "loadShed", s)
	c := call("get")
	c.Start = motan.Now() - int64(time.Second)
	if got := outcomeOf(t, h, c); got != "ok" && got != "refused: the host is overloaded" {
		t.Errorf("got %s", got)
	}
	if got := f.(*LoadShed).state.level.Load(); got != shedUp {
		t.Errorf("got level %d, want %d", got, shedUp)
	}
}

// A host that twice as much is asked of as it can do keeps up with the important calls, and lets unimportant ones wait for
// better times (A7.2). It works off so many calls in a period, has the others wait, and is busy meanwhile.
func TestLoadShedAtTwiceTheLoad(t *testing.T) {
	const (
		capacity = 500 // calls in a period
		highs    = 400 // offered in a period
		lows     = 2*capacity - highs
		patience = 4  // periods that a call waits before its caller gives up
		settling = 40 // periods
		counted  = 400
	)
	h, f := behind(t, ok, "loadShed", settings(textParams("loadShed.cpu=90 loadShed.delay=0")))
	s := f.(*LoadShed).state
	s.next.Store(math.MaxInt64) // the test looks
	s.cpu.running.Store(true)   // so that nothing is measured
	waiting := 0
	var answered [len(shedClasses)]int
	for period := range settling + counted {
		var passed [len(shedClasses)]int
		for class, n := range map[shedClass]int{low: lows, high: highs} {
			for range n {
				c := call("get", "priority", shedClasses[class])
				h.Handle(c)
				if c.Err == nil {
					passed[class]++
				}
				c.Release()
			}
		}
		asked := passed[low] + passed[high]
		s.cpu.now.Store(math.Float64bits(min(100*float64(waiting+asked)/capacity, 100)))
		waiting = max(waiting+asked-capacity, 0)
		if s.look(f.(*LoadShed).get(), 1); period < settling || waiting > capacity*patience {
			continue
		}
		answered[low], answered[high] = answered[low]+passed[low], answered[high]+passed[high]
	}
	if least := highs * counted * 999 / 1000; answered[high] < least {
		t.Errorf("important calls: got %d answered, want %d", answered[high], least)
	}
	if got, most := answered[low], lows*counted/4; got == 0 || got > most {
		t.Errorf("unimportant calls: got %d answered, want some and at most %d", got, most)
	}
}
