package filters

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// maxPanics is how often a filter may panic before it is cut out. Each is logged with its
// stack, so that the limit bounds the log as well.
const maxPanics = 10

// Guard stands around a filter that may be anybody's: where the filter panics, that call alone
// fails, with errcode 500. After ten times the filter is cut out: calls pass as if it were not
// there, or all fail where it is [Essential]. A new configuration does not bring it back, a
// restart does. A filter must not panic after it has handed a call on that it held.
//
// Metrics: motand_filter_calls_total with the result panicked, and motand_filter_state with
// the state cut_out, under the filter's own name.
type Guard struct {
	name  string
	inner motan.Filter
	state *guardState
	log   *slog.Logger
	err   *motan.Error
	must  bool
}

// Essential is a filter without which no call may pass: it guards something.
type Essential interface{ Essential() }

func isEssential(f motan.Filter) bool {
	if w, ok := f.(*When); ok {
		f = w.Unwrap()
	}
	_, is := f.(Essential)
	return is
}

type guardState struct {
	panics atomic.Int64
	out    atomic.Bool
}

func (s *guardState) report(count func(string, int64), state func(string, float64)) {
	if n := s.panics.Load(); n > 0 {
		count("panicked", n)
	}
	if s.out.Load() {
		state("cut_out", 1)
	}
}

var _ motan.Guard = (*Guard)(nil)

// NewGuard returns f, which the configuration names so, behind a guard. log may be nil.
func NewGuard(name string, f motan.Filter, s Settings, log *slog.Logger) *Guard {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	must := isEssential(f)
	s.ID += "\x00guard" // a state beside the filter's own
	return &Guard{
		name: name, inner: f, state: shared[guardState](s, name), log: log, must: must,
		err: motan.Errorf(motan.KindOther, motan.CodeInternal, "filter %s failed", name),
	}
}

// Name is the filter's name in the configuration.
func (g *Guard) Name() string { return g.name }

// Filter is what stands behind the guard, cut out or not.
func (g *Guard) Filter() motan.Filter { return g.inner }

// Unguarded is the filter, or what takes its place once it is cut out.
func (g *Guard) Unguarded() motan.Filter {
	if g.state.out.Load() {
		return g.instead()
	}
	return g.inner
}

// Request is the filter's.
func (g *Guard) Request(c *motan.Call) motan.Verdict { return g.Unguarded().Request(c) }

// Reply is the filter's.
func (g *Guard) Reply(c *motan.Call) { g.Unguarded().Reply(c) }

// Caught counts a panic.
func (g *Guard) Caught(value any) (err *motan.Error, instead motan.Filter) {
	n := g.state.panics.Add(1)
	if n <= maxPanics {
		g.log.Error("filters: a filter panicked, the call fails", "filter", g.name, "panic", fmt.Sprintf("%.500v", value), "times", n, "stack", string(debug.Stack()))
	}
	if n < maxPanics {
		return g.err, nil
	}
	if !g.state.out.Swap(true) {
		g.log.Error("filters: a filter panicked too often and is cut out until a restart", "filter", g.name, "calls_fail", g.must)
	}
	return g.err, g.instead()
}

func (g *Guard) instead() motan.Filter {
	if g.must {
		return refusing{g.err}
	}
	return refusing{}
}

// refusing fails calls with err, or lets them pass where that is nil.
type refusing struct{ err *motan.Error }

func (r refusing) Request(c *motan.Call) motan.Verdict {
	if r.err == nil {
		return motan.Next
	}
	c.Err = r.err
	return motan.Answered
}

func (refusing) Reply(*motan.Call) {}
