package traffic

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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

// A canary that fares well grows to its end; one that breaks at a third of the calls is left within seconds, after a small part
// of all calls. A plot of both goes to canary.svg in the folder that SIMULATE_DIR names.
func TestSimulateCanary(t *testing.T) {
	var plots []string
	for _, breaks := range []time.Duration{0, 11 * time.Minute} {
		run := simulate(t, breaks)
		plots = append(plots, run.svg())
		switch {
		case breaks == 0 && run.phase != Done:
			t.Errorf("a good canary: got %s, want done", run.phase)
		case breaks > 0 && run.phase != Stopped:
			t.Errorf("a canary that breaks: got %s, want stopped", run.phase)
		case breaks > 0 && (run.stopped < breaks || run.stopped > breaks+10*time.Second):
			t.Errorf("stopped after %s, want within 10 s after %s", run.stopped, breaks)
		case breaks > 0 && run.failed > 30:
			t.Errorf("%d of %d calls failed, want at most 30", run.failed, run.calls)
		}
		t.Logf("breaks at %s: %s, %d of %d calls failed, stopped at %s", breaks, run.phase, run.failed, run.calls, run.stopped)
	}
	if dir := os.Getenv("SIMULATE_DIR"); dir != "" {
		text := fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", 260*len(plots))
		for i, plot := range plots {
			text += fmt.Sprintf("<g transform=\"translate(0,%d)\">%s</g>\n", i*260, plot)
		}
		if err := os.WriteFile(filepath.Join(dir, "canary.svg"), []byte(text+"</svg>\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// canaryRun is what came of a simulated half hour.
type canaryRun struct {
	title         string
	phase         Phase
	calls, failed int
	stopped       time.Duration
	percent       []float64 // each ten seconds
	share         []float64 // of the calls that the canary got, likewise
}

// simulate makes 20 calls a second for half an hour; the canary fails a third of its calls after breaks, unless that is 0.
func simulate(t *testing.T, breaks time.Duration) *canaryRun {
	t.Helper()
	r := compile(t, "- {name: canary, group: canary, sticky: metadata:uid, ramp.step: 10, ramp.to: 50, ramp.errorPercent: 5, ramp.calls: 50}")
	r.Begin()
	s := r.rules[0].state
	chance := rand.New(rand.NewPCG(1, 2))
	run := &canaryRun{title: "a good canary"}
	if breaks > 0 {
		run.title = fmt.Sprintf("a canary that fails a third of its calls after %s", breaks)
	}
	start := time.Now()
	for second := range 30 * 60 {
		passed := time.Duration(second) * time.Second
		s.Tick(start.Add(passed))
		sent := 0
		for range 20 {
			c := call("uid", fmt.Sprint(chance.IntN(1_000_000)))
			run.calls++
			if _, state := r.Pick(c); state != nil {
				sent++
				bad := breaks > 0 && passed >= breaks && chance.IntN(3) == 0
				if bad {
					run.failed++
				}
				state.note(bad)
			}
			c.Release()
		}
		if p, _ := s.Progress(); p.Phase != run.phase {
			if run.phase = p.Phase; p.Phase == Stopped {
				run.stopped = passed
			}
		}
		if second%10 == 0 {
			run.percent = append(run.percent, s.percent())
			run.share = append(run.share, float64(sent)*5)
		}
	}
	return run
}

// svg plots the run.
func (r *canaryRun) svg() string {
	line := func(values []float64, colour string) string {
		var points strings.Builder
		for i, v := range values {
			fmt.Fprintf(&points, "%.1f,%.1f ", 50+float64(i)*640/float64(len(values)), 220-v*3)
		}
		return fmt.Sprintf("<polyline fill=\"none\" stroke=%q points=%q/>", colour, strings.TrimSpace(points.String()))
	}
	axes := `<path d="M50 40V220H690" fill="none" stroke="black"/><text x="10" y="75">50 %</text><text x="20" y="224">0</text><text x="640" y="240">30 min</text>`
	return fmt.Sprintf("<text x=\"50\" y=\"25\">%s: its share as set, and as calls have seen it</text>%s%s%s", r.title, axes, line(r.share, "silver"), line(r.percent, "crimson"))
}
