package registry

import (
	"sync/atomic"
	"time"
)

// Latency is how long a registry takes to answer, smoothed over the last requests. Its zero value is ready, and its methods
// may be called at once.
type Latency struct{ ns atomic.Int64 }

// Note adds a request that was answered after d. The first one counts whole, each further one for a quarter.
func (l *Latency) Note(d time.Duration) {
	d = max(d, 1)
	for {
		old := l.ns.Load()
		next := int64(d)
		if old > 0 {
			next = old + (int64(d)-old)/4
		}
		if l.ns.CompareAndSwap(old, next) {
			return
		}
	}
}

// Now returns it, 0 before the first request.
func (l *Latency) Now() time.Duration { return time.Duration(l.ns.Load()) }
