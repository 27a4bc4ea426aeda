package filters

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// encoded is a body in the simple serialization.
func encoded(t testing.TB, v any) []byte {
	t.Helper()
	b, err := simple.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bodyOf does the call and returns the body of its answer, or why there is none.
func bodyOf(t testing.TB, h motan.Handler, c *motan.Call) string {
	t.Helper()
	if c.Batch != nil { // at a fixed time, see at
		h.Handle(c)
	} else {
		motan.Do(h, c)
	}
	defer c.Release()
	if c.Err != nil {
		return "error: " + c.Err.Message
	}
	if x, failed := c.Reply.Exception(); failed {
		return fmt.Sprintf("exception: %d %s %d", x.Code, x.Message, x.Type)
	}
	v, _, err := simple.Decode(c.Reply.Body())
	if err != nil {
		return "no answer: " + err.Error()
	}
	return fmt.Sprintf("%T %v", v, v)
}

// provider answers with a text that tells calls apart, or fails.
type provider struct {
	t     *testing.T
	fail  bool
	calls int
}

func (p *provider) Handle(c *motan.Call) {
	p.calls++
	if p.fail {
		c.Err = motan.Errorf(motan.KindTimeout, 400, "late")
	} else {
		c.Reply.SetSerialization(motan.SerializeSimple)
		c.Reply.SetBody(encoded(p.t, fmt.Sprintf("%s %s %d", c.Service, c.Request.Body(), p.calls)))
	}
	c.End()
}

const refusal = "error: the service is degraded"

func TestDegradeAnswers(t *testing.T) {
	tests := []struct {
		name   string
		params map[string]string
		method string
		want   string
	}{
		{"refuse", nil, "get", refusal},
		{"value", map[string]string{"degrade.answer": "value", "degrade.value": `{"$type":"int32","value":7}`}, "get", "int32 7"},
		{"text", map[string]string{"degrade.answer": "value", "degrade.value": `"sorry"`}, "get", "string sorry"},
		{"null", map[string]string{"degrade.answer": "value", "degrade.value": `null`}, "get", "<nil> <nil>"},
		{"exception", map[string]string{"degrade.answer": "value", "degrade.exception": "503 out of stock"}, "get", "exception: 503 out of stock 2"},
		{"value of the method", map[string]string{"get().degrade.answer": "value", "get().degrade.value": "1"}, "get", "int64 1"},
		{"another method", map[string]string{"get().degrade.answer": "value", "get().degrade.value": "1"}, "put", refusal},
		{"nothing remembered", map[string]string{"degrade.answer": "cache"}, "get", refusal},
		{"fallback", map[string]string{"degrade.answer": "fallback", "degrade.fallback": "other@h"}, "get", "string other@h"},
		{"fallback to itself", map[string]string{"degrade.answer": "fallback", "degrade.fallback": "com.example.Echo"}, "get", refusal},
		{"no such fallback", map[string]string{"degrade.answer": "fallback", "degrade.fallback": "none"}, "get", refusal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(tt.params)
			s.Route = func(service, group string) motan.Handler {
				if service != "other" {
					return nil
				}
				return answer(func(c *motan.Call) {
					c.Reply.SetBody(encoded(t, string(c.Request.Service())+"@"+group))
				})
			}
			p := &provider{t: t}
			h, f := behind(t, p, "degrade", s)
			if got := bodyOf(t, h, call(tt.method)); !strings.HasPrefix(got, "string com.example.Echo") {
				t.Errorf("not degraded: got %s, want the provider's answer", got)
			}
			if _, err := s.Switches.Set("echo_degrade", SwitchValue{On: true, Percent: 100}); err != nil {
				t.Fatal(err)
			}
			c := call(tt.method)
			c.Request.SetBody([]byte("another"))
			if got := bodyOf(t, h, c); got != tt.want || p.calls != 1 {
				t.Errorf("switched: got %s and %d calls to the provider, want %s", got, p.calls, tt.want)
			}
			if n := f.(*Degrade).state.brownout.inFlight.Load(); n != 0 {
				t.Errorf("got %d calls in flight at the end", n)
			}
		})
	}
}

// A caller that speaks another serialization is not given bytes that it cannot read.
func TestDegradeOtherSerialization(t *testing.T) {
	h, _ := behind(t, ok, "degrade", settings(map[string]string{"degrade.answer": "value", "degrade.value": "1", "degrade.force": "true"}))
	c := call("get")
	c.Request.SetSerialization(motan.SerializeHessian2)
	if got := bodyOf(t, h, c); got != refusal {
		t.Errorf("got %s, want it refused", got)
	}
}

// Two services that are each other's fallback do not send a call round in circles.
func TestDegradeFallbackOnce(t *testing.T) {
	var to map[string]motan.Handler
	route := func(service, _ string) motan.Handler { return to[service] }
	one := settings(map[string]string{"degrade.answer": "fallback", "degrade.fallback": "two", "degrade.force": "true"})
	one.Service, one.Route = "com.example.Echo", route
	two := settings(map[string]string{"degrade.answer": "fallback", "degrade.fallback": "com.example.Echo", "degrade.force": "true"})
	two.Service, two.Route = "two", route
	h1, _ := behind(t, ok, "degrade", one)
	h2, _ := behind(t, ok, "degrade", two)
	to = map[string]motan.Handler{"com.example.Echo": h1, "two": h2}
	if got := bodyOf(t, h1, call("get")); got != refusal {
		t.Errorf("got %s, want it refused", got)
	}
}

// The last good answer to the same request, while it is not too old.
func TestDegradeCache(t *testing.T) {
	s := settings(map[string]string{"degrade.answer": "cache", "degrade.onFailure": "true", "degrade.cacheAge": "1000"})
	p := &provider{t: t}
	h, _ := behind(t, p, "degrade", s)
	ask := func(d time.Duration, method, body string) string {
		c := at(method, d)
		c.Request.SetBody([]byte(body))
		return bodyOf(t, h, c)
	}
	steps := []struct {
		after        time.Duration
		fail         bool
		method, body string
		want         string
	}{
		{0, false, "get", "a", "string com.example.Echo a 1"},
		{0, false, "get", "b", "string com.example.Echo b 2"},
		{200 * time.Millisecond, true, "get", "a", "string com.example.Echo a 1"},
		{200 * time.Millisecond, true, "get", "b", "string com.example.Echo b 2"},
		{200 * time.Millisecond, true, "get", "c", "error: late"},
		{200 * time.Millisecond, true, "put", "a", "error: late"},
		{1000 * time.Millisecond, true, "get", "a", "string com.example.Echo a 1"},
		{1001 * time.Millisecond, true, "get", "a", "error: late"},
		{1001 * time.Millisecond, false, "get", "a", "string com.example.Echo a 9"},
		{1002 * time.Millisecond, true, "get", "a", "string com.example.Echo a 9"},
	}
	for i, x := range steps {
		p.fail = x.fail
		if got := ask(x.after, x.method, x.body); got != x.want {
			t.Errorf("step %d: got %s, want %s", i, got, x.want)
		}
	}
	if got := counted(s.States, "cached"); got != 4 {
		t.Errorf("counted %v cached, want 4", got)
	}
}

func TestLastGoodIsBounded(t *testing.T) {
	var l lastGood
	keep := func(body string, reply []byte) {
		c := call("get")
		defer c.Release()
		c.Request.SetBody([]byte(body))
		c.Reply.SetBody(reply)
		l.keep(c, 1, time.Minute)
	}
	for i := range maxRemembered + 100 {
		keep(fmt.Sprint(i), nil)
	}
	if l.size() != maxRemembered {
		t.Errorf("got %d answers, want %d", l.size(), maxRemembered)
	}
	large := bytes.Repeat([]byte("x"), maxRememberedBody-100)
	for i := range 2 * maxRememberedBytes / len(large) {
		keep(fmt.Sprint("large", i), large)
	}
	sum := 0
	for _, r := range l.all {
		sum += len(r.body) + len(r.request)
	}
	if l.bytes > maxRememberedBytes || l.bytes != sum {
		t.Errorf("got %d bytes counted and %d kept, want the same and at most %d", l.bytes, sum, maxRememberedBytes)
	}
	before := l.size()
	keep("too large", bytes.Repeat([]byte("x"), maxRememberedBody))
	if l.size() != before {
		t.Error("an answer over the limit was kept")
	}
}

// The share goes up at once, down in steps when the calls let through fare well for a while,
// and up again when they do not.
func TestBrownout(t *testing.T) {
	r := &brownoutRule{errorPercent: 50, requests: 20, recover: 5 * time.Second}
	var b brownout
	second := int64(time.Second)
	calls := func(from, to int64, failing bool) int32 {
		for now := from; now < to; now++ {
			for i := range 100 {
				if b.degrades(now*second, r) {
					continue
				}
				v := good
				if failing && i%3 != 0 {
					v = bad
				}
				b.end(now*second, time.Millisecond, v, r)
			}
		}
		return b.share.Load()
	}
	if got := calls(10, 20, false); got != 0 {
		t.Fatalf("all well: got %d %%, want 0", got)
	}
	if got := calls(20, 30, true); got != brownoutMost {
		t.Fatalf("two of three fail: got %d %%, want %d", got, brownoutMost)
	}
	if got := calls(40, 44, false); got >= brownoutMost {
		t.Errorf("well after ten quiet seconds: got %d %%, want it to have begun to end", got)
	}
	if got := calls(44, 46, true); got != brownoutMost {
		t.Errorf("failing again: got %d %%, want %d", got, brownoutMost)
	}
	if got := calls(46, 49, false); got != brownoutMost {
		t.Errorf("well for 3 s of 5: got %d %%, want %d", got, brownoutMost)
	}
	if got := calls(60, 75, false); got != 0 {
		t.Errorf("well for long: got %d %%, want 0", got)
	}
}

func TestBrownoutConditions(t *testing.T) {
	second := int64(time.Second)
	tests := []struct {
		name string
		rule brownoutRule
		took time.Duration
		in   int64
		want int32
	}{
		{"none", brownoutRule{requests: 1}, time.Hour, 1000, 0},
		{"p99 kept", brownoutRule{p99: 10 * time.Millisecond, requests: 20}, 10 * time.Millisecond, 0, 0},
		{"p99 exceeded", brownoutRule{p99: 10 * time.Millisecond, requests: 20}, 11 * time.Millisecond, 0, brownoutMost},
		{"too few calls", brownoutRule{p99: 10 * time.Millisecond, requests: 31}, 11 * time.Millisecond, 0, 0},
		{"in flight, below", brownoutRule{inFlight: 10, requests: 20}, 0, 9, 0},
		{"in flight", brownoutRule{inFlight: 10, requests: 20}, 0, 10, brownoutMost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b brownout
			b.inFlight.Store(tt.in)
			for range 30 {
				b.end(second, tt.took, good, &tt.rule)
			}
			b.degrades(2*second, &tt.rule)
			if got := b.share.Load(); got != tt.want {
				t.Errorf("got %d %%, want %d", got, tt.want)
			}
		})
	}
}

func TestDegradeMistakes(t *testing.T) {
	_, err := NewDegrade(settings(map[string]string{
		"degrade.answer": "value", "get().degrade.answer": "fallback", "put().degrade.value": "{", "post().degrade.exception": "x",
		"degrade.errorPercent": "101", "list().degrade.answer": "sulk",
	}))
	for _, key := range []string{
		"degrade.answer: there is no value", "get().degrade.answer: there is no service", "put().degrade.value: ",
		"post().degrade.exception: ", "degrade.errorPercent: ", "list().degrade.answer: ",
	} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %s among them", err, key)
		}
	}
}

// Everything at once: the race detector looks on.
func TestDegradeAtOnce(t *testing.T) {
	s := settings(map[string]string{"degrade.answer": "cache", "degrade.errorPercent": "50", "degrade.cacheAge": "10", "degrade.onFailure": "true"})
	h, f := behind(t, ok, "degrade", s)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for n := range 300 {
				c := call("get")
				c.Request.SetBody(fmt.Append(nil, n%10))
				h.Handle(c)
				c.Release()
				if n%50 == 0 {
					if err := f.(Adjustable).Adjust(map[string]string{"degrade.errorPercent": fmt.Sprint(10 + i)}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wait.Wait()
	if n := f.(*Degrade).state.brownout.inFlight.Load(); n != 0 {
		t.Errorf("got %d calls in flight at the end, want 0", n)
	}
	passesFree(t, "degrade", textParams("degrade.errorPercent=50 degrade.p99=100"))
}

// A host whose processors are busy degrades, until they are clearly less so.
func TestDegradeByBusyProcessors(t *testing.T) {
	var b brownout
	b.cpu.running.Store(true) // nobody measures
	r := brownoutRule{cpu: 90, requests: 20, recover: time.Second}
	now := int64(0)
	look := func(busy float64) int32 {
		now += int64(2 * time.Second)
		b.cpu.now.Store(math.Float64bits(busy))
		b.degrades(now, &r)
		return b.share.Load()
	}
	for i, step := range []struct {
		busy float64
		want int32
	}{{89, 0}, {90, brownoutMost}, {80, brownoutMost}, {71, brownoutMost - brownoutStep}, {71, brownoutMost - 2*brownoutStep}, {95, brownoutMost}} {
		if got := look(step.busy); got != step.want {
			t.Errorf("step %d, %v percent busy: got a share of %d, want %d", i, step.busy, got, step.want)
		}
	}
}
