package filters

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Mock answers calls without asking anybody: for tests, and for services that are still to be
// written. A method that has no answer is called as ever.
//
// Settings, also of one method:
//   - mock.value: the answer as JSON, in the form that HTTP callers see; text in quotes
//   - mock.exception: instead an exception, such as 404 no such user
//   - mock.delay: ms until it answers, at most 60000; default 0
//   - mock.callers: applications (M_s) that get it; default all
//
// Callers that use another serialization than simple are answered with exceptions only; for
// values they are refused with errcode 501.
//
// Metrics: motand_filter_calls_total with the results answered and refused.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "mock"
//	    hello().mock.value: '{"text":"hello","count":{"$type":"int32","value":1}}'
//	    find().mock.exception: 404 no such user
type Mock struct {
	knobs[byMethod[mockSettings]]
	state *mockState
}

type mockSettings struct {
	value   *fixed
	delay   time.Duration
	callers []string
}

type mockState struct {
	override[byMethod[mockSettings]]
	held     held
	answered atomic.Int64
	refused  atomic.Int64
}

func (s *mockState) report(count func(string, int64), _ func(string, float64)) {
	count("answered", s.answered.Load())
	count("refused", s.refused.Load())
}

var _ motan.Filter = (*Mock)(nil)

// NewMock is the filter "mock".
func NewMock(s Settings) (motan.Filter, error) {
	if err := s.check("mock"); err != nil {
		return nil, err
	}
	f := &Mock{state: shared[mockState](s, "mock")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *byMethod[mockSettings] {
		return readMethods(p, func(p *params) mockSettings {
			x := mockSettings{value: readFixed(p, "mock"), delay: p.millis("mock.delay", 0), callers: p.list("mock.callers")}
			if x.delay > maxFaultDelay {
				_, key := p.look("mock.delay")
				p.fail(key, "%s is more than %s", x.delay, maxFaultDelay)
			}
			return x
		}, "mock.value", "mock.exception", "mock.delay", "mock.callers")
	})
	return f, err
}

var errMockSerialization = motan.Errorf(motan.KindRefused, motan.CodeUnsupported, "the mock answers in the simple serialization only")

// Request answers the call, where there is an answer.
func (f *Mock) Request(c *motan.Call) motan.Verdict {
	x := f.get().of(c)
	if x.value == nil || len(x.callers) > 0 && !has(x.callers, c.Request.Source()) {
		return motan.Next
	}
	if !x.value.answer(c) {
		f.state.refused.Add(1)
		c.Err = errMockSerialization
		return motan.Answered
	}
	f.state.answered.Add(1)
	if x.delay > 0 && f.state.held.hold(c, x.delay, maxFaultHeld, (*motan.Call).End) {
		return motan.Held
	}
	return motan.Answered
}

// Reply does nothing.
func (*Mock) Reply(*motan.Call) {}
