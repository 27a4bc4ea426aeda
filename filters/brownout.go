package filters

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// brownout decides which share of a service's calls is degraded, by how the others fare. It
// sets in at once, with a few calls still let through to see how they end; it ends in steps
// once these have been well for a while. The zero brownout degrades none.
type brownout struct {
	share    atomic.Int32 // percent
	inFlight atomic.Int64
	failed   window
	slow     window
	next     atomic.Int64 // when to look again
	cpu      cpuMeter

	mu    sync.Mutex
	since int64 // guarded by mu; when calls last fared badly
}

// brownoutRule is when a brownout sets in and ends. A zero is a condition that does not count.
type brownoutRule struct {
	errorPercent int
	requests     int // in ten seconds, below which percentages say nothing
	p99          time.Duration
	inFlight     int
	cpu          float64 // percent of the host's processors that are busy
	recover      time.Duration
}

const (
	brownoutMost = 95 // percent: the rest shows how things are
	brownoutStep = 10 // percent a second on the way back

	brownoutCalm = 0.8 // share of the limit of busy processors below which a host is calm again
)

func (r *brownoutRule) never() bool {
	return r.errorPercent == 0 && r.p99 == 0 && r.inFlight == 0 && r.cpu == 0
}

// degrades tells whether a call is among the share.
func (b *brownout) degrades(now int64, r *brownoutRule) bool {
	if r.never() {
		return false
	}
	if next := b.next.Load(); now >= next && b.next.CompareAndSwap(next, now+int64(time.Second)) {
		b.look(now, r)
	}
	share := b.share.Load()
	return share > 0 && rand.Int32N(100) < share
}

// end notes how a call that was let through has ended.
func (b *brownout) end(now int64, took time.Duration, v verdict, r *brownoutRule) {
	if r.never() || v == neutral {
		return
	}
	b.failed.add(now, v == bad)
	if r.p99 > 0 {
		b.slow.add(now, took > r.p99)
	}
}

// look sets the share, once a second.
func (b *brownout) look(now int64, r *brownoutRule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := b.share.Load()
	calls, failures := b.failed.sum(now)
	_, slow := b.slow.sum(now)
	requests, errors, inFlight, cpu := r.requests, r.errorPercent, r.inFlight, r.cpu
	if cpu > 0 {
		b.cpu.measure()
	}
	if share > 0 { // fewer calls are let through, those of a second count, and they must fare better than before
		requests, errors, inFlight = max(1, requests*(100-int(share))/1000), (errors+1)/2, (inFlight+1)/2
		cpu *= brownoutCalm
		b.failed.reset()
		b.slow.reset()
	}
	enough := calls >= requests
	if r.errorPercent > 0 && enough && failures*100 >= calls*errors ||
		r.p99 > 0 && enough && slow*100 > calls ||
		r.inFlight > 0 && b.inFlight.Load() >= int64(inFlight) ||
		r.cpu > 0 && b.cpu.percent() >= cpu {
		b.share.Store(brownoutMost)
		b.since = now
		b.failed.reset()
		b.slow.reset()
		return
	}
	if share > 0 && now-b.since >= int64(r.recover) {
		b.share.Store(max(share-brownoutStep, 0))
	}
}
