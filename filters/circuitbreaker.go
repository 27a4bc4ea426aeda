package filters

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// CircuitBreaker keeps calls away from a node whose calls fail: when enough of the last ten
// seconds' calls did, its circuit opens and further calls are tried elsewhere at once, or fail
// with errcode 400. After a while probes are let through: the circuit closes when they end well and
// stays open when one does not. Calls that failed because of their caller, or that a limit here
// refused, say nothing about the node. In a service, which has one provider, there is one
// circuit.
//
// "clusterCircuitBreaker" is the same around the whole call: one circuit for the service.
//
// Settings, as in motan-go:
//   - circuitBreaker.requestThreshold: calls in ten seconds below which it stays closed; default 20
//   - circuitBreaker.errorPercent: share of failures that opens it; default 50
//   - circuitBreaker.sleepWindow: ms until it is tried again; default 5000
//   - circuitBreaker.maxConcurrent: calls at once, more are refused; default 5000
//   - circuitBreaker.bizException: exceptions that the implementation throws are failures; default true
//   - circuitBreaker.probes: how many must end well; default 1 (motand's own)
//
// Metrics: motand_filter_calls_total with the results short_circuited, over_concurrency, opened
// (which counts openings) and probed, motand_filter_state with open and half_open: how many nodes.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "circuitBreaker"
//	    circuitBreaker.requestThreshold: 20
//	    circuitBreaker.sleepWindow: 5000
//	    circuitBreaker.errorPercent: 50
//	    circuitBreaker.bizException: false
type CircuitBreaker struct {
	knobs[breakerSettings]
	state *breakerState
	whole bool
}

type breakerSettings struct {
	circuitRule
	concurrent int64
	biz        bool
}

type breakerState struct {
	override[breakerSettings]
	nodes   perName[circuit]
	short   atomic.Int64
	over    atomic.Int64
	opened  atomic.Int64
	probed  atomic.Int64
	unnamed circuit // of the whole service
}

func (s *breakerState) report(count func(string, int64), state func(string, float64)) {
	count("short_circuited", s.short.Load())
	count("over_concurrency", s.over.Load())
	count("opened", s.opened.Load())
	count("probed", s.probed.Load())
	var n [halfOpen + 1]int
	n[s.unnamed.state.Load()]++
	s.nodes.each(func(_ string, k *circuit) { n[k.state.Load()]++ })
	state("open", float64(n[open]))
	state("half_open", float64(n[halfOpen]))
}

var _ motan.Filter = (*CircuitBreaker)(nil)

// NewCircuitBreaker is the filter "circuitBreaker".
func NewCircuitBreaker(s Settings) (motan.Filter, error) {
	return newBreaker(s, "circuitBreaker", false)
}

// NewClusterCircuitBreaker is the filter "clusterCircuitBreaker".
func NewClusterCircuitBreaker(s Settings) (motan.Filter, error) {
	return newBreaker(s, "clusterCircuitBreaker", true)
}

func newBreaker(s Settings, name string, whole bool) (motan.Filter, error) {
	if err := s.check(name); err != nil {
		return nil, err
	}
	f := &CircuitBreaker{state: shared[breakerState](s, name), whole: whole}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *breakerSettings {
		return &breakerSettings{
			circuitRule: circuitRule{
				requests: p.int("circuitBreaker.requestThreshold", 20, 1, maxCapacity),
				percent:  p.int("circuitBreaker.errorPercent", 50, 1, 100),
				sleep:    max(p.millis("circuitBreaker.sleepWindow", 5*time.Second), time.Millisecond),
				probes:   p.int("circuitBreaker.probes", 1, 1, 1000),
			},
			concurrent: int64(p.int("circuitBreaker.maxConcurrent", 5000, 1, maxCapacity)),
			biz:        p.bool("circuitBreaker.bizException", true),
		}
	})
	return f, err
}

// What callers are told, in the words of the library that motan-go uses. Nothing of such a
// call was sent, so that the cluster may send it to another node.
var (
	errCircuitOpen = motan.Errorf(motan.KindNotSent, motan.CodeDefault, "hystrix: circuit open")
	errConcurrency = motan.Errorf(motan.KindNotSent, motan.CodeDefault, "hystrix: max concurrency")
)

// circuit returns the circuit that a call counts for, and when the call began.
func (f *CircuitBreaker) circuit(c *motan.Call) (k *circuit, began int64) {
	if f.whole {
		return &f.state.unnamed, c.Start
	}
	return of(&f.state.nodes, c.Endpoint, func(k *circuit) bool { return k.idle(motan.Now()) }), c.AttemptStart
}

// Request lets the call pass while the circuit is closed, or as a probe.
func (f *CircuitBreaker) Request(c *motan.Call) motan.Verdict {
	x := f.get()
	k, began := f.circuit(c)
	if k.inFlight.Add(1) > x.concurrent {
		k.inFlight.Add(-1)
		f.state.over.Add(1)
		c.Err = errConcurrency
		return motan.Answered
	}
	probe := k.state.Load() != closed
	if !k.admit(c.Now(), began, &x.circuitRule) {
		k.inFlight.Add(-1)
		f.state.short.Add(1)
		c.Err = errCircuitOpen
		return motan.Answered
	}
	if probe {
		f.state.probed.Add(1)
	}
	return motan.Next
}

// Reply notes how the call ended.
func (f *CircuitBreaker) Reply(c *motan.Call) {
	x := f.get()
	k, began := f.circuit(c)
	k.inFlight.Add(-1)
	if k.end(c.Now(), began, judge(c, x.biz), &x.circuitRule) {
		f.state.opened.Add(1)
	}
}
