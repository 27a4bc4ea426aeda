package traffic

import (
	"testing"
	"testing/synctest"
	"time"
)

const rampRules = "- {name: canary, group: canary, ramp.step: 10, ramp.to: 30, ramp.calls: 20, ramp.window: 60000"

// rampOf is rules with a ramp, in use, and the state of the only one.
func rampOf(t *testing.T, more string) (*Rules, *State) {
	t.Helper()
	r := compile(t, rampRules+more+"}")
	r.Begin()
	return r, r.rules[0].state
}

func TestRampSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rampOf(t, "")
		if _, picked := r.Pick(call()); picked != nil {
			t.Error("before it begins: got a call sent")
		}
		for i, want := range []float64{10, 10, 20, 20, 30, 30} {
			s.Tick(time.Now())
			if got := s.percent(); got != want {
				t.Errorf("after %d x 2.5 minutes: got %g %%, want %g", i, got, want)
			}
			time.Sleep(150 * time.Second)
		}
		if p, _ := s.Progress(); p.Phase != Done {
			t.Errorf("got phase %s, want done", p.Phase)
		}
	})
}

// end tells s of calls that have ended.
func end(s *State, good, bad int) {
	for range good {
		s.note(false)
	}
	for range bad {
		s.note(true)
	}
}

func TestRampStops(t *testing.T) {
	tests := []struct {
		name, more string
		good, bad  int
		want       Phase
		percent    float64
	}{
		{"good calls", "", 100, 5, Rising, 10},
		{"too few calls", "", 0, 19, Rising, 10},
		{"bad calls", "", 94, 6, Stopped, 0},
		{"bad calls that hold", ", ramp.onError: hold", 94, 6, Held, 10},
		{"more is allowed", ", ramp.errorPercent: 10", 94, 6, Rising, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, s := rampOf(t, tt.more)
			s.Tick(time.Now())
			end(s, tt.good, tt.bad)
			if p, _ := s.Progress(); p.Phase != tt.want || p.Percent != tt.percent {
				t.Errorf("got %+v, want %s at %g %%", p, tt.want, tt.percent)
			}
		})
	}
}

// Calls of long ago say nothing.
func TestRampForgets(t *testing.T) {
	_, s := rampOf(t, "")
	now := time.Now()
	s.Tick(now)
	end(s, 18, 1)
	for range 3 {
		now = now.Add(30 * time.Second)
		s.Tick(now)
	}
	end(s, 18, 1)
	if p, _ := s.Progress(); p.Phase != Rising || p.Calls != 19 {
		t.Errorf("got %+v, want it rising with 19 calls", p)
	}
}

func TestRampByHand(t *testing.T) {
	_, s := rampOf(t, ", ramp.start: manual")
	now := time.Now()
	s.Tick(now)
	steps := []struct {
		do      string
		want    Phase
		percent float64
		fails   bool
	}{
		{"hold", Ready, 0, true},
		{"resume", Ready, 0, true},
		{"start", Rising, 10, false},
		{"hold", Held, 10, false},
		{"hold", Held, 10, true},
		{"resume", Rising, 10, false},
		{"abort", Stopped, 0, false},
		{"resume", Stopped, 0, true},
		{"jump", Stopped, 0, true},
		{"start", Rising, 10, false},
	}
	for i, x := range steps {
		err := s.Do(x.do, now)
		if p, _ := s.Progress(); (err != nil) != x.fails || p.Phase != x.want || p.Percent != x.percent {
			t.Errorf("%d, %s: got %+v, %v, want %s at %g %%, error %t", i, x.do, p, err, x.want, x.percent, x.fails)
		}
	}
	if err := new(State).Do("start", now); err == nil {
		t.Error("a rule without ramp: got no error")
	}
}

// Another end or pace changes what is to come; the rest of a configuration does not.
func TestRampReload(t *testing.T) {
	r, s := rampOf(t, "")
	now := time.Now()
	s.Tick(now)
	for range 2 {
		now = now.Add(5 * time.Minute)
		s.Tick(now)
	}
	r.Begin()
	if p, _ := s.Progress(); p.Phase != Done || p.Percent != 30 {
		t.Fatalf("the same again: got %+v, want done at 30 %%", p)
	}
	further := *r.rules[0].ramp
	further.To = 50
	s.follow(&further)
	if p, _ := s.Progress(); p.Phase != Rising || p.Percent != 30 {
		t.Errorf("a later end: got %+v, want rising at 30 %%", p)
	}
	further.To = 20
	s.follow(&further)
	if p, _ := s.Progress(); p.Percent != 20 {
		t.Errorf("an earlier end: got %+v, want 20 %%", p)
	}
	s.follow(nil)
	if _, ok := s.Progress(); ok {
		t.Error("without ramp: got one")
	}
}

func TestRestore(t *testing.T) {
	_, s := rampOf(t, "")
	s.Restore(Progress{Phase: "nonsense", Percent: 10})
	s.Restore(Progress{Phase: Held, Percent: 70})
	if p, _ := s.Progress(); p.Phase != Ready {
		t.Errorf("nonsense: got %+v, want ready", p)
	}
	s.Restore(Progress{Phase: Stopped})
	s.Tick(time.Now())
	if p, _ := s.Progress(); p.Phase != Stopped {
		t.Errorf("got %+v, want it stopped", p)
	}
}
