package filters

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Timeout bounds how long a call may take, over all its attempts, from when it came in: a
// service or a method gets less time than its requestTimeout says, and on the serving side what
// its caller waits for (M_tmo) counts as well. A call whose time is over already, because it
// was held or has queued, is refused before any work is done for it, with errcode 400.
//
// Settings, also of one method:
//   - timeout.limit: ms; default 0, which is no limit of this filter's
//   - timeout.caller: M_tmo bounds the call too; default true
//
// Metrics: motand_filter_calls_total with the result expired.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "timeout"
//	    timeout.limit: 800
//	    report().timeout.limit: 5000
type Timeout struct {
	knobs[byMethod[timeoutSettings]]
	state *timeoutState
}

type timeoutSettings struct {
	limit  time.Duration
	caller bool
}

type timeoutState struct {
	override[byMethod[timeoutSettings]]
	expired atomic.Int64
}

func (s *timeoutState) report(count func(string, int64), _ func(string, float64)) {
	count("expired", s.expired.Load())
}

var _ motan.Filter = (*Timeout)(nil)

// NewTimeout is the filter "timeout".
func NewTimeout(s Settings) (motan.Filter, error) {
	if err := s.check("timeout"); err != nil {
		return nil, err
	}
	f := &Timeout{state: shared[timeoutState](s, "timeout")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *byMethod[timeoutSettings] {
		return readMethods(p, func(p *params) timeoutSettings {
			return timeoutSettings{limit: p.millis("timeout.limit", 0), caller: p.bool("timeout.caller", true)}
		}, "timeout.limit", "timeout.caller")
	})
	return f, err
}

var errExpired = motan.Errorf(motan.KindTimeout, motan.CodeDefault, "the time for the call was over before it was sent")

// Request sets the deadline.
func (f *Timeout) Request(c *motan.Call) motan.Verdict {
	x := f.get().of(c)
	limit := x.limit
	if asked := time.Duration(c.Request.TimeoutMillis()) * time.Millisecond; x.caller && asked > 0 && (limit == 0 || asked < limit) {
		limit = asked
	}
	if limit > 0 {
		if deadline := c.Start + int64(limit); c.Deadline == 0 || deadline < c.Deadline {
			c.Deadline = deadline
		}
	}
	if c.Deadline != 0 && c.Now() >= c.Deadline {
		f.state.expired.Add(1)
		c.Err = errExpired
		return motan.Answered
	}
	return motan.Next
}

// Reply does nothing.
func (*Timeout) Reply(*motan.Call) {}
