package motan_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// journal notes what filters, handlers and edges see, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, " ")
}

// step is a filter that notes both phases and decides as request says; nil means Next.
type step struct {
	name    string
	log     *journal
	request func(c *motan.Call) motan.Verdict
}

func (s step) Request(c *motan.Call) motan.Verdict {
	s.log.add("%s>", s.name)
	if s.request == nil {
		return motan.Next
	}
	return s.request(c)
}

func (s step) Reply(*motan.Call) { s.log.add("<%s", s.name) }

func answered(body string) func(*motan.Call) motan.Verdict {
	return func(c *motan.Call) motan.Verdict {
		c.Reply.SetBody([]byte(body))
		return motan.Answered
	}
}

func TestChainOrder(t *testing.T) {
	tests := []struct {
		name    string
		a, b, c func(*motan.Call) motan.Verdict
		want    string
	}{
		{"all go on", nil, nil, nil, "a> b> c> P <c <b <a"},
		{"the first answers", answered("x"), nil, nil, "a>"},
		{"the second answers", nil, answered("x"), nil, "a> b> <a"},
		{"the last answers", nil, nil, answered("x"), "a> b> c> <b <a"},
		{"one refuses", nil, func(c *motan.Call) motan.Verdict {
			c.Err = motan.Errorf(motan.KindRefused, motan.CodeRejected, "no")
			return motan.Answered
		}, nil, "a> b> <a"},
		{"one holds and goes on at once", nil, func(c *motan.Call) motan.Verdict {
			c.Resume()
			return motan.Held
		}, nil, "a> b> c> P <c <b <a"},
		{"one holds and ends", nil, func(c *motan.Call) motan.Verdict {
			c.Fail(motan.Errorf(motan.KindRefused, motan.CodeRejected, "no"))
			return motan.Held
		}, nil, "a> b> <b <a"},
		{"each holds", held, held, held, "a> b> c> P <c <b <a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := new(journal)
			provider := motan.HandlerFunc(func(c *motan.Call) {
				log.add("P")
				c.End()
			})
			h := motan.NewChain(provider, step{"a", log, tt.a}, step{"b", log, tt.b}, step{"c", log, tt.c})
			for range 2 { // a chain has no state of a call
				*log = journal{}
				c := do(t, h, motan.NewCall())
				c.Release()
				if got := log.String(); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// held keeps the call and lets another goroutine resume it.
func held(c *motan.Call) motan.Verdict {
	go c.Resume()
	return motan.Held
}

// TestResumeLeavesTheBatch holds that a call which is resumed on another goroutine does not
// write into the batch of the reader that it came from.
func TestResumeLeavesTheBatch(t *testing.T) {
	var seen *motan.Batch
	provider := motan.HandlerFunc(func(c *motan.Call) {
		seen = c.Batch
		c.End()
	})
	c := motan.NewCall()
	c.Batch = &motan.Batch{Now: 1}
	if do(t, motan.NewChain(provider, step{"a", new(journal), held}), c); seen != nil {
		t.Error("the provider was given the batch of a reader that goes on")
	}
}

func TestChainWithoutFiltersIsNext(t *testing.T) {
	next := new(motan.Chain)
	if got := motan.NewChain(next); got != motan.Handler(next) {
		t.Errorf("got %v", got)
	}
}

func TestNestedChains(t *testing.T) {
	log := new(journal)
	provider := motan.HandlerFunc(func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindTimeout, 400, "late")) })
	inner := motan.NewChain(provider, step{"c", log, held}, step{"d", log, held})
	h := motan.NewChain(inner, step{"a", log, held}, step{"b", log, nil})
	c := do(t, h, motan.NewCall())
	if got, want := log.String(), "a> b> c> d> <d <c <b <a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if kindOf(c) != "timeout" {
		t.Errorf("error: got %v", c.Err)
	}
}

// retrying hands the call to next until an attempt succeeds, as a cluster does.
type retrying struct {
	next motan.Handler
	max  int
}

func (r retrying) Handle(c *motan.Call) {
	c.Push(r, 1)
	r.next.Handle(c)
}

func (r retrying) Return(c *motan.Call, attempt int) bool {
	if c.Err == nil || attempt == r.max {
		return true
	}
	c.Retry()
	c.Push(r, attempt+1)
	r.next.Handle(c)
	return false
}

func TestRetry(t *testing.T) {
	for succeeds := 1; succeeds <= 4; succeeds++ {
		log := new(journal)
		tries := 0
		provider := motan.HandlerFunc(func(c *motan.Call) {
			tries++
			if c.Err != nil || len(c.Reply.Body()) > 0 {
				t.Error("an attempt begins with the outcome of the one before")
			}
			c.Reply.SetBody([]byte("half"))
			if tries < succeeds {
				c.Fail(motan.Errorf(motan.KindBroken, 400, "no"))
				return
			}
			c.Reply.SetBody([]byte("whole"))
			c.End()
		})
		attempts := motan.NewChain(provider, step{"attempt", log, nil})
		h := motan.NewChain(retrying{attempts, 3}, step{"call", log, nil})
		c := do(t, h, motan.NewCall())
		want := []string{"call>"}
		for range min(succeeds, 3) {
			want = append(want, "attempt>", "<attempt")
		}
		want = append(want, "<call")
		if got := log.String(); got != strings.Join(want, " ") {
			t.Errorf("success %d: got %q, want %q", succeeds, got, want)
		}
		if ok := c.Err == nil && string(c.Reply.Body()) == "whole"; ok != (succeeds <= 3) {
			t.Errorf("success %d: got %v, %q", succeeds, c.Err, c.Reply.Body())
		}
	}
}

// noting is an edge, or a filter with state, that notes the mark it pushed.
type noting struct {
	log  *journal
	name string
	keep bool
}

func (n noting) Return(_ *motan.Call, mark int) bool {
	n.log.add("%s%d", n.name, mark)
	return !n.keep
}

func TestPushedMarksComeBackInReverse(t *testing.T) {
	log := new(journal)
	c := motan.NewCall()
	for i := range 12 {
		c.Push(noting{log, "r", false}, i)
	}
	c.End()
	var want []string
	for i := range slices.Backward(make([]int, 12)) {
		want = append(want, fmt.Sprintf("r%d", i))
	}
	if got := log.String(); got != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReturnFalseKeepsTheCall(t *testing.T) {
	log := new(journal)
	c := motan.NewCall()
	c.Push(noting{log, "edge", false}, 0)
	c.Push(noting{log, "keeper", true}, 0)
	c.Push(noting{log, "top", false}, 0)
	c.End()
	if got, want := log.String(), "top0 keeper0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.End()
	if got, want := log.String(), "top0 keeper0 edge0"; got != want {
		t.Errorf("after it ended again: got %q, want %q", got, want)
	}
}

// TestEndLeavesReleasedCallsAlone makes released calls be reused while the end of their
// predecessor is still on its way: a call must never be ended by another one's end.
func TestEndLeavesReleasedCallsAlone(t *testing.T) {
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 3000 {
				ended := make(chan *motan.Call, 1)
				h := motan.HandlerFunc(func(c *motan.Call) { go func() { ended <- c; c.End() }() })
				c := motan.NewCall()
				c.Service = "mine"
				motan.Do(h, c)
				if c != <-ended || c.Service != "mine" {
					t.Error("a call came back that was not ours")
				}
				c.Release()
			}
		})
	}
	wait.Wait()
}

func TestCallFailed(t *testing.T) {
	tests := []struct {
		name string
		set  func(c *motan.Call)
		want bool
	}{
		{"answer", func(c *motan.Call) { c.Reply.SetBody([]byte("x")) }, false},
		{"error", func(c *motan.Call) { c.Err = motan.Errorf(motan.KindBroken, 400, "x") }, true},
		{"service exception", func(c *motan.Call) { c.Reply.SetException(motan.Exception{Code: 500, Type: motan.TypeService}) }, true},
		{"framework exception", func(c *motan.Call) { c.Reply.SetException(motan.Exception{Code: 500, Type: motan.TypeFramework}) }, true},
		{"exception of the implementation", func(c *motan.Call) { c.Reply.SetException(motan.Exception{Code: 500, Type: motan.TypeBiz}) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := motan.NewCall()
			tt.set(c)
			if got := c.Failed(); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
			c.Retry()
			if c.Failed() {
				t.Error("failed after Retry")
			}
			c.Release()
		})
	}
}

func TestReleaseForgets(t *testing.T) {
	c := motan.NewCall()
	c.Request.CopyFrom(motantest.Request("s", "m", []byte("b")))
	c.Reply.SetBody([]byte("r"))
	c.Err = motan.Errorf(motan.KindOther, 1, "x")
	c.Service, c.Group, c.Application, c.Remote, c.Endpoint = "s", "g", "a", "r", "e"
	c.Deadline, c.Attempts, c.Batch = 1, 2, new(motan.Batch)
	c.Push(noting{}, 0)
	c.Release()
	if c.Request.Service() != nil || c.Request.Body() != nil || c.Reply.Body() != nil || c.Err != nil || c.Service+c.Group+c.Application+c.Remote+c.Endpoint != "" ||
		c.Deadline != 0 || c.Attempts != 0 || c.Start != 0 || c.Batch != nil {
		t.Errorf("something is left: %+v", c)
	}
	c.End() // nothing is told of it
}

// brittle panics in one phase, and is replaced after the second time.
type brittle struct {
	step
	reply bool
	times int
}

func (b *brittle) Request(c *motan.Call) motan.Verdict {
	b.step.Request(c)
	if !b.reply {
		panic("in")
	}
	return motan.Next
}

func (b *brittle) Reply(c *motan.Call) {
	b.step.Reply(c)
	panic("back")
}

// guarded is a guard that counts what it caught.
type guarded struct{ *brittle }

func (g guarded) Unguarded() motan.Filter { return g.brittle }

func (g guarded) Caught(value any) (*motan.Error, motan.Filter) {
	g.log.add("!%v", value)
	if g.times++; g.times < 2 {
		return motan.Errorf(motan.KindOther, motan.CodeInternal, "caught"), nil
	}
	return motan.Errorf(motan.KindOther, motan.CodeInternal, "caught"), step{"n", g.log, nil}
}

// A panic of a guarded filter fails the call, which the filters around it see, until another
// filter takes its place.
func TestChainGuard(t *testing.T) {
	tests := []struct {
		name     string
		reply    bool
		in, then string
	}{
		{"request", false, "a> b> !in <a", "a> n> c> P <c <n <a"},
		{"reply", true, "a> b> c> P <c <b !back <a", "a> n> c> P <c <n <a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log journal
			b := &brittle{step: step{"b", &log, nil}, reply: tt.reply}
			h := motan.NewChain(motan.HandlerFunc(func(c *motan.Call) {
				log.add("P")
				c.End()
			}), step{"a", &log, nil}, guarded{b}, step{"c", &log, nil})
			for i, want := range []string{tt.in, tt.in, tt.then} {
				log.lines = nil
				c := motan.NewCall()
				motan.Do(h, c)
				if got := log.String(); got != want {
					t.Errorf("call %d: got %s, want %s", i, got, want)
				}
				if failed := c.Err != nil && c.Err.Message == "caught"; failed != (i < 2) {
					t.Errorf("call %d: got error %v", i, c.Err)
				}
				c.Release()
			}
		})
	}
}

// A panic that nobody guards against is not hidden.
func TestChainWithoutGuard(t *testing.T) {
	for _, reply := range []bool{false, true} {
		var got any
		func() {
			defer func() { got = recover() }()
			b := &brittle{step: step{"b", new(journal), nil}, reply: reply}
			good := guarded{&brittle{step: step{"c", new(journal), nil}, reply: true}}
			motan.NewChain(motan.HandlerFunc(func(c *motan.Call) { c.End() }), b, good).Handle(motan.NewCall())
		}()
		if want := map[bool]string{false: "in", true: "back"}[reply]; got != want {
			t.Errorf("got %v, want %q", got, want)
		}
	}
}

func BenchmarkChain(b *testing.B) {
	pass := passing{}
	h := motan.NewChain(motan.HandlerFunc(func(c *motan.Call) { c.End() }), pass, pass)
	c := motan.NewCall()
	b.ReportAllocs()
	for b.Loop() {
		h.Handle(c)
	}
}
