package filters

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// RateLimit lets so many calls a second through: of a service, of single methods, and of each
// caller. As in motan-go it stands around the attempts, so that each node of a refer has a
// limit of its own, and a call for which there is no token waits for one, but not longer than
// its time-out; here it is held and no goroutine waits with it. It is refused with errcode 400
// otherwise.
//
// Settings:
//   - rateLimit: calls per second; 0, the default, is no limit
//   - rateLimit.<method>: of one method; a call needs a token of both
//   - capacity: how many calls may come at once; default twice the rate, 1000 to 5000; of a
//     method as <method>().capacity
//   - rateLimitCaller: calls per second of each calling application (M_s)
//   - rateLimitCaller.<application>: of one of them
//   - rateLimitCallerCapacity: how many calls of a caller may come at once; default twice its rate
//   - rateLimitScope: agent (default): each agent lets so many through; fleet: all agents together
//     that export the service, or that refer to it, each an equal part, by the number that the
//     registry tells. More agents count at once, fewer within ten seconds, and none is not
//     believed. For refers the registry is zookeeper, which is asked every ten seconds for those
//     who show themselves as callers, programs without an agent among them; elsewhere each agent
//     lets all of it through, and says so in the log
//   - rateLimitReject: true refuses where motan-go waits; default false
//   - rateLimitMaxWaiting: how many calls may wait; default 10000
//   - requestTimeout: how long a call waits, in ms, also of one method; M_tmo counts for methods
//
// The switch <id of the entry>_rateLimit, which is on by default, switches it off.
//
// Metrics: motand_filter_calls_total with the results refused and waited,
// motand_filter_state with waiting.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "rateLimit"
//	    rateLimit: 1000
//	    rateLimit.export: 5
//	    export().capacity: 10
//	    rateLimitCaller: 200
//	    rateLimitCaller.shop-web: 600
type RateLimit struct {
	knobs[rateSettings]
	state *rateState
	on    *Switch
	fleet *Fleet
}

type rateSettings struct {
	whole    *limit
	methods  map[string]*limit
	caller   *limit
	callers  map[string]*limit
	timeouts *byMethod[time.Duration]
	reject   bool
	fleet    bool // limits are those of all agents together
	waiting  int64
}

// limit is a rate and what a call is told that is over it.
type limit struct {
	rate
	err *motan.Error
}

// rateState is the buckets, for each node those of the service, its methods and its callers.
type rateState struct {
	override[rateSettings]
	nodes   perName[nodeBuckets]
	held    held
	refused atomic.Int64
	waited  atomic.Int64
}

type nodeBuckets struct {
	whole   bucket
	methods perName[bucket] // of configured methods only
	callers perName[bucket]
}

// idle tells whether every bucket is full.
func (n *nodeBuckets) idle(now int64) bool {
	full := n.whole.idle(now)
	and := func(_ string, b *bucket) { full = full && b.idle(now) }
	n.methods.each(and)
	n.callers.each(and)
	return full
}

func (s *rateState) report(count func(string, int64), state func(string, float64)) {
	count("refused", s.refused.Load())
	count("waited", s.waited.Load())
	state("waiting", float64(s.held.count()))
}

var _ motan.Filter = (*RateLimit)(nil)

// NewRateLimit is the filter "rateLimit".
func NewRateLimit(s Settings) (motan.Filter, error) {
	if err := s.check("rateLimit"); err != nil {
		return nil, err
	}
	f := &RateLimit{state: shared[rateState](s, "rateLimit"), on: s.Switches.Register(s.ID+"_rateLimit", true), fleet: s.Fleet}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *rateSettings {
		x := readRateLimit(p)
		switch {
		case x.fleet && s.Fleet == nil:
			p.fail("rateLimitScope", "fleet needs an agent, which knows of the others")
		case x.fleet && s.Fleet.Demand != nil:
			s.Fleet.Demand()
		}
		return x
	})
	return f, err
}

const maxRate = 1e8 // calls per second; beyond, a token takes less than the clock tells apart

func readRateLimit(p *params) *rateSettings {
	x := &rateSettings{
		reject:  p.bool("rateLimitReject", false),
		fleet:   p.oneOf("rateLimitScope", "agent", "agent", "fleet") == "fleet",
		waiting: int64(p.int("rateLimitMaxWaiting", 10_000, 0, 1_000_000)),
		timeouts: readMethods(p, func(p *params) time.Duration {
			return max(p.millis("requestTimeout", time.Second), time.Millisecond)
		}, "requestTimeout"),
	}
	capacityOf := func(p *params, perSecond float64) int {
		return p.int("capacity", int(min(max(2*perSecond, 1000), 5000)), 1, maxCapacity)
	}
	if n := p.float("rateLimit", 0, 0, maxRate); n > 0 {
		x.whole = &limit{newRate(n, capacityOf(p, n)), tooMany("[rateLimit] wait time exceed timeout(%s)", x.timeouts.whole)}
	}
	x.methods = readLimits(p, "rateLimit.", func(name string, n float64) *limit {
		own := params{text: p.text, method: name + "()."}
		if own.text[own.method+"capacity"] == "" { // that of the service is not the method's
			own.text = nil
		}
		l := &limit{newRate(n, capacityOf(&own, n)), tooMany("[rateLimit] method %.256s wait time exceed timeout", name)}
		p.errs = append(p.errs, own.errs...)
		return l
	})
	callerLimit := func(name string, n float64) *limit {
		capacity := p.int("rateLimitCallerCapacity", int(max(2*n, 1)), 1, maxCapacity)
		return &limit{newRate(n, capacity), tooMany("[rateLimit] caller %.256s wait time exceed timeout", name)}
	}
	if n := p.float("rateLimitCaller", 0, 0, maxRate); n > 0 {
		x.caller = callerLimit("", n)
	}
	x.callers = readLimits(p, "rateLimitCaller.", callerLimit)
	return x
}

const maxCapacity = 2147483647

func tooMany(format string, args ...any) *motan.Error {
	return motan.Errorf(motan.KindRefused, motan.CodeDefault, format, args...)
}

// readLimits reads the rates whose keys begin with prefix, by the rest of the key.
func readLimits(p *params, prefix string, read func(name string, perSecond float64) *limit) map[string]*limit {
	var all map[string]*limit
	for key := range p.text {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok || name == "" || name == "when" { // which says for which calls, see When
			continue
		}
		if n := p.float(key, 0, 0, maxRate); n > 0 {
			if all == nil {
				all = make(map[string]*limit)
			}
			all[name] = read(name, n)
		}
	}
	return all
}

// claim is a token taken.
type claim struct {
	b *bucket
	r rate
}

// Request takes the tokens of a call: of the service, of its method, of its caller.
func (f *RateLimit) Request(c *motan.Call) motan.Verdict {
	if !f.on.OnFor(c) {
		return motan.Next
	}
	x, now := f.get(), c.Now()
	node := of(&f.state.nodes, c.Endpoint, func(n *nodeBuckets) bool { return n.idle(now) })
	idle := func(b *bucket) bool { return b.idle(now) }
	patience := time.Duration(0)
	if !x.reject {
		patience = x.patience(c)
	}
	var taken [3]claim
	var longest time.Duration
	n := 0
	take := func(l *limit, b *bucket, patience time.Duration) bool {
		r := l.rate
		if x.fleet {
			r = r.over(f.fleet.at(now))
		}
		wait, ok := b.take(now, r, patience)
		if !ok {
			c.Err = l.err
			return false
		}
		taken[n] = claim{b, r}
		n++
		longest = max(longest, wait)
		return true
	}
	fits := x.whole == nil || take(x.whole, &node.whole, min(patience, x.timeouts.whole))
	if l := x.methods[string(c.Request.Method())]; fits && l != nil {
		fits = take(l, of(&node.methods, c.Request.Method(), idle), patience)
	}
	if l := x.callerLimit(c.Request.Source()); fits && l != nil {
		fits = take(l, of(&node.callers, c.Request.Source(), idle), patience)
	}
	if fits && longest == 0 {
		return motan.Next
	}
	if fits {
		f.state.waited.Add(1)
		if f.state.held.hold(c, longest, x.waiting, (*motan.Call).Resume) {
			return motan.Held
		}
		f.state.waited.Add(-1)
		c.Err = errWaiting
	}
	for _, t := range taken[:n] {
		t.b.untake(t.r)
	}
	f.state.refused.Add(1)
	return motan.Answered
}

var errWaiting = tooMany("[rateLimit] too many calls wait already")

// patience is how long a call may wait: what its caller says, else the time-out of its method.
func (x *rateSettings) patience(c *motan.Call) time.Duration {
	if asked := c.Request.TimeoutMillis(); asked > 0 {
		return min(time.Duration(asked)*time.Millisecond, time.Minute)
	}
	return *x.timeouts.of(c)
}

func (x *rateSettings) callerLimit(caller []byte) *limit {
	if l := x.callers[string(caller)]; l != nil {
		return l
	}
	return x.caller
}

// Reply does nothing.
func (*RateLimit) Reply(*motan.Call) {}
