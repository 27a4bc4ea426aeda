package filters

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// FaultInjection spoils calls on purpose, to see what others make of it: a share of them waits,
// a share fails, for some callers or all, until a time that has to be given. Calls that wait
// are held, nothing blocks.
//
// Settings, also of one method:
//   - fault.until: when it ends, such as 2026-11-23T18:00:00Z; without it nothing is spoilt
//   - fault.callers: applications (M_s) whose calls are spoilt; default all
//   - fault.delay: ms, at most 60000
//   - fault.delayPercent: share of the calls that wait; default 100
//   - fault.error: errcode, with a message behind it, such as 503 injected
//   - fault.errorPercent: share of the calls that fail, after their wait; default 100
//
// At most 10000 calls of a service wait at once; further ones do not.
//
// Metrics: motand_filter_calls_total with the results delayed and failed, motand_filter_state
// with active.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "faultInjection"
//	    fault.until: "2026-11-23T18:00:00Z"
//	    fault.callers: "shop-test"
//	    fault.delay: 200
//	    fault.delayPercent: 10
//	    fault.error: 503 injected
//	    fault.errorPercent: 5
type FaultInjection struct {
	knobs[byMethod[faultSettings]]
	state *faultState
}

type faultSettings struct {
	until        time.Time
	callers      []string
	delay        time.Duration
	delayPercent float64
	err          *motan.Error
	errorPercent float64
}

type faultState struct {
	override[byMethod[faultSettings]]
	held    held
	delayed atomic.Int64
	failed  atomic.Int64
	active  atomic.Int64 // when calls were last looked at, in wall clock nanoseconds, as until is
}

func (s *faultState) report(count func(string, int64), state func(string, float64)) {
	count("delayed", s.delayed.Load())
	count("failed", s.failed.Load())
	active := 0.0
	if s.active.Load() > time.Now().UnixNano() {
		active = 1
	}
	state("active", active)
}

const (
	maxFaultDelay = time.Minute
	maxFaultHeld  = 10_000
)

var _ motan.Filter = (*FaultInjection)(nil)

// NewFaultInjection is the filter "faultInjection".
func NewFaultInjection(s Settings) (motan.Filter, error) {
	if err := s.check("faultInjection"); err != nil {
		return nil, err
	}
	f := &FaultInjection{state: shared[faultState](s, "faultInjection")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *byMethod[faultSettings] {
		return readMethods(p, readFault, "fault.until", "fault.callers", "fault.delay", "fault.delayPercent", "fault.error", "fault.errorPercent")
	})
	return f, err
}

func readFault(p *params) faultSettings {
	x := faultSettings{
		callers:      p.list("fault.callers"),
		delay:        p.millis("fault.delay", 0),
		delayPercent: p.float("fault.delayPercent", 100, 0, 100),
		errorPercent: p.float("fault.errorPercent", 100, 0, 100),
	}
	if x.delay > maxFaultDelay {
		_, key := p.look("fault.delay")
		p.fail(key, "%s is more than %s", x.delay, maxFaultDelay)
	}
	if text, key := p.look("fault.until"); text != "" {
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.fail(key, "%.80q is not a time such as 2026-11-23T18:00:00Z", text)
		}
		x.until = until
	}
	if code, message, ok := readCode(p, "fault.error"); ok {
		x.err = motan.Errorf(motan.KindOther, code, "%s", message)
	}
	return x
}

// Request delays the call, fails it, or lets it pass.
func (f *FaultInjection) Request(c *motan.Call) motan.Verdict {
	x := f.get().of(c)
	if x.until.IsZero() || !time.Now().Before(x.until) {
		return motan.Next
	}
	f.state.active.Store(x.until.UnixNano())
	if len(x.callers) > 0 && !has(x.callers, c.Request.Source()) {
		return motan.Next
	}
	fail := x.err != nil && chance(x.errorPercent)
	if x.delay > 0 && chance(x.delayPercent) {
		then := (*motan.Call).Resume
		if fail {
			then = func(c *motan.Call) { c.Fail(x.err) }
		}
		if f.state.held.hold(c, x.delay, maxFaultHeld, then) {
			f.state.delayed.Add(1)
			if fail {
				f.state.failed.Add(1)
			}
			return motan.Held
		}
	}
	if !fail {
		return motan.Next
	}
	f.state.failed.Add(1)
	c.Err = x.err
	return motan.Answered
}

// chance is true in so many of a hundred cases.
func chance(percent float64) bool { return percent >= 100 || rand.Float64()*100 < percent }

// Reply does nothing.
func (*FaultInjection) Reply(*motan.Call) {}
