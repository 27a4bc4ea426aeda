package filters

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func TestWindow(t *testing.T) {
	var w window
	second := int64(time.Second)
	for i := range int64(25) {
		for range i {
			w.add(i*second, true)
		}
		w.add(i*second, false)
	}
	calls, failures := w.sum(24 * second)
	if wantFailures := (15 + 24) * 10 / 2; failures != wantFailures || calls != wantFailures+10 {
		t.Errorf("got %d calls, %d failures, want %d and %d", calls, failures, wantFailures+10, wantFailures)
	}
	if calls, _ := w.sum(40 * second); calls != 0 {
		t.Errorf("ten seconds later: got %d calls, want 0", calls)
	}
	w.reset()
	if calls, _ := w.sum(24 * second); calls != 0 {
		t.Errorf("after reset: got %d calls, want 0", calls)
	}
	w.seconds[0].Store(countMask<<epochBits | countMask<<(epochBits+countBits))
	w.add(0, true)
	if calls, failures := w.sum(0); calls != countMask || failures != countMask {
		t.Errorf("full: got %d, %d, want both to stop at %d", calls, failures, countMask)
	}
}

func TestWindowAtOnce(t *testing.T) {
	var w window
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range 1000 {
				w.add(int64(time.Hour), i%4 == 0)
			}
		})
	}
	wait.Wait()
	if calls, failures := w.sum(int64(time.Hour)); calls != 8000 || failures != 2000 {
		t.Errorf("got %d calls, %d failures, want 8000 and 2000", calls, failures)
	}
}

func TestJudge(t *testing.T) {
	exception := func(kind int) func(*motan.Call) {
		return func(c *motan.Call) { c.Reply.SetException(motan.Exception{Code: 500, Type: kind}) }
	}
	failure := func(kind motan.Kind) func(*motan.Call) {
		return func(c *motan.Call) { c.Err = motan.Errorf(kind, 400, "x") }
	}
	tests := []struct {
		name    string
		end     func(*motan.Call)
		biz     bool
		verdict verdict
	}{
		{"answer", func(*motan.Call) {}, true, good},
		{"implementation's exception, counted", exception(motan.TypeBiz), true, bad},
		{"implementation's exception, not counted", exception(motan.TypeBiz), false, good},
		{"framework's exception", exception(motan.TypeService), false, bad},
		{"timeout", failure(motan.KindTimeout), false, bad},
		{"broken", failure(motan.KindBroken), false, bad},
		{"not sent", failure(motan.KindNotSent), false, bad},
		{"caller's fault", failure(motan.KindBadRequest), true, neutral},
		{"refused here", failure(motan.KindRefused), true, neutral},
		{"oversize", failure(motan.KindOversize), true, neutral},
	}
	for _, tt := range tests {
		c := call("m")
		tt.end(c)
		if got := judge(c, tt.biz); got != tt.verdict {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.verdict)
		}
		c.Release()
	}
}

// breaker does calls at times and tells how each ended.
type breaker struct {
	t    *testing.T
	h    motan.Handler
	fail bool
}

func newTestBreaker(t *testing.T, name string, s Settings) *breaker {
	t.Helper()
	b := &breaker{t: t}
	b.h, _ = behind(t, motan.HandlerFunc(func(c *motan.Call) {
		if b.fail {
			c.Err = motan.Errorf(motan.KindTimeout, 400, "late")
		}
		c.End()
	}), name, s)
	return b
}

func (b *breaker) do(d time.Duration, node string, fail bool) string {
	b.fail = fail
	c := at("m", d)
	defer c.Release()
	c.Endpoint = node
	b.h.Handle(c)
	if c.Err == nil {
		return "ok"
	}
	return c.Err.Message
}

const isOpen = "hystrix: circuit open"

// The circuit of a node opens, is tried after the sleep window, and closes or stays open.
func TestCircuitBreaker(t *testing.T) {
	for _, name := range []string{"circuitBreaker", "clusterCircuitBreaker"} {
		t.Run(name, func(t *testing.T) {
			s := settings(textParams("circuitBreaker.requestThreshold=4 circuitBreaker.sleepWindow=1000 circuitBreaker.errorPercent=50"))
			b := newTestBreaker(t, name, s)
			steps := []struct {
				after time.Duration
				fail  bool
				want  string
			}{
				{0, true, "late"},
				{0, false, "ok"},
				{0, true, "late"},
				{0, false, "ok"}, // four calls, half of them failed, but this one did not
				{0, true, "late"},
				{0, false, isOpen},
				{999 * time.Millisecond, false, isOpen},
				{1000 * time.Millisecond, true, "late"}, // the probe
				{1500 * time.Millisecond, false, isOpen},
				{2000 * time.Millisecond, false, "ok"}, // the next one, which closes it
				{2000 * time.Millisecond, true, "late"},
				{2000 * time.Millisecond, true, "late"}, // what was before is forgotten
				{2000 * time.Millisecond, false, "ok"},
			}
			for i, x := range steps {
				if got := b.do(x.after, "10.0.0.1:80", x.fail); got != x.want {
					t.Fatalf("step %d: got %s, want %s", i, got, x.want)
				}
				if i == 6 && counted(s.States, "open") != 1 {
					t.Errorf("open circuits: got %v, want 1", counted(s.States, "open"))
				}
			}
			for what, want := range map[string]float64{"short_circuited": 3, "opened": 2, "open": 0, "half_open": 0} {
				if got := counted(s.States, what); got != want {
					t.Errorf("%s: got %v, want %v", what, got, want)
				}
			}
			passesFree(t, name, nil)
		})
	}
}

// What one node does is not held against another, unless the circuit is the service's.
func TestCircuitBreakerNodes(t *testing.T) {
	for name, other := range map[string]string{"circuitBreaker": "ok", "clusterCircuitBreaker": isOpen} {
		b := newTestBreaker(t, name, settings(textParams("circuitBreaker.requestThreshold=1")))
		b.do(0, "a", true)
		if got := b.do(0, "a", false); got != isOpen {
			t.Errorf("%s: the same node: got %s, want it open", name, got)
		}
		if got := b.do(0, "b", false); got != other {
			t.Errorf("%s: another node: got %s, want %s", name, got, other)
		}
	}
}

// While probes are out, and until as many have ended well as are wanted, nothing else passes.
func TestCircuitBreakerProbes(t *testing.T) {
	r := &circuitRule{requests: 1, percent: 1, sleep: time.Second, probes: 2}
	second := int64(time.Second)
	admit := func(k *circuit, now int64, want bool) {
		t.Helper()
		if got := k.admit(now, now, r); got != want {
			t.Errorf("at %d s: admitted %t, want %t", now/second, got, want)
		}
	}
	opened := func() *circuit {
		k := new(circuit)
		if !k.end(0, 0, bad, r) {
			t.Fatal("the circuit did not open")
		}
		return k
	}
	k := opened()
	admit(k, second, true)
	admit(k, second, true)
	admit(k, second, false)
	k.end(second, 0, good, r) // a call from before
	k.end(second, second, good, r)
	admit(k, second, false)
	k.end(second, second, good, r)
	admit(k, second, true)
	if k.state.Load() != closed {
		t.Errorf("got state %d, want it closed", k.state.Load())
	}

	k = opened()
	admit(k, second, true)
	k.end(second, second, neutral, r) // it says nothing: another one may be sent
	admit(k, second, true)
	admit(k, second, true)
	admit(k, second, false)
	admit(k, 2*second, true) // the probes are lost
	if k.end(2*second, 2*second, bad, r); k.state.Load() != open {
		t.Errorf("got state %d, want it open", k.state.Load())
	}
}

func TestCircuitBreakerConcurrency(t *testing.T) {
	s := settings(textParams("circuitBreaker.maxConcurrent=2"))
	var waiting []*motan.Call
	h, _ := behind(t, motan.HandlerFunc(func(c *motan.Call) { waiting = append(waiting, c) }), "circuitBreaker", s)
	third := call("m")
	for _, c := range []*motan.Call{call("m"), call("m"), third} {
		h.Handle(c)
	}
	if third.Err == nil || third.Err.Message != "hystrix: max concurrency" || len(waiting) != 2 {
		t.Fatalf("got %v and %d calls through, want 2", third.Err, len(waiting))
	}
	waiting[0].End()
	h.Handle(call("m"))
	if len(waiting) != 3 || counted(s.States, "over_concurrency") != 1 {
		t.Errorf("after one ended: got %d calls through, %v refused", len(waiting), counted(s.States, "over_concurrency"))
	}
}

// Circuits are asked and told by many at once; the race detector looks on.
func TestCircuitAtOnce(t *testing.T) {
	var k circuit
	r := &circuitRule{requests: 1, percent: 50, sleep: time.Nanosecond, probes: 1}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for n := range int64(500) {
				if k.admit(n, n, r) {
					k.end(n, n, verdict(1+(n+int64(i))%2), r)
				}
			}
		})
	}
	wait.Wait()
}

// Names are bounded: those that are not idle stay, others make room or share.
func TestPerName(t *testing.T) {
	var p perName[circuit]
	idle := func(k *circuit) bool { return k.idle(0) }
	busy := of(&p, "busy", idle)
	busy.inFlight.Add(1)
	for i := range maxNames - 1 {
		of(&p, fmt.Sprint(i), idle)
	}
	if next := of(&p, []byte("next"), idle); next == &p.other || of(&p, "next", idle) != next {
		t.Error("idle ones did not make room")
	}
	if of(&p, "busy", idle) != busy {
		t.Error("one that is not idle has gone")
	}
	n := 0
	p.each(func(string, *circuit) { n++ })
	if n != 3 {
		t.Errorf("got %d, want busy, next and the shared one", n)
	}
	never := func(*circuit) bool { return false }
	for i := range 2 * maxNames {
		of(&p, fmt.Sprint("more ", i), never)
	}
	if of(&p, "last", never) != &p.other || len(*p.all.Load()) != maxNames {
		t.Errorf("got %d names, want %d and the rest shared", len(*p.all.Load()), maxNames)
	}
	if of(&p, string(make([]byte, maxNameBytes+1)), idle) != &p.other {
		t.Error("a name that is too long has one of its own")
	}
}
