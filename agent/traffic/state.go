package traffic

import (
	"math"
	"sync/atomic"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// State is what is known of a rule: how many calls it has sent elsewhere, how they ended, and how far its ramp has come. It
// outlives the [Rules] that it is of. The zero State is ready.
type State struct {
	calls     atomic.Int64
	failed    atomic.Int64
	fallbacks atomic.Int64
	share     atomic.Uint64 // of the ramp, bits of a float64, percent
	ramp      ramp
}

var _ motan.Returner = (*State)(nil)

// Follow counts c, and has s told how it ends.
func (s *State) Follow(c *motan.Call) {
	s.calls.Add(1)
	c.Push(s, 0)
}

// FellBack counts a call for which the rule's target had no nodes. It does not count against a ramp.
func (s *State) FellBack() { s.fallbacks.Add(1) }

// Return counts how c has ended. What its caller has caused, an answer of the service's own and what was refused to protect it,
// is no failure.
func (s *State) Return(c *motan.Call, _ int) bool {
	bad := c.Failed() && (c.Err == nil || c.Err.Kind != motan.KindRefused && c.Err.Kind != motan.KindBadRequest)
	if bad {
		s.failed.Add(1)
	}
	s.note(bad)
	return true
}

// Counts are how many calls went where the rule sends them, how many of these failed, and how many fell back.
func (s *State) Counts() (calls, failed, fallbacks int64) {
	return s.calls.Load(), s.failed.Load(), s.fallbacks.Load()
}

func (s *State) percent() float64 { return math.Float64frombits(s.share.Load()) }

func (s *State) setPercent(x float64) { s.share.Store(math.Float64bits(x)) }

// follow makes x the ramp that the state is of; nil for none.
func (s *State) follow(x *conf.Ramp) {
	s.ramp.mu.Lock()
	defer s.ramp.mu.Unlock()
	r := &s.ramp
	if x == nil {
		r.settings, r.phase = nil, ""
		r.live.Store(nil)
		return
	}
	fresh := r.settings == nil && r.phase == ""
	settings := *x
	r.settings = &settings
	r.live.Store(&settings)
	if fresh {
		r.phase = Ready
		return
	}
	// Another end or pace: it goes on from where it is.
	if s.percent() > x.To {
		s.setPercent(x.To)
	}
	if r.phase == Done && s.percent() < x.To {
		r.phase = Rising
	}
}
