package filters

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Failfast leaves a node alone after its calls failed ten times in a row, and tries one call
// every ten seconds until one succeeds; meanwhile calls go to other nodes, or fail at once
// where there is none. Unlike in motan-go, exceptions that the implementation throws, and
// failures that are the caller's own, do not count.
//
// Settings (motand's own; motan-go has no keys, and these numbers):
//   - failfast.errors: failures in a row; default 10
//   - failfast.retryAfter: ms between the calls that are tried; default 10000
//   - failfast.bizException: exceptions that the implementation throws count too; default false
//
// Metrics: motand_filter_calls_total with the result refused, motand_filter_state with out:
// how many nodes are left alone.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "failfast"
//	    failfast.errors: 5
type Failfast struct {
	knobs[failfastSettings]
	state *failfastState
}

type failfastSettings struct {
	errors int64
	pause  time.Duration
	biz    bool
}

type failfastState struct {
	override[failfastSettings]
	nodes   perName[streak]
	refused atomic.Int64
}

// streak is the failures in a row of one node.
type streak struct {
	failures atomic.Int64
	out      atomic.Bool
	next     atomic.Int64 // when a call may be tried
}

func (s *failfastState) report(count func(string, int64), state func(string, float64)) {
	count("refused", s.refused.Load())
	out := 0.0
	s.nodes.each(func(_ string, k *streak) {
		if k.out.Load() {
			out++
		}
	})
	state("out", out)
}

var _ motan.Filter = (*Failfast)(nil)

// NewFailfast is the filter "failfast".
func NewFailfast(s Settings) (motan.Filter, error) {
	if err := s.check("failfast"); err != nil {
		return nil, err
	}
	f := &Failfast{state: shared[failfastState](s, "failfast")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *failfastSettings {
		return &failfastSettings{
			errors: int64(p.int("failfast.errors", 10, 1, maxCapacity)),
			pause:  p.millis("failfast.retryAfter", 10*time.Second),
			biz:    p.bool("failfast.bizException", false),
		}
	})
	return f, err
}

var errNodeOut = motan.Errorf(motan.KindNotSent, motan.CodeDefault, "the node failed too often in a row")

func (f *Failfast) node(c *motan.Call) *streak {
	return of(&f.state.nodes, c.Endpoint, func(k *streak) bool { return k.failures.Load() == 0 })
}

// Request refuses calls to a node that is left alone.
func (f *Failfast) Request(c *motan.Call) motan.Verdict {
	k := f.node(c)
	if !k.out.Load() {
		return motan.Next
	}
	now, next := c.Now(), k.next.Load()
	if now >= next && k.next.CompareAndSwap(next, now+int64(f.get().pause)) {
		return motan.Next
	}
	f.state.refused.Add(1)
	c.Err = errNodeOut
	return motan.Answered
}

// Reply counts failures in a row.
func (f *Failfast) Reply(c *motan.Call) {
	x, k := f.get(), f.node(c)
	switch judge(c, x.biz) {
	case good:
		if k.failures.Load() != 0 {
			k.failures.Store(0)
			k.out.Store(false)
		}
	case bad:
		if k.failures.Add(1) >= x.errors {
			k.next.Store(c.Now() + int64(x.pause))
			k.out.Store(true)
		}
	}
}
