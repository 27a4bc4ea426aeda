package filters

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func TestBucket(t *testing.T) {
	r := newRate(100, 3)
	var b bucket
	const start = int64(time.Hour)
	steps := []struct {
		after, patience time.Duration
		wait            time.Duration
		ok              bool
	}{
		{0, 0, 0, true}, // the bucket is full: three at once
		{0, 0, 0, true},
		{0, 0, 0, true},
		{0, 0, 10 * time.Millisecond, false},
		{0, 9 * time.Millisecond, 10 * time.Millisecond, false},
		{0, 10 * time.Millisecond, 10 * time.Millisecond, true},
		{0, time.Second, 20 * time.Millisecond, true}, // who waits stands behind who waited before
		{20 * time.Millisecond, 0, 10 * time.Millisecond, false},
		{30 * time.Millisecond, 0, 0, true},
		{time.Second, 0, 0, true}, // it holds no more than three
		{time.Second, 0, 0, true},
		{time.Second, 0, 0, true},
		{time.Second, 0, 10 * time.Millisecond, false},
	}
	for i, s := range steps {
		if wait, ok := b.take(start+int64(s.after), r, s.patience); wait != s.wait || ok != s.ok {
			t.Errorf("step %d: got %s, %t, want %s, %t", i, wait, ok, s.wait, s.ok)
		}
	}
	b.untake(r)
	if _, ok := b.take(start+int64(time.Second), r, 0); !ok {
		t.Error("a token that was given back cannot be taken")
	}
	if b.idle(start) || !b.idle(start+int64(time.Minute)) {
		t.Error("idle: want only a full bucket to be")
	}
}

// Whatever the rate and the capacity, nothing overflows and no more get through than may.
func TestBucketExtremes(t *testing.T) {
	for _, perSecond := range []float64{1e-6, 0.5, 1, 1e6, maxRate} {
		for _, capacity := range []int{1, 1000, maxCapacity} {
			r, n := newRate(perSecond, capacity), 0
			var b bucket
			for range 2000 {
				if _, ok := b.take(int64(time.Hour), r, 0); ok {
					n++
				}
			}
			if n != min(capacity, 2000) && perSecond > 1e-3 {
				t.Errorf("rate %g, capacity %d: got %d calls at once, want %d", perSecond, capacity, n, min(capacity, 2000))
			}
		}
	}
}

// Many goroutines take exactly the tokens that there are.
func TestBucketAtOnce(t *testing.T) {
	var b bucket
	r := newRate(1, 1000)
	var got atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 1000 {
				if _, ok := b.take(int64(time.Hour), r, 0); ok {
					got.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if got.Load() != 1000 {
		t.Errorf("got %d tokens, want 1000", got.Load())
	}
}

// at is a call at a fixed time, so that no token comes while the test runs.
func at(method string, d time.Duration, pairs ...string) *motan.Call {
	c := call(method, pairs...)
	c.Start = int64(time.Hour + d)
	c.AttemptStart = c.Start
	c.Batch = &motan.Batch{Now: c.Start}
	return c
}

// passed counts the calls of n that get through at once.
func passed(t *testing.T, h motan.Handler, n int, method string, pairs ...string) int {
	t.Helper()
	passed := 0
	for range n {
		c := at(method, 0, pairs...)
		h.Handle(c)
		if c.Err == nil {
			passed++
		} else if c.Err.Code != motan.CodeDefault || !strings.HasPrefix(c.Err.Message, "[rateLimit] ") {
			t.Errorf("got %+v, want motan-go's error", c.Err)
		}
		c.Release()
	}
	return passed
}

func TestRateLimit(t *testing.T) {
	tests := []struct {
		name   string
		params string
		method string
		pairs  []string
		want   int // of 20 calls at once
	}{
		{"no limit", "", "get", nil, 20},
		{"service", "rateLimit=10 capacity=5", "get", nil, 5},
		{"service, default capacity", "rateLimit=10", "get", nil, 20},
		{"method", "rateLimit.get=1 get().capacity=3", "get", nil, 3},
		{"another method", "rateLimit.get=1 get().capacity=3", "put", nil, 20},
		{"both, the service is less", "rateLimit=1 capacity=2 rateLimit.get=1 get().capacity=3", "get", nil, 2},
		{"both, the method is less", "rateLimit=1 capacity=4 rateLimit.get=1 get().capacity=3", "get", nil, 3},
		{"each caller", "rateLimitCaller=2", "get", []string{"M_s", "shop"}, 4},
		{"each caller, capacity", "rateLimitCaller=2 rateLimitCallerCapacity=7", "get", []string{"M_s", "shop"}, 7},
		{"this caller", "rateLimitCaller=2 rateLimitCaller.shop=3", "get", []string{"M_s", "shop"}, 6},
		{"another caller", "rateLimitCaller.shop=3", "get", []string{"M_s", "web"}, 20},
		{"zero is none", "rateLimit=0 rateLimit.get=0", "get", nil, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(textParams(tt.params + " rateLimitReject=true"))
			h, _ := behind(t, ok, "rateLimit", s)
			if got := passed(t, h, 20, tt.method, tt.pairs...); got != tt.want {
				t.Errorf("got %d calls through, want %d", got, tt.want)
			}
			if got := counted(s.States, "refused"); got != float64(20-tt.want) {
				t.Errorf("counted %v refused, want %d", got, 20-tt.want)
			}
			if tt.want < 20 {
				if _, err := s.Switches.Set("echo_rateLimit", SwitchValue{}); err != nil {
					t.Fatal(err)
				}
				if got := passed(t, h, 20, tt.method, tt.pairs...); got != 20 {
					t.Errorf("switched off: got %d calls through, want 20", got)
				}
			}
		})
	}
	passesFree(t, "rateLimit", textParams("rateLimit=1000000 rateLimit.hello=1000000 rateLimitCaller=1000000"))
}

// textParams reads "key=value key=value".
func textParams(text string) map[string]string {
	m := make(map[string]string)
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		m[key] = value
	}
	return m
}

// A caller that floods takes nothing from the others (F32), nor do made-up names of callers.
func TestRateLimitPerCaller(t *testing.T) {
	h, _ := behind(t, ok, "rateLimit", settings(textParams("rateLimitCaller=5 rateLimitReject=true")))
	if got := passed(t, h, 1000, "get", "M_s", "flood"); got != 10 {
		t.Errorf("the flood: got %d through, want 10", got)
	}
	if got := passed(t, h, 10, "get", "M_s", "good"); got != 10 {
		t.Errorf("another caller: got %d through, want 10", got)
	}
	for i := range 3 * maxNames {
		passed(t, h, 1, "get", "M_s", fmt.Sprint("made up ", i))
	}
	if got := passed(t, h, 10, "get", "M_s", "good"); got != 0 {
		t.Errorf("a caller whose tokens are used: got %d through, want 0", got)
	}
}

// Each node of a refer has its own limit, as in motan-go.
func TestRateLimitPerNode(t *testing.T) {
	h, _ := behind(t, ok, "rateLimit", settings(textParams("rateLimit=1 capacity=1 rateLimitReject=true")))
	for _, node := range []string{"10.0.0.1:80", "10.0.0.2:80"} {
		for i := range 2 {
			c := at("get", 0)
			c.Endpoint = node
			h.Handle(c)
			if refused := c.Err != nil; refused != (i == 1) {
				t.Errorf("%s: call %d: got %v", node, i, c.Err)
			}
		}
	}
}

// A call waits for its token, no longer than it has time, and only so many do at once.
func TestRateLimitWaits(t *testing.T) {
	s := settings(textParams("rateLimit=100 capacity=1 rateLimitMaxWaiting=1"))
	h, _ := behind(t, ok, "rateLimit", s)
	if got := outcomeOf(t, h, call("get")); got != "ok" {
		t.Fatalf("first: got %s", got)
	}
	if got := outcomeOf(t, h, call("get")); got != "ok" {
		t.Errorf("second: got %s, want ok after a wait", got)
	}
	if got := counted(s.States, "waited"); got != 1 {
		t.Errorf("counted %v that waited, want 1", got)
	}

	slow := settings(textParams("rateLimit=0.1 capacity=1"))
	h, _ = behind(t, ok, "rateLimit", slow)
	outcomeOf(t, h, call("get"))
	if got, want := outcomeOf(t, h, call("get")), "refused: [rateLimit] wait time exceed timeout(1s)"; got != want {
		t.Errorf("no token in time: got %s, want %s", got, want)
	}

	none := settings(textParams("rateLimit=10 capacity=1 rateLimitMaxWaiting=0"))
	h, _ = behind(t, ok, "rateLimit", none)
	outcomeOf(t, h, call("get"))
	if got, want := outcomeOf(t, h, call("get")), "refused: [rateLimit] too many calls wait already"; got != want {
		t.Errorf("no place to wait: got %s, want %s", got, want)
	}
}

func TestRateLimitMistakes(t *testing.T) {
	_, err := NewRateLimit(settings(textParams("rateLimit=x rateLimit.get=-1 capacity=0 rateLimitReject=y")))
	for _, key := range []string{"rateLimit:", "rateLimit.get:", "rateLimitReject:"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %s among them", err, key)
		}
	}
}
