package filters

import (
	"io"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// A filter that takes the place of another one goes on with its state; others have their own.
func TestStatesAreShared(t *testing.T) {
	s := settings(nil)
	first := shared[switcherState](s, "switcher")
	if again := shared[switcherState](s, "switcher"); again != first {
		t.Error("the same filter got another state")
	}
	for name, change := range map[string]func(*Settings){
		"role": func(s *Settings) { s.Role = ServerAgent }, "id": func(s *Settings) { s.ID = "x" },
		"group": func(s *Settings) { s.Group = "x" }, "service": func(s *Settings) { s.Service = "x" },
		"no states": func(s *Settings) { s.States = nil },
	} {
		other := s
		change(&other)
		if shared[switcherState](other, "switcher") == first {
			t.Errorf("with another %s: got the same state", name)
		}
	}
	if shared[guardState](s, "switcher") == nil {
		t.Error("another type under the same key: got none")
	}
	runtime.KeepAlive(first)
}

// What no filter uses any more goes.
func TestStatesAreForgotten(t *testing.T) {
	s := settings(nil)
	kept := shared[switcherState](s, "kept")
	shared[switcherState](s, "gone").refused.Add(1)
	motantest.Await(t, "the state to go", func() bool {
		runtime.GC()
		s.States.mu.Lock()
		defer s.States.mu.Unlock()
		return len(s.States.all) == 1
	})
	if shared[switcherState](s, "kept") != kept {
		t.Error("the state in use has gone as well")
	}
}

func TestFigures(t *testing.T) {
	s := settings(nil)
	r := metrics.New(metrics.Options{Kinds: motan.Kinds()})
	for _, f := range s.States.Figures() {
		if err := r.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	one, other := shared[switcherState](s, "switcher"), s
	other.ID = "echo-0" // the same service once more: its series is the same
	two := shared[switcherState](other, "switcher")
	one.refused.Add(2)
	two.refused.Add(3)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `motand_filter_calls_total{filter="switcher",group="g",result="refused",role="client-agent",service="com.example.Echo"} 5`
	if !strings.Contains(string(body), want) {
		t.Errorf("got no line %s in\n%s", want, body)
	}
	runtime.KeepAlive(one)
	runtime.KeepAlive(two)
}

// Settings are changed while calls pass, and back; a mistake changes nothing.
func TestAdjust(t *testing.T) {
	s := settings(map[string]string{"switcher.name": "a"})
	h, f := behind(t, ok, "switcher", s)
	x := f.(Adjustable)
	if _, err := s.Switches.Set("a", SwitchValue{}); err != nil {
		t.Fatal(err)
	}
	if got := outcomeOf(t, h, call("m")); !strings.Contains(got, "switched off by a") {
		t.Errorf("as configured: got %s", got)
	}
	if err := x.Adjust(map[string]string{"switcher.name": "b"}); err != nil {
		t.Fatal(err)
	}
	if got := outcomeOf(t, h, call("m")); got != "ok" {
		t.Errorf("adjusted: got %s, want ok", got)
	}
	again, _ := behind(t, ok, "switcher", s) // as a reload makes it
	if got := outcomeOf(t, again, call("m")); got != "ok" || x.Adjusted()["switcher.name"] != "b" {
		t.Errorf("after a reload: got %s and %v, want ok with what was adjusted", got, x.Adjusted())
	}
	if err := x.Adjust(nil); err != nil || x.Adjusted() != nil {
		t.Errorf("taken back: got %v and %v", err, x.Adjusted())
	}
	if got := outcomeOf(t, h, call("m")); got == "ok" {
		t.Error("taken back: the call passed, want it refused as configured")
	}
}
