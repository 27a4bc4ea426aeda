package filters

import (
	"maps"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// whenever is next behind a filter with its condition and its guard, as the agent builds it.
func whenever(t *testing.T, next motan.Handler, name string, s Settings) (motan.Handler, *When) {
	t.Helper()
	w, err := NewWhen(name, build(t, name, s), s)
	if err != nil {
		t.Fatal(err)
	}
	return motan.NewChain(next, NewGuard(name, w, s, nil)), w
}

const denied = "refused: the caller may not call this"

func TestWhen(t *testing.T) {
	tests := []struct {
		name, when string
		in         []string
		acts       bool
	}{
		{"no condition", "", nil, true},
		{"a value", "region=eu", []string{"region", "eu"}, true},
		{"another value", "region=eu", []string{"region", "us"}, false},
		{"no value", "region=eu", nil, false},
		{"one of several", "region=eu|us", []string{"region", "us"}, true},
		{"a beginning", "M_s=shop-*", []string{"M_s", "shop-web"}, true},
		{"another beginning", "M_s=shop-*", []string{"M_s", "bank-web"}, false},
		{"not the value", "region!=eu", []string{"region", "us"}, true},
		{"but the value", "region!=eu", []string{"region", "eu"}, false},
		{"not the value, as there is none", "region!=eu", nil, true},
		{"there", "canary", []string{"canary", "1"}, true},
		{"not there", "canary", nil, false},
		{"must not be there", "!canary", nil, true},
		{"must not be there, but is", "!canary", []string{"canary", "1"}, false},
		{"all of them", "region=eu, M_s=shop*, !canary", []string{"region", "eu", "M_s", "shop"}, true},
		{"all but one", "region=eu,M_s=shop*,!canary", []string{"region", "eu", "M_s", "shop", "canary", "x"}, false},
		{"a switch that is off", "switch:night", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := whenever(t, ok, "acl", settings(map[string]string{"acl.allow": "nobody", "acl.when": tt.when}))
			want := "ok"
			if tt.acts {
				want = denied
			}
			if got := outcomeOf(t, h, arrived(t, call("hello", tt.in...))); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestWhenOfMethod(t *testing.T) {
	h, _ := whenever(t, ok, "acl", settings(map[string]string{"acl.allow": "nobody", "acl.when": "region=eu", "pay().acl.when": "region=us"}))
	for method, want := range map[string]string{"hello": "ok", "pay": denied} {
		if got := outcomeOf(t, h, call(method, "region", "us")); got != want {
			t.Errorf("%s: got %s, want %s", method, got, want)
		}
	}
}

func TestWhenASwitchIsOn(t *testing.T) {
	s := settings(map[string]string{"acl.allow": "nobody", "acl.when": "switch:night"})
	h, _ := whenever(t, ok, "acl", s)
	if _, err := s.Switches.Set("night", SwitchValue{On: true, Percent: 100, Callers: []string{"shop"}}); err != nil {
		t.Fatal(err)
	}
	for caller, want := range map[string]string{"shop": denied, "bank": "ok"} {
		if got := outcomeOf(t, h, call("hello", "M_s", caller)); got != want {
			t.Errorf("%s: got %s, want %s", caller, got, want)
		}
	}
}

// A call counts on its way back as it did on its way in, whatever has become of its metadata.
func TestWhenKeepsCount(t *testing.T) {
	s := settings(textParams("concurrency.limit=1 concurrency.when=region=eu"))
	h, w := whenever(t, answer(func(c *motan.Call) {
		if c.Request.Get("region") == nil {
			c.Request.Set("region", "eu")
		} else {
			c.Request.Del("region")
		}
	}), "concurrency", s)
	for range 10 {
		outcomeOf(t, h, call("hello"))
		if got := outcomeOf(t, h, call("hello", "region", "eu")); got != "ok" {
			t.Fatalf("got %s, want ok: no other call is in flight", got)
		}
	}
	if n := w.Unwrap().(*Concurrency).state.inFlight.Load(); n != 0 {
		t.Errorf("got %d in flight at the end, want 0", n)
	}
}

// The condition is changed while calls pass, apart from the filter's settings or with them; a mistake changes nothing.
func TestWhenAdjusted(t *testing.T) {
	h, w := whenever(t, ok, "acl", settings(textParams("acl.allow=nobody acl.when=region=eu")))
	try := func(region, want string) {
		t.Helper()
		if got := outcomeOf(t, h, call("hello", "M_s", "app", "region", region)); got != want {
			t.Errorf("%s: got %s, want %s", region, got, want)
		}
	}
	set := map[string]string{"acl.when": "region=us", "acl.allow": "other"}
	if err := w.Adjust(set); err != nil || !maps.Equal(w.Adjusted(), set) {
		t.Fatalf("got %v, adjusted %v", err, w.Adjusted())
	}
	try("us", denied)
	try("eu", "ok")
	if err := w.Adjust(map[string]string{"acl.when": "=", "acl.allow": "app"}); err == nil || !maps.Equal(w.Adjusted(), set) {
		t.Errorf("a mistake: got %v, adjusted %v", err, w.Adjusted())
	}
	if err := w.Adjust(nil); err != nil || len(w.Adjusted()) != 0 {
		t.Errorf("taken back: got %v, adjusted %v", err, w.Adjusted())
	}
	try("eu", denied)
	plain, err := NewWhen("plain", quiet{}, settings(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Adjust(map[string]string{"plain.when": "region=us"}); err != nil {
		t.Errorf("a filter without settings: got %v", err)
	}
	if err := plain.Adjust(map[string]string{"x": "y"}); err == nil {
		t.Error("a setting of a filter without settings was taken")
	}
}

func TestWhenMistakes(t *testing.T) {
	for _, text := range []string{"=eu", "region=", "region=eu|", "!", "switch:", "!=x", strings.Repeat("x", maxNameBytes+1)} {
		s := settings(map[string]string{"acl.when": text})
		if _, err := NewWhen("acl", build(t, "acl", s), s); err == nil || !strings.Contains(err.Error(), "acl.when: ") {
			t.Errorf("%s: got %v, want an error that names the key", text, err)
		}
	}
	s := settings(textParams("rateLimit.when=canary"))
	if h, _ := whenever(t, ok, "rateLimit", s); outcomeOf(t, h, call("when")) != "ok" {
		t.Error("rateLimit.when was read as the limit of a method")
	}
}

// What guards something is essential with a condition as well.
func TestWhenIsEssential(t *testing.T) {
	s := settings(nil)
	w, err := NewWhen("acl", build(t, "acl", s), s)
	if err != nil {
		t.Fatal(err)
	}
	if !NewGuard("acl", w, s, nil).must || NewGuard("mock", build(t, "mock", s), s, nil).must {
		t.Error("got another idea of what is essential")
	}
}

func TestWhenAllocs(t *testing.T) {
	if raced {
		t.Skip("the race detector makes pools drop what they hold")
	}
	for _, when := range []string{"", "region=eu|us,!canary", "switch:off"} {
		h, _ := whenever(t, ok, "acl", settings(map[string]string{"acl.when": when}))
		request := arrived(t, call("hello", "M_s", "app", "region", "us"))
		if n := testing.AllocsPerRun(500, func() {
			c := motan.NewCall()
			c.Request.CopyFrom(&request.Request)
			motan.Do(h, c)
			c.Release()
		}); n != 0 {
			t.Errorf("%q: got %v allocations, want 0", when, n)
		}
	}
}
