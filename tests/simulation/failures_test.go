package simulation

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
)

// during tells whether a time is in a span.
func during(from, to time.Duration) func(time.Duration, *rand.Rand) bool {
	return func(at time.Duration, _ *rand.Rand) bool { return at >= from && at < to }
}

// TestSimulateOutlier has one of ten endpoints refuse everything for a while: how many calls fail before it is left out, how
// often it is tried meanwhile, and when it has its share again.
func TestSimulateOutlier(t *testing.T) {
	from, to, length := 2*time.Second, long(8*time.Second, 20*time.Second), long(20*time.Second, 60*time.Second)
	step := length / 40
	var failures, calls []line
	for _, v := range []struct {
		name   string
		health cluster.Health
	}{
		{"left out", cluster.Health{Failures: 10, Pause: time.Second, Panic: 50}},
		{"by its share of failures only", cluster.Health{Pause: time.Second, Panic: 50}},
	} {
		providers := make([]*provider, 10)
		for i := range providers {
			providers[i] = &provider{latency: around(5 * time.Millisecond)}
		}
		providers[0].fails = during(from, to)
		w := simulate(t, length, cluster.Settings{Balance: cluster.Random{Dice: cluster.Dice{R: newDice(1)}}, Health: v.health}, providers, func(w *world) { w.steady(perSecond(1000)) })
		failed := len(w.between(from, to, isBad))
		all := len(w.between(from, to, nil))
		late := 100 * float64(w.requests(length-4*time.Second, length, 0)) / float64(w.requests(length-4*time.Second, length, -1))
		found(t, v.name, "%d of %d calls failed while it did, %.1f %% of the calls in the end", failed, all, late)
		if most := map[bool]int{true: 40, false: 300}[v.health.Failures > 0]; failed > most || late < 6 {
			t.Errorf("%d calls failed and it got %.1f %% of the last ones, want at most %d and about ten", failed, late, most)
		}
		if n := len(w.between(to+time.Second, length, isBad)); n > 0 {
			t.Errorf("%d calls failed after it was well again", n)
		}
		failures = append(failures, line{v.name, w.series(step, func(from, to time.Duration) float64 {
			return float64(len(w.between(from, to, isBad))) / step.Seconds()
		})})
		calls = append(calls, line{v.name, w.series(step, func(from, to time.Duration) float64 { return float64(w.requests(from, to, 0)) / step.Seconds() })})
	}
	draw(t, "outlier-failures", "One of ten endpoints fails for a while", "calls that fail, a second", step, failures)
	draw(t, "outlier-calls", "One of ten endpoints fails for a while", "calls that it gets, a second", step, calls)
}

// TestSimulateBrownOut has every endpoint fail half of its calls for a while, with up to three retries for each call: how much
// load do the retries add, and is all well as soon as the endpoints are?
func TestSimulateBrownOut(t *testing.T) {
	from, to, length := 3*time.Second, long(8*time.Second, 20*time.Second), long(12*time.Second, 30*time.Second)
	step := length / 40
	var loads []line
	for _, v := range []struct {
		name        string
		budget      cluster.Budget
		least, most float64 // times the calls
	}{
		{"no budget", cluster.Budget{}, 1.8, 2},
		{"20 %, 10 a second", cluster.Budget{Percent: 20, Floor: 10}, 1.1, 1.2},
		{"no retries", cluster.Budget{Percent: -1}, 0.99, 1},
	} {
		half := func(at time.Duration, dice *rand.Rand) bool { return at >= from && at < to && dice.IntN(2) == 0 }
		providers := make([]*provider, 10)
		for i := range providers {
			providers[i] = &provider{latency: around(5 * time.Millisecond), fails: half}
		}
		s := cluster.Settings{Balance: cluster.P2C{Dice: cluster.Dice{R: newDice(1)}}, Retries: 3, Budget: v.budget}
		if v.budget.Percent < 0 {
			s.Retries, s.Budget = 0, cluster.Budget{}
		}
		w := simulate(t, length, s, providers, func(w *world) { w.steady(perSecond(1000)) })
		// A burst at the beginning is for what the calls of the second before have left in the budget.
		times := float64(w.requests(from+time.Second, to, -1)) / float64(len(w.between(from+time.Second, to, nil)))
		found(t, v.name, "%.3f requests for each call, %.1f %% of the calls are answered", times,
			100*float64(len(w.between(from+time.Second, to, isGood)))/float64(len(w.between(from+time.Second, to, nil))))
		if times < v.least || times > v.most+0.005 {
			t.Errorf("%s: got %.3f requests for each call, want %g to %g", v.name, times, v.least, v.most)
		}
		if n := len(w.between(to+time.Second, length, isBad)); n > 0 {
			t.Errorf("%s: %d calls failed more than a second after the endpoints were well", v.name, n)
		}
		loads = append(loads, line{v.name, w.series(step, func(from, to time.Duration) float64 {
			return float64(w.requests(from, to, -1)) / float64(max(len(w.between(from, to, nil)), 1))
		})})
	}
	draw(t, "brown-out", "All endpoints fail half of the calls for a while, up to 3 retries", "requests for each call", step, loads)
}
