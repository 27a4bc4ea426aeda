package simulation

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
)

// around is a latency that varies by chance around its mean, never below half of it.
func around(mean time.Duration) func(time.Duration, *rand.Rand) time.Duration {
	return func(_ time.Duration, dice *rand.Rand) time.Duration {
		return mean/2 + time.Duration(dice.ExpFloat64()*float64(mean)/2)
	}
}

func perSecond(rate float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return rate }
}

// TestSimulateSlowEndpoint has one of ten endpoints answer in 200 ms instead of 5 for a while: which share of the calls does
// it get, and what does the slowest hundredth of the callers see?
func TestSimulateSlowEndpoint(t *testing.T) {
	slowFrom, slowTo, length := long(2*time.Second, 10*time.Second), long(6*time.Second, 30*time.Second), long(8*time.Second, 45*time.Second)
	dice := cluster.Dice{R: newDice(1)}
	var shares, slowest []line
	step := length / 40
	for _, b := range []struct {
		name    string
		balance cluster.Balance
		most    float64 // share of the slow one, percent
		least   float64
	}{
		{"random", cluster.Random{Dice: dice}, 13, 7},
		{"roundrobin", cluster.RoundRobin{}, 11, 9},
		{"wrr", cluster.WeightedRoundRobin{}, 11, 9},
		{"leastActive", cluster.LeastActive{}, 3, 0},
		{"p2c", cluster.P2C{Dice: dice}, 2, 0},
	} {
		providers := make([]*provider, 10)
		for i := range providers {
			providers[i] = &provider{latency: around(5 * time.Millisecond)}
		}
		usual, slow := around(5*time.Millisecond), around(200*time.Millisecond)
		providers[0].latency = func(at time.Duration, dice *rand.Rand) time.Duration {
			if at >= slowFrom && at < slowTo {
				return slow(at, dice)
			}
			return usual(at, dice)
		}
		w := simulate(t, length, cluster.Settings{Balance: b.balance}, providers, func(w *world) { w.steady(perSecond(1000)) })
		share := func(from, to time.Duration) float64 {
			return 100 * float64(w.requests(from, to, 0)) / float64(max(w.requests(from, to, -1), 1))
		}
		settled := slowFrom + time.Second
		got, p99 := share(settled, slowTo), percentile(w.between(settled, slowTo, nil), 0.99)
		back := share(slowTo+(length-slowTo)/2, length)
		found(t, b.name, "the slow endpoint gets %.1f %% of the calls, p99 %.0f ms; afterwards %.1f %%", got, p99, back)
		if got < b.least || got > b.most {
			t.Errorf("%s: the slow endpoint got %.1f %% of the calls, want %g to %g", b.name, got, b.least, b.most)
		}
		shares = append(shares, line{b.name, w.series(step, share)})
		slowest = append(slowest, line{b.name, w.series(step, func(from, to time.Duration) float64 { return percentile(w.between(from, to, nil), 0.99) })})
	}
	draw(t, "slow-endpoint-share", "One of ten endpoints is slow for a while", "its share of the calls, %", step, shares)
	draw(t, "slow-endpoint-p99", "One of ten endpoints is slow for a while", "99 of 100 calls take at most, ms", step, slowest)
}
