package simulation

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// TestSimulateBackupRequest has three of a hundred calls take a quarter of a second by chance: what do backup requests save,
// and what do they cost?
func TestSimulateBackupRequest(t *testing.T) {
	length := long(10*time.Second, 60*time.Second)
	step := length / 40
	usual := around(8 * time.Millisecond)
	var slowest []line
	p99 := map[string]float64{}
	for _, v := range []struct {
		name     string
		strategy cluster.Strategy
		ratio    int
	}{
		{"failover", cluster.Failover, 0},
		{"backupRequest, 15 %", cluster.BackupRequest, 15},
		{"backupRequest, 2 %", cluster.BackupRequest, 2},
	} {
		providers := make([]*provider, 5)
		for i := range providers {
			providers[i] = &provider{latency: func(at time.Duration, dice *rand.Rand) time.Duration {
				if dice.IntN(100) < 3 {
					return 250 * time.Millisecond
				}
				return usual(at, dice)
			}}
		}
		w := simulate(t, length, cluster.Settings{
			Balance: cluster.Random{Dice: cluster.Dice{R: newDice(1)}}, Strategy: v.strategy, Retries: 1,
			Backup: &cluster.Backup{Percentile: 95, Ratio: v.ratio}, Budget: cluster.Budget{Percent: 20, Floor: 10},
		}, providers, func(w *world) { w.steady(perSecond(500)) })
		from := 2 * time.Second // the delay is known
		calls := w.between(from, length, nil)
		more := 100 * (float64(w.requests(from, length, -1))/float64(len(calls)) - 1)
		p99[v.name] = percentile(calls, 0.99)
		found(t, v.name, "p50 %.0f ms, p99 %.0f ms, %.1f %% more requests", percentile(calls, 0.5), p99[v.name], more)
		if limit := float64(v.ratio) + 0.5; more > limit {
			t.Errorf("%s: %.1f %% more requests, want at most %d", v.name, more, v.ratio)
		}
		if n := len(w.between(0, length, isBad)); n > 0 {
			t.Errorf("%s: %d calls failed", v.name, n)
		}
		slowest = append(slowest, line{v.name, w.series(step, func(from, to time.Duration) float64 { return percentile(w.between(from, to, nil), 0.99) })})
	}
	if one, other := p99["failover"], p99["backupRequest, 15 %"]; other > one/3 {
		t.Errorf("99 of 100 calls take %.0f ms with backup requests and %.0f without, want less than a third", other, one)
	}
	draw(t, "backup-request", "Three of a hundred calls take 250 ms by chance", "99 of 100 calls take at most, ms", step, slowest)
}

// TestSimulateKnee lets the load grow beyond what providers can do: with an adaptive limit what is too much is refused at once,
// and the others are as fast as before; without one all wait until their time is over.
func TestSimulateKnee(t *testing.T) {
	length := long(15*time.Second, 60*time.Second)
	step := length / 40
	const able = 1000.0 // calls a second: ten workers of 10 ms
	rate := func(at time.Duration) float64 { return able * (0.3 + 1.5*float64(at)/float64(length)) }
	var goodput, slowest []line
	for _, v := range []struct {
		name   string
		params map[string]string
	}{
		{"no limit", nil},
		{"adaptive limit", map[string]string{"concurrency.adaptive": "true", "concurrency.limit": "50", "concurrency.max": "500"}},
	} {
		providers := []*provider{{latency: func(time.Duration, *rand.Rand) time.Duration { return 10 * time.Millisecond }, workers: 10}}
		w := simulate(t, length, cluster.Settings{}, providers, func(w *world) {
			if v.params != nil {
				f, err := filters.NewConcurrency(filters.Settings{Role: filters.ClientAgent, Service: "svc", Group: "g", Params: v.params})
				if err != nil {
					w.t.Fatal(err)
				}
				w.handler = motan.NewChain(w.cluster, f)
			}
			w.steady(rate)
		})
		end := length * 9 / 10
		good := w.between(end, length, isGood)
		rateOfGood := float64(len(good)) / (length - end).Seconds()
		found(t, v.name, "at 1.8 times what can be done: %.0f calls a second answered, 99 of 100 of these within %.0f ms", rateOfGood, percentile(good, 0.99))
		if v.params != nil && (rateOfGood < 0.8*able || percentile(good, 0.99) > 200) {
			t.Errorf("%s: %.0f calls a second answered within %.0f ms, want %g within 200", v.name, rateOfGood, percentile(good, 0.99), able)
		}
		if v.params == nil && percentile(good, 0.99) < 500 && rateOfGood > 0.8*able {
			t.Errorf("without a limit nothing is slow (%.0f ms): the simulation shows nothing", percentile(good, 0.99))
		}
		goodput = append(goodput, line{v.name, w.series(step, func(from, to time.Duration) float64 {
			return float64(len(w.between(from, to, isGood))) / step.Seconds()
		})})
		slowest = append(slowest, line{v.name, w.series(step, func(from, to time.Duration) float64 {
			return percentile(w.between(from, to, func(e ended) bool { return !e.refused }), 0.99)
		})})
	}
	draw(t, "knee-answered", "The load grows to 1.8 times what providers can do", "calls answered, a second", step, goodput)
	draw(t, "knee-p99", "The load grows to 1.8 times what providers can do", "99 of 100 calls that are not refused take at most, ms", step, slowest)
}
