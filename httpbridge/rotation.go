package httpbridge

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// The pauses of a web service that cannot be reached: the first, and the longest after further attempts.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
)

// rotation are several web services that serve the same; each request goes to the next one. One that cannot be reached is
// left alone for a while, and the request goes on to another, which it may since nothing of it was sent.
type rotation struct {
	members []*member
	next    atomic.Uint64
}

var _ backend = (*rotation)(nil)

// member is one web service of a rotation.
type member struct {
	*upstream
	failures atomic.Int64 // attempts in a row that did not reach it
	until    atomic.Int64 // when its pause ends, see [motan.Now]
}

// ask asks the next member, then those that follow it while they cannot be reached; those in a pause when no
// other is left.
func (r *rotation) ask(x *webExchange, left time.Duration) *motan.Error {
	end := motan.Now() + int64(left)
	start := r.next.Add(1)
	tried := make([]bool, len(r.members))
	var failed *motan.Error
	for _, paused := range []bool{false, true} {
		for i := range r.members {
			at := (start + uint64(i)) % uint64(len(r.members))
			m, now := r.members[at], motan.Now()
			if tried[at] || !paused && m.until.Load() > now {
				continue
			}
			tried[at] = true
			failed = m.upstream.ask(x, time.Duration(end-now))
			if failed == nil || failed.Kind != motan.KindUnavailable {
				m.failures.Store(0)
				return failed
			}
			m.pause()
		}
	}
	return failed
}

// pause leaves m alone: twice as long each time.
func (m *member) pause() {
	n := m.failures.Add(1)
	m.until.Store(motan.Now() + int64(min(firstPause<<min(n-1, 10), longestPause)))
}

func (r *rotation) close() {
	for _, m := range r.members {
		m.close()
	}
}
