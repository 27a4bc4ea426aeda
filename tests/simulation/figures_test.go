package simulation

import (
	"slices"
	"time"
)

// between are the calls that ended from one time to another and for which keep, if there is one, says so.
func (w *world) between(from, to time.Duration, keep func(ended) bool) []ended {
	var all []ended
	for _, e := range w.ended {
		if e.at >= from && e.at < to && (keep == nil || keep(e)) {
			all = append(all, e)
		}
	}
	return all
}

func isGood(e ended) bool { return e.good }

func isBad(e ended) bool { return !e.good }

// percentile is how long share of the calls took at most, in ms.
func percentile(calls []ended, share float64) float64 {
	if len(calls) == 0 {
		return 0
	}
	took := make([]time.Duration, len(calls))
	for i, e := range calls {
		took[i] = e.took
	}
	slices.Sort(took)
	return took[min(int(share*float64(len(took))), len(took)-1)].Seconds() * 1000
}

// requests is how many requests all providers, or one of them, have taken in a time; provider -1 is all.
func (w *world) requests(from, to time.Duration, provider int) int {
	n := 0
	for _, x := range w.taken {
		if x.at >= from && x.at < to && (provider < 0 || x.provider == provider) {
			n++
		}
	}
	return n
}

// series is a figure of each step of the world's length.
func (w *world) series(step time.Duration, figure func(from, to time.Duration) float64) []float64 {
	var all []float64
	for at := time.Duration(0); at < w.length; at += step {
		all = append(all, figure(at, at+step))
	}
	return all
}
