package filters

import (
	"sync/atomic"
	"time"
)

// window counts calls and failures of the last ten seconds, without a lock. The zero window is
// empty. Counts of one second stop at four million.
type window struct{ seconds [windowSeconds]atomic.Uint64 }

// A second is one word: its number in the low 20 bits, then 22 bits of calls, 22 of failures.
const (
	windowSeconds = 10
	epochBits     = 20
	countBits     = 22
	countMask     = 1<<countBits - 1
	epochMask     = 1<<epochBits - 1
)

func epoch(now int64) uint64 { return uint64(now/int64(time.Second)) & epochMask }

// add counts a call.
func (w *window) add(now int64, failed bool) {
	e := epoch(now)
	second := &w.seconds[uint64(now/int64(time.Second))%windowSeconds]
	for {
		old := second.Load()
		next := old
		if old&epochMask != e {
			next = e
		}
		if next>>epochBits&countMask < countMask {
			next += 1 << epochBits
			if failed {
				next += 1 << (epochBits + countBits)
			}
		}
		if second.CompareAndSwap(old, next) {
			return
		}
	}
}

// sum is how many calls and failures there were within ten seconds before now.
func (w *window) sum(now int64) (calls, failures int) {
	e := epoch(now)
	for i := range w.seconds {
		s := w.seconds[i].Load()
		if (e-s&epochMask)&epochMask < windowSeconds {
			calls += int(s >> epochBits & countMask)
			failures += int(s >> (epochBits + countBits))
		}
	}
	return calls, failures
}

// reset forgets everything.
func (w *window) reset() {
	for i := range w.seconds {
		w.seconds[i].Store(0)
	}
}
