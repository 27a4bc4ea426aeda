package httpbridge

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/motan"
)

// TestExchangeGuard makes calls one after the other with one exchange, whose timer runs on in between.
func TestExchangeGuard(t *testing.T) {
	const guard = 10 * time.Second
	type turn struct{ pause, takes time.Duration }
	tests := []struct {
		name  string
		turns []turn // only the last may take too long
		lost  bool
	}{
		{"at once", []turn{{0, 0}, {0, 0}}, false},
		{"just in time", []turn{{0, guard - 1}}, false},
		{"too long", []turn{{0, guard + 1}}, true},
		{"in time after another", []turn{{0, 9 * time.Second}, {0, 9 * time.Second}}, false},
		{"too long after another", []turn{{0, 9 * time.Second}, {0, guard + 1}}, true},
		{"too long after many", []turn{{0, 9 * time.Second}, {0, 9 * time.Second}, {0, 9 * time.Second}, {0, time.Minute}}, true},
		{"after the timer has ended", []turn{{0, time.Second}, {time.Minute, 9 * time.Second}}, false},
		{"too long after the timer has ended", []turn{{0, time.Second}, {time.Minute, guard + 1}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var takes time.Duration
				s := &Server{DefaultTimeout: guard, Handler: motan.HandlerFunc(func(c *motan.Call) { time.AfterFunc(takes, c.End) })}
				x := s.newExchange()
				for i, turn := range tt.turns {
					if i > 0 {
						x.call.Release()
						x.call = motan.NewCall()
					}
					time.Sleep(turn.pause)
					takes = turn.takes
					begun, want := time.Now(), turn.takes
					lost := tt.lost && i == len(tt.turns)-1
					if lost {
						want = guard
					}
					if ok := x.run(); ok == lost {
						t.Errorf("turn %d: got %v, want %v", i, ok, !lost)
					}
					if took := time.Since(begun); took != want {
						t.Errorf("turn %d: waited for %v, want %v", i, took, want)
					}
				}
				time.Sleep(2 * time.Minute) // the call that was lost ends, too
				if got := s.Stats.InFlight.Load(); got != 0 {
					t.Errorf("in flight: got %d, want 0", got)
				}
				if got := s.Stats.Lost.Load(); (got == 1) != tt.lost {
					t.Errorf("lost: got %d, want it %v", got, tt.lost)
				}
			})
		})
	}
}
