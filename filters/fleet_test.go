package filters

import (
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func TestFleet(t *testing.T) {
	now := motan.Now()
	calm := now + fleetCalm
	f := new(Fleet)
	if got := f.at(now); got != 1 {
		t.Errorf("unknown: got %g, want 1", got)
	}
	f.Tell(10)
	if got := f.at(now); got != 10 {
		t.Errorf("more: got %g at once, want 10", got)
	}
	f.Tell(0)
	if got := f.at(calm + fleetCalm); got != 10 {
		t.Errorf("none: got %g, want 10 as before", got)
	}
	f.Tell(4)
	since := f.size.Load().since
	for after, want := range map[int64]float64{0: 10, fleetCalm / 2: 7, fleetCalm: 4, 2 * fleetCalm: 4} {
		if got := f.at(since + after); got != want {
			t.Errorf("fewer, after %s: got %g, want %g", time.Duration(after), got, want)
		}
	}
}

// Each of five agents lets a fifth through, also of what comes at once.
func TestRateLimitOfAFleet(t *testing.T) {
	demands := 0
	s := settings(textParams("rateLimit=10 capacity=50 rateLimitScope=fleet rateLimitReject=true"))
	s.Role, s.Fleet = ServerAgent, &Fleet{Demand: func() { demands++ }}
	h, _ := behind(t, ok, "rateLimit", s)
	s.Fleet.Tell(5)
	passed := 0
	for range 100 {
		if outcomeOf(t, h, call("hello")) == "ok" {
			passed++
		}
	}
	if passed < 10 || passed > 14 { // 2 more come each second
		t.Errorf("got %d calls through at once, want a fifth of 50", passed)
	}
	if demands == 0 {
		t.Error("nobody was asked how many agents there are")
	}
	s.Fleet = nil
	if _, err := NewRateLimit(s); err == nil || !strings.Contains(err.Error(), "fleet needs an agent") {
		t.Errorf("without a fleet: got %v, want an error", err)
	}
}
