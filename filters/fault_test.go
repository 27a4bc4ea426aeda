package filters

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/motan"
)

// faults are settings that hold for an hour.
func faults(pairs ...string) map[string]string {
	m := map[string]string{"fault.until": time.Now().Add(time.Hour).Format(time.RFC3339)}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestFaultInjection(t *testing.T) {
	past := time.Now().Add(-time.Second).Format(time.RFC3339)
	const failed = "other: injected"
	tests := []struct {
		name     string
		params   map[string]string
		method   string
		caller   string
		want     string
		delayed  float64
		failures float64
	}{
		{"nothing", faults(), "get", "a", "ok", 0, 0},
		{"error", faults("fault.error", "503 injected"), "get", "a", failed, 0, 1},
		{"no time given", map[string]string{"fault.error": "503 injected"}, "get", "a", "ok", 0, 0},
		{"over", faults("fault.error", "503 injected", "fault.until", past), "get", "a", "ok", 0, 0},
		{"this caller", faults("fault.error", "503 injected", "fault.callers", "a,b"), "get", "a", failed, 0, 1},
		{"another caller", faults("fault.error", "503 injected", "fault.callers", "a,b"), "get", "c", "ok", 0, 0},
		{"this method", faults("get().fault.error", "503 injected"), "get", "a", failed, 0, 1},
		{"another method", faults("get().fault.error", "503 injected"), "put", "a", "ok", 0, 0},
		{"none of a hundred", faults("fault.error", "503 injected", "fault.errorPercent", "0"), "get", "a", "ok", 0, 0},
		{"delay", faults("fault.delay", "1"), "get", "a", "ok", 1, 0},
		{"delay and error", faults("fault.delay", "1", "fault.error", "503 injected"), "get", "a", failed, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(tt.params)
			ends := 0
			f := build(t, "faultInjection", s)
			h := motan.NewChain(ok, counting{&ends}, NewGuard("faultInjection", f, s, nil))
			if got := outcomeOf(t, h, call(tt.method, "M_s", tt.caller)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if ends != 1 {
				t.Errorf("the filter around it saw %d ends, want 1", ends)
			}
			if d, n := counted(s.States, "delayed"), counted(s.States, "failed"); d != tt.delayed || n != tt.failures {
				t.Errorf("counted %v delayed and %v failed, want %v and %v", d, n, tt.delayed, tt.failures)
			}
		})
	}
	passesFree(t, "faultInjection", faults("fault.error", "503 injected", "fault.callers", "another"))
}

// The share of calls that fail is the one that is asked for (A4.2), within eight standard deviations.
func TestFaultShare(t *testing.T) {
	h, _ := behind(t, ok, "faultInjection", settings(faults("fault.error", "503 injected", "fault.errorPercent", "5")))
	const calls = 20_000
	failed := 0
	for range calls {
		c := at("get", 0)
		h.Handle(c)
		if c.Err != nil {
			failed++
		}
		c.Release()
	}
	if failed < calls*5/100-250 || failed > calls*5/100+250 {
		t.Errorf("got %d of %d calls failed, want 5 in 100", failed, calls)
	}
}

// The share of a caller's calls that is asked for takes as much longer, other callers' do not, and it ends by itself (A4.2).
func TestFaultDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay, calls = 200 * time.Millisecond, 2000
		params := faults("fault.delay", "200", "fault.delayPercent", "10", "fault.callers", "shop")
		params["fault.until"] = time.Now().Add(time.Hour).Format(time.RFC3339)
		h, _ := behind(t, ok, "faultInjection", settings(params))
		ended := make(chan struct{}, 1)
		h = motan.NewChain(h, telling{ended})
		delayed := func(caller string, calls int) (n int) {
			for range calls {
				began := time.Now()
				h.Handle(call("get", "M_s", caller)) // not by motan.Do, whose channels are used by other tests again
				<-ended
				switch took := time.Since(began); took {
				case delay:
					n++
				case 0:
				default:
					t.Fatalf("a call took %s, want %s or nothing", took, delay)
				}
			}
			return n
		}
		if n := delayed("shop", calls); n < calls/10-107 || n > calls/10+107 { // eight standard deviations
			t.Errorf("got %d of %d calls delayed, want a tenth", n, calls)
		}
		if n := delayed("web", calls); n > 0 {
			t.Errorf("got %d calls of another caller delayed", n)
		}
		time.Sleep(time.Hour)
		if n := delayed("shop", calls); n > 0 {
			t.Errorf("got %d calls delayed after the time for it was over", n)
		}
	})
}

// telling tells of each call's end.
type telling struct{ ended chan<- struct{} }

func (telling) Request(*motan.Call) motan.Verdict { return motan.Next }
func (f telling) Reply(*motan.Call)               { f.ended <- struct{}{} }

func TestFaultMistakes(t *testing.T) {
	_, err := NewFaultInjection(settings(map[string]string{
		"fault.until": "tomorrow", "fault.error": "broken", "fault.delay": "60001", "fault.errorPercent": "101",
	}))
	for _, key := range []string{"fault.until: ", "fault.error: ", "fault.delay: ", "fault.errorPercent: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %s among them", err, key)
		}
	}
}

func TestMock(t *testing.T) {
	params := map[string]string{
		"get().mock.value": `["a",1]`, "find().mock.exception": "404 no such user", "slow().mock.value": "true", "slow().mock.delay": "1",
		"mine().mock.value": "1", "mine().mock.callers": "shop",
	}
	tests := []struct{ method, caller, want string }{
		{"get", "", "[]interface {} [a 1]"},
		{"find", "", "exception: 404 no such user 2"},
		{"slow", "", "bool true"},
		{"mine", "shop", "int64 1"},
		{"mine", "web", "string com.example.Echo  1"},
		{"real", "", "string com.example.Echo  1"},
	}
	for _, tt := range tests {
		p := &provider{t: t}
		h, _ := behind(t, p, "mock", settings(params))
		if got := bodyOf(t, h, call(tt.method, "M_s", tt.caller)); got != tt.want {
			t.Errorf("%s by %q: got %s, want %s", tt.method, tt.caller, got, tt.want)
		}
	}
	s := settings(params)
	h, _ := behind(t, ok, "mock", s)
	c := call("get")
	c.Request.SetSerialization(motan.SerializeHessian2)
	if got, want := outcomeOf(t, h, c), "refused: the mock answers in the simple serialization only"; got != want || counted(s.States, "refused") != 1 {
		t.Errorf("another serialization: got %s, want %s", got, want)
	}
	passesFree(t, "mock", params)
	if _, err := NewMock(settings(map[string]string{"mock.value": "{", "mock.delay": "60001"})); err == nil ||
		!strings.Contains(err.Error(), "mock.value: ") || !strings.Contains(err.Error(), "mock.delay: ") {
		t.Errorf("mistakes: got %v", err)
	}
}

// What waits is bounded.
func TestHeld(t *testing.T) {
	var h held
	done := make(chan *motan.Call, 2)
	then := func(c *motan.Call) { done <- c }
	if !h.hold(call("a"), time.Millisecond, 2, then) || !h.hold(call("b"), time.Millisecond, 2, then) {
		t.Fatal("two of two were not held")
	}
	if h.count() == 2 && h.hold(call("c"), time.Millisecond, 2, func(*motan.Call) {}) && h.count() > 2 {
		t.Error("a third of two was held")
	}
	<-done
	<-done
	if h.hold(call("d"), 0, 0, then) {
		t.Error("one of none was held")
	}
}
