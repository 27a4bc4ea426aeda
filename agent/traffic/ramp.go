package traffic

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/conf"
)

// Phase is where a ramp is.
type Phase string

// The phases of a ramp.
const (
	Ready   Phase = "ready"   // not begun: nobody is sent
	Rising  Phase = "rising"  // the share grows by steps
	Held    Phase = "held"    // the share stays, by hand or because calls have failed
	Done    Phase = "done"    // the share is at its end
	Stopped Phase = "stopped" // nobody is sent any more, by hand or because calls have failed
)

// Phases are all of them.
var Phases = []Phase{Ready, Rising, Held, Done, Stopped}

// ramp moves a share in steps, and stops where too many of the calls fail that it sends.
type ramp struct {
	live atomic.Pointer[conf.Ramp] // settings for calls, which take no lock unless they have failed

	mu       sync.Mutex
	settings *conf.Ramp // guarded by mu; nil for none
	phase    Phase      // guarded by mu; empty before the first settings
	since    time.Time  // guarded by mu; when the present share began
	turned   time.Time  // guarded by mu; when the window's half began
	why      string     // guarded by mu; of Held and Stopped

	// The calls of the present half of the window and of the one before.
	now, before half
}

type half struct{ calls, failed atomic.Int64 }

// Progress is how a ramp stands.
type Progress struct {
	Phase   Phase     `json:"phase"`
	Percent float64   `json:"percent"`
	Since   time.Time `json:"since,omitzero"`
	Why     string    `json:"why,omitempty"`
	Calls   int64     `json:"calls"`  // that the rule has sent within the window
	Failed  int64     `json:"failed"` // of these
}

// Progress tells how the ramp of s stands; ok is false where there is none.
func (s *State) Progress() (p Progress, ok bool) {
	r := &s.ramp
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings == nil {
		return p, false
	}
	p = Progress{Phase: r.phase, Percent: s.percent(), Since: r.since, Why: r.why}
	p.Calls, p.Failed = r.window()
	return p, true
}

// Restore makes a ramp that has not begun go on where p says it was, before a restart.
func (s *State) Restore(p Progress) {
	r := &s.ramp
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings == nil || r.phase != Ready {
		return
	}
	for _, known := range Phases {
		if p.Phase == known && p.Percent >= 0 && p.Percent <= r.settings.To {
			r.phase, r.since, r.why = p.Phase, p.Since, p.Why
			s.setPercent(p.Percent)
		}
	}
}

func (r *ramp) window() (calls, failed int64) {
	return r.now.calls.Load() + r.before.calls.Load(), r.now.failed.Load() + r.before.failed.Load()
}

// Tick does what is due at the time. It is called about once a second.
func (s *State) Tick(at time.Time) {
	r := &s.ramp
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings == nil {
		return
	}
	if at.Sub(r.turned) >= r.settings.Window/2 {
		r.turned = at
		r.before.calls.Store(r.now.calls.Swap(0))
		r.before.failed.Store(r.now.failed.Swap(0))
	}
	switch {
	case r.phase == Ready && !r.settings.Manual:
		s.begin(at)
	case r.phase == Rising && at.Sub(r.since) >= r.settings.Every:
		s.setPercent(min(s.percent()+r.settings.Step, r.settings.To))
		r.since = at
		s.arrive()
	}
}

// begin starts at the first step. The caller holds mu.
func (s *State) begin(at time.Time) {
	s.setPercent(s.ramp.settings.From)
	s.rise(at)
}

// rise has the share grow from what it is; what calls have shown before is forgotten. The caller holds mu.
func (s *State) rise(at time.Time) {
	r := &s.ramp
	for _, h := range []*half{&r.now, &r.before} {
		h.calls.Store(0)
		h.failed.Store(0)
	}
	r.phase, r.since, r.why = Rising, at, ""
	s.arrive()
}

// arrive ends the ramp where it is at its end. The caller holds mu.
func (s *State) arrive() {
	if s.percent() >= s.ramp.settings.To {
		s.ramp.phase = Done
	}
}

// note counts a call that the rule has sent, and stops the ramp when too many have failed.
func (s *State) note(bad bool) {
	r := &s.ramp
	x := r.live.Load()
	if x == nil {
		return
	}
	r.now.calls.Add(1)
	if !bad {
		return
	}
	r.now.failed.Add(1)
	calls, failed := r.window()
	if calls < int64(x.Calls) || float64(failed)*100 <= x.ErrorPercent*float64(calls) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == Ready || r.phase == Stopped || r.phase == Held && x.Hold {
		return
	}
	s.stop(x.Hold, fmt.Sprintf("%d of %d calls failed", failed, calls), time.Now())
}

// stop keeps the share as it is, or ends it. The caller holds mu.
func (s *State) stop(hold bool, why string, at time.Time) {
	s.ramp.phase, s.ramp.why, s.ramp.since = Held, why, at
	if !hold {
		s.ramp.phase = Stopped
		s.setPercent(0)
	}
}

// Do changes a ramp by hand: start begins it anew, hold keeps the share, resume goes on from it, abort sends nobody any more.
func (s *State) Do(what string, at time.Time) error {
	r := &s.ramp
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings == nil {
		return fmt.Errorf("traffic: the rule has no ramp; write ramp.step to give it one")
	}
	switch what {
	case "start":
		s.begin(at)
	case "hold":
		if r.phase != Rising {
			return fmt.Errorf("traffic: the ramp is %s; only one that is rising can be held", r.phase)
		}
		s.stop(true, "by hand", at)
	case "resume":
		if r.phase != Held {
			return fmt.Errorf("traffic: the ramp is %s; only one that is held can be resumed, and start begins anew", r.phase)
		}
		s.rise(at)
	case "abort":
		s.stop(false, "by hand", at)
	default:
		return fmt.Errorf("traffic: %.40q is not one of start, hold, resume, abort", what)
	}
	return nil
}
