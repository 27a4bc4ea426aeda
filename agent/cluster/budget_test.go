package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
)

// Calls of which all fail add as many as the budget says, not as many as they may have retries.
func TestRetryBudget(t *testing.T) {
	tests := []struct {
		budget cluster.Budget
		every  time.Duration // between calls
		calls  int
		least  int // retries
		most   int
	}{
		{cluster.Budget{}, time.Millisecond, 1000, 3000, 3000},
		{cluster.Budget{Percent: 20}, time.Millisecond, 1000, 120, 200},
		{cluster.Budget{Percent: 20}, time.Millisecond, 5000, 900, 1000},
		{cluster.Budget{Percent: 20, Floor: 10}, time.Millisecond, 5000, 900, 1000}, // the floor does not come on top
		{cluster.Budget{Floor: 10}, 100 * time.Millisecond, 100, 80, 120},
		{cluster.Budget{Percent: 20, Floor: 10}, time.Minute, 10, 30, 30},
		{cluster.Budget{Percent: 100}, time.Millisecond, 1000, 650, 1000},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%+v %v", tt.budget, tt.every), func(t *testing.T) {
			f := newActing(map[string]act{"": broken})
			k := newCluster(t, cluster.Settings{Retries: 3, Budget: tt.budget, Attempts: []motan.Filter{f}}, patient(0), patient(1), patient(2))
			for i := range 3 {
				f.acts[patient(i)] = broken
			}
			for range tt.calls {
				f.run(k, 1)
				f.wait(tt.every - time.Millisecond) // run takes one
			}
			got := k.Counts()
			if n := int(got.Retries); n < tt.least || n > tt.most {
				t.Errorf("got %d retries of %d calls, want %d to %d", n, tt.calls, tt.least, tt.most)
			}
			if tt.budget.Percent == 20 && tt.every == time.Millisecond && got.Exhausted == 0 {
				t.Error("nobody is told that the budget was used up")
			}
		})
	}
}

// A call that must not be executed twice is sent again only where it was not sent.
func TestOnce(t *testing.T) {
	tests := []struct {
		name     string
		settings cluster.Settings
		act      act
		want     int // attempts
	}{
		{"may have been executed", cluster.Settings{Retries: 2, Once: true}, broken, 1},
		{"not sent", cluster.Settings{Retries: 2, Once: true}, unsent, 4},
		{"may be repeated", cluster.Settings{Retries: 2}, broken, 3},
		{"the method says so", cluster.Settings{Retries: 2, Methods: map[string]cluster.Method{"m()": {
			Retries: 2, Once: true, Timeouts: cluster.Timeouts{Request: time.Second},
		}}}, broken, 1},
		{"fail fast", cluster.Settings{Retries: 2, Strategy: cluster.FailFast}, broken, 1},
		{"fail fast, not sent", cluster.Settings{Strategy: cluster.FailFast}, unsent, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newActing(map[string]act{patient(0): tt.act, patient(1): tt.act})
			tt.settings.Attempts = []motan.Filter{f}
			f.run(newCluster(t, tt.settings, patient(0), patient(1)), 1)
			if got := f.count[patient(0)] + f.count[patient(1)]; got != tt.want {
				t.Errorf("got %d attempts, want %d", got, tt.want)
			}
		})
	}
}

func TestNewStrategy(t *testing.T) {
	for i, name := range cluster.Strategies() {
		if s, ok := cluster.NewStrategy(name); !ok || s != cluster.Strategy(i) {
			t.Errorf("%s: got %d, %t", name, s, ok)
		}
	}
	if s, ok := cluster.NewStrategy(""); !ok || s != cluster.Failover {
		t.Errorf("none: got %d, %t, want failover", s, ok)
	}
	if _, ok := cluster.NewStrategy("failback"); ok {
		t.Error("failback is known")
	}
}
