package filters

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Degrade answers calls itself while their service is in trouble: it refuses them, gives a
// configured value, the last good answer to the same request, or asks another service.
//
// It does so for the calls that the switch <id of the entry>_degrade is on for (off by default;
// a share or some callers, if so set), where degrade.force is true, and by itself while a
// condition holds: then for 95 in 100 calls, the rest shows how things are. When these have
// fared well for degrade.recover, with half the limits, ten in a hundred more pass each second.
//
// Settings, the first six also of one method:
//   - degrade.answer: refuse (default; errcode 503), value, cache, or fallback; where there
//     is no answer of the kind, calls are refused
//   - degrade.value: the answer as JSON, in the form that HTTP callers see; text in quotes
//   - degrade.exception: instead an exception, such as 503 out of stock
//   - degrade.cacheAge: how old a last good answer may be, in ms; default 60000
//   - degrade.fallback: a service that a refer names, or service@group
//   - degrade.onFailure: true gives the value or the last good answer to calls that failed as
//     well; default false
//   - degrade.force: true degrades all calls; default false
//   - degrade.errorPercent: share of failures in ten seconds; default 0, which is no condition
//   - degrade.requestThreshold: calls in ten seconds below which shares say nothing; default 20
//   - degrade.p99: ms that one call of a hundred may take; default 0, which is no condition
//   - degrade.inFlight: calls at once; default 0, which is no condition
//   - degrade.cpu: percent of the host's processors that are busy, four fifths of it until it
//     ends; default 0, which is no condition
//   - degrade.recover: ms until it begins to end; default 5000
//
// Metrics: motand_filter_calls_total with the results refused, value, cached and fallback;
// motand_filter_state with degraded_percent and remembered.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "degrade"
//	    degrade.answer: cache
//	    degrade.errorPercent: 50
//	    count().degrade.answer: value
//	    count().degrade.value: '{"$type":"int32","value":0}'
type Degrade struct {
	knobs[degradeSettings]
	state   *degradeState
	on      *Switch
	service string
	route   func(service, group string) motan.Handler
}

type degradeSettings struct {
	methods *byMethod[degradeAnswer]
	force   bool
	rule    brownoutRule
}

type degradeAnswer struct {
	how            string
	value          *fixed
	age            time.Duration
	service, group string // the fallback
	onFailure      bool
}

type degradeState struct {
	override[degradeSettings]
	brownout brownout
	good     lastGood
	refused  atomic.Int64
	values   atomic.Int64
	cached   atomic.Int64
	fallback atomic.Int64
}

func (s *degradeState) report(count func(string, int64), state func(string, float64)) {
	count("refused", s.refused.Load())
	count("value", s.values.Load())
	count("cached", s.cached.Load())
	count("fallback", s.fallback.Load())
	state("degraded_percent", float64(s.brownout.share.Load()))
	state("remembered", float64(s.good.size()))
}

var _ motan.Filter = (*Degrade)(nil)

// NewDegrade is the filter "degrade".
func NewDegrade(s Settings) (motan.Filter, error) {
	if err := s.check("degrade"); err != nil {
		return nil, err
	}
	f := &Degrade{
		state: shared[degradeState](s, "degrade"), on: s.Switches.Register(s.ID+"_degrade", false),
		service: s.Service, route: s.Route,
	}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, readDegrade)
	return f, err
}

func readDegrade(p *params) *degradeSettings {
	return &degradeSettings{
		methods: readMethods(p, readDegradeAnswer, "degrade.answer", "degrade.value", "degrade.exception",
			"degrade.cacheAge", "degrade.fallback", "degrade.onFailure"),
		force: p.bool("degrade.force", false),
		rule: brownoutRule{
			errorPercent: p.int("degrade.errorPercent", 0, 0, 100),
			requests:     p.int("degrade.requestThreshold", 20, 1, maxCapacity),
			p99:          p.millis("degrade.p99", 0),
			inFlight:     p.int("degrade.inFlight", 0, 0, maxCapacity),
			cpu:          p.float("degrade.cpu", 0, 0, 100),
			recover:      p.millis("degrade.recover", 5*time.Second),
		},
	}
}

func readDegradeAnswer(p *params) degradeAnswer {
	x := degradeAnswer{
		how:       p.oneOf("degrade.answer", "refuse", "refuse", "value", "cache", "fallback"),
		value:     readFixed(p, "degrade"),
		age:       p.millis("degrade.cacheAge", time.Minute),
		onFailure: p.bool("degrade.onFailure", false),
	}
	_, key := p.look("degrade.answer")
	x.service, x.group, _ = strings.Cut(p.string("degrade.fallback", ""), "@")
	if x.how == "value" && x.value == nil {
		p.fail(key, "there is no value to answer with: write degrade.value or degrade.exception")
	}
	if x.how == "fallback" && x.service == "" {
		p.fail(key, "there is no service to fall back to: write degrade.fallback")
	}
	return x
}

var errDegraded = motan.Errorf(motan.KindRefused, motan.CodeUnavailable, "the service is degraded")

// Request answers the call if it is to be degraded.
func (f *Degrade) Request(c *motan.Call) motan.Verdict {
	x := f.get()
	if x.force || f.on.OnFor(c) || f.state.brownout.degrades(c.Now(), &x.rule) {
		return f.degrade(c, x.methods.of(c))
	}
	f.state.brownout.inFlight.Add(1)
	return motan.Next
}

func (f *Degrade) degrade(c *motan.Call, x *degradeAnswer) motan.Verdict {
	if x.how == "fallback" && f.fallBack(c, x) {
		return motan.Held
	}
	if !f.answer(c, x) {
		f.state.refused.Add(1)
		c.Err = errDegraded
	}
	return motan.Answered
}

// answer gives the answer of the kind that is configured, where there is one.
func (f *Degrade) answer(c *motan.Call, x *degradeAnswer) bool {
	switch {
	case x.how == "value" && x.value.answer(c):
		f.state.values.Add(1)
		return true
	case x.how == "cache" && f.state.good.answer(c, c.Now(), x.age):
		f.state.cached.Add(1)
		return true
	}
	return false
}

// fallbackMark is in the metadata of a call that fell back, which it does once only: two
// services may be the fallback of each other.
const fallbackMark = "motand-fallback"

// fallBack hands the call to the other service, if there is a refer for it. Its end comes
// back by Reply.
func (f *Degrade) fallBack(c *motan.Call, x *degradeAnswer) bool {
	if f.route == nil || x.service == f.service || c.Request.Get(fallbackMark) != nil {
		return false
	}
	h := f.route(x.service, x.group)
	if h == nil {
		return false
	}
	f.state.fallback.Add(1)
	c.Request.Set(fallbackMark, "1")
	c.Request.Set("M_p", x.service)
	c.Service = x.service
	h.Handle(c)
	return true
}

// Reply notes how the call ended, and keeps good answers.
func (f *Degrade) Reply(c *motan.Call) {
	if c.Service != f.service { // it fell back
		return
	}
	f.state.brownout.inFlight.Add(-1)
	x, now := f.get(), c.Now()
	v := judge(c, false)
	f.state.brownout.end(now, time.Duration(now-c.Start), v, &x.rule)
	m := x.methods.of(c)
	switch {
	case v == bad && m.onFailure:
		f.answer(c, m)
	case m.how == "cache" && c.Err == nil && !c.Reply.Failed():
		f.state.good.keep(c, now, m.age)
	}
}
