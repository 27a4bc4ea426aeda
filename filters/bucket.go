package filters

import (
	"math"
	"sync/atomic"
	"time"
)

// rate is how fast a bucket fills: a call costs one token.
type rate struct {
	interval int64 // nanoseconds in which a token comes
	burst    int64 // nanoseconds in which the bucket fills up
}

// newRate is so many calls a second, and a bucket that holds capacity of them.
func newRate(perSecond float64, capacity int) rate {
	interval := max(1, int64(math.Round(float64(time.Second)/perSecond)))
	burst := min(float64(interval)*float64(capacity), math.MaxInt64/8)
	return rate{interval: interval, burst: int64(burst)}
}

// bucket is a token bucket without a lock: one number, the time at which it would be full
// again. The zero bucket is full.
type bucket struct{ full atomic.Int64 }

// take takes a token, if need be one that comes within patience; the call must wait for it.
func (b *bucket) take(now int64, r rate, patience time.Duration) (wait time.Duration, ok bool) {
	for {
		old := b.full.Load()
		next := max(old, now) + r.interval
		wait := next - now - r.burst
		if wait > 0 && wait > int64(patience) {
			return time.Duration(wait), false
		}
		if b.full.CompareAndSwap(old, next) {
			return time.Duration(max(wait, 0)), true
		}
	}
}

// untake gives a token back.
func (b *bucket) untake(r rate) { b.full.Add(-r.interval) }

// idle tells whether the bucket is full.
func (b *bucket) idle(now int64) bool { return b.full.Load() <= now }
