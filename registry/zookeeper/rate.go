package zookeeper

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
)

// counts is what happened since the start. Fields without a note are guarded by Registry.mu.
type counts struct {
	readings   int64 // of lists and commands
	notices    int64 // that something watched has changed
	reconnects int64 // connections after the first
	lost       int64 // notices that never came, or only after what they were about
	repairs    int64 // nodes of ours that somebody had deleted or changed

	requests atomic.Int64     // to the servers, without pings
	latency  registry.Latency // of these
	limit    *rate            // of readings that repeat what is known
}

// rate lets through so many per second, after a burst of as many as go in a quarter of one.
type rate struct {
	perSecond float64
	delayed   atomic.Int64 // how many had to wait

	mu    sync.Mutex
	free  float64   // guarded by mu: may go at once; below zero so many are waiting
	since time.Time // guarded by mu: when free was right
}

func newRate(perSecond int) *rate {
	return &rate{perSecond: float64(perSecond), free: float64(perSecond) / 4}
}

// take returns how long to wait before going on.
func (l *rate) take(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.since.IsZero() && now.After(l.since) {
		l.free = min(l.free+now.Sub(l.since).Seconds()*l.perSecond, l.perSecond/4)
	}
	if now.After(l.since) {
		l.since = now
	}
	l.free--
	if l.free >= 0 {
		return 0
	}
	l.delayed.Add(1)
	return time.Duration(-l.free / l.perSecond * float64(time.Second))
}

// wait waits for its turn. The error says that ctx has ended.
func (l *rate) wait(ctx context.Context) error {
	pause := l.take(time.Now())
	if pause <= 0 {
		return nil
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return zk.ErrClosing
	}
}
