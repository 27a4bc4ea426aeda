package filters

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Concurrency limits how many calls of a service are in flight at once; further ones are
// refused with errcode 10002, before they queue up where they cost memory and time.
//
// With concurrency.adaptive the limit follows the answer times: ten times a second it is
// compared how long calls take with how long they usually take when little is in flight. It
// shrinks when they take over half as long again, and grows while they do not and the limit
// is used. It comes to rest where queueing adds two thirds to the answer time.
//
// Settings:
//   - concurrency.limit: calls at once; where it is adaptive, where it begins; default 1000
//   - concurrency.adaptive: default false
//   - concurrency.min, concurrency.max: between which it adapts; default 4 and 10000
//
// Metrics: motand_filter_calls_total with the result refused, motand_filter_state with limit
// and in_flight.
//
// Example:
//
//	motan-service:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    export: "motan2:9982"
//	    proxy: "motan2:8100"
//	    filter: "concurrency"
//	    concurrency.limit: 100
//	    concurrency.adaptive: true
//	    concurrency.max: 400
type Concurrency struct {
	knobs[concurrencySettings]
	state *concurrencyState
}

type concurrencySettings struct {
	limit    int64
	adaptive bool
	min, max float64
}

type concurrencyState struct {
	override[concurrencySettings]
	inFlight atomic.Int64
	refused  atomic.Int64
	limit    gradient
}

func (s *concurrencyState) report(count func(string, int64), state func(string, float64)) {
	count("refused", s.refused.Load())
	state("limit", float64(s.limit.now.Load()))
	state("in_flight", float64(s.inFlight.Load()))
}

var _ motan.Filter = (*Concurrency)(nil)

// NewConcurrency is the filter "concurrency".
func NewConcurrency(s Settings) (motan.Filter, error) {
	if err := s.check("concurrency"); err != nil {
		return nil, err
	}
	f := &Concurrency{state: shared[concurrencyState](s, "concurrency")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *concurrencySettings {
		x := &concurrencySettings{
			limit:    int64(p.int("concurrency.limit", 1000, 1, 1_000_000)),
			adaptive: p.bool("concurrency.adaptive", false),
			min:      p.float("concurrency.min", 4, 1, 1e6),
			max:      p.float("concurrency.max", 10_000, 1, 1e6),
		}
		if x.min > x.max {
			p.fail("concurrency.min", "%g is more than concurrency.max, which is %g", x.min, x.max)
		}
		return x
	})
	return f, err
}

var errTooManyAtOnce = motan.Errorf(motan.KindRefused, motan.CodeRejected, "too many calls of the service at once")

// Request lets the call pass while there is room.
func (f *Concurrency) Request(c *motan.Call) motan.Verdict {
	x := f.get()
	limit := x.limit
	if x.adaptive {
		limit = f.state.limit.get(x)
	} else if f.state.limit.now.Load() != limit {
		f.state.limit.now.Store(limit) // for metrics
	}
	n := f.state.inFlight.Add(1)
	if n > limit {
		f.state.inFlight.Add(-1)
		f.state.refused.Add(1)
		c.Err = errTooManyAtOnce
		return motan.Answered
	}
	if x.adaptive && n*2 > limit {
		f.state.limit.used.Store(true)
	}
	return motan.Next
}

// Reply makes room, and looks how long the call took.
func (f *Concurrency) Reply(c *motan.Call) {
	f.state.inFlight.Add(-1)
	if x := f.get(); x.adaptive && judge(c, false) != neutral {
		now := c.Now()
		f.state.limit.sample(now, now-c.Start, x)
	}
}

// gradient is a limit that follows answer times.
type gradient struct {
	now   atomic.Int64 // the limit; 0 before the first call
	used  atomic.Bool  // since the last change over half of it was in use
	sum   atomic.Int64 // of the answer times since then
	count atomic.Int64
	since atomic.Int64

	mu    sync.Mutex
	exact float64 // guarded by mu; the limit
	long  float64 // guarded by mu; nanoseconds that a call usually takes when little is in flight
}

const (
	gradientPeriod  = 100 * time.Millisecond
	gradientSamples = 10   // below which a period says nothing
	gradientPatient = 1.5  // how much longer than usual a call may take
	gradientFaster  = 0.2  // weight of a period in what is usual, when it is faster
	gradientSlower  = 0.05 // and when it is slower
	gradientSmooth  = 0.2  // weight of a new limit
)

func (g *gradient) get(x *concurrencySettings) int64 {
	if n := g.now.Load(); n != 0 {
		return min(max(n, int64(x.min)), int64(x.max))
	}
	g.now.CompareAndSwap(0, x.limit)
	return g.now.Load()
}

// sample notes that a call took d; the first one after a period changes the limit.
func (g *gradient) sample(now, d int64, x *concurrencySettings) {
	g.sum.Add(d)
	n := g.count.Add(1)
	since := g.since.Load()
	if now-since < int64(gradientPeriod) || n < gradientSamples || !g.since.CompareAndSwap(since, now) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	mean := float64(g.sum.Swap(0)) / float64(max(g.count.Swap(0), 1))
	g.change(max(mean, 1), x)
}

// change takes the mean answer time of a period into account. Caller holds mu.
func (g *gradient) change(mean float64, x *concurrencySettings) {
	if g.exact == 0 {
		g.exact = float64(g.now.Load())
	}
	used := g.used.Swap(false)
	switch {
	case g.long == 0:
		g.long = mean
	case mean < g.long:
		g.long += (mean - g.long) * gradientFaster
	case !used || g.exact <= x.min: // nothing queues here: the provider itself takes longer than it did
		g.long += (mean - g.long) * gradientSlower
	}
	slope := min(max(gradientPatient*g.long/mean, 0.5), 1)
	if slope >= 1 && !used {
		return // not even the half was in use: nobody knows whether more would fit
	}
	next := g.exact*slope + math.Sqrt(g.exact)
	g.exact = min(max(g.exact+(next-g.exact)*gradientSmooth, x.min), x.max)
	g.now.Store(int64(g.exact))
}
