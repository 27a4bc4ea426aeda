package filters

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// held are calls that wait for a time, at most so many at once. No goroutine waits with them.
type held struct{ n atomic.Int64 }

// hold keeps c for d and then hands it to then, on a goroutine of the timer's. The caller must
// not touch c any more if hold returns true; false means that too many wait.
func (h *held) hold(c *motan.Call, d time.Duration, most int64, then func(*motan.Call)) bool {
	if h.n.Add(1) > most {
		h.n.Add(-1)
		return false
	}
	time.AfterFunc(d, func() { // ends with the call: every holder bounds d
		h.n.Add(-1)
		c.Batch = nil
		then(c)
	})
	return true
}

// count is how many wait.
func (h *held) count() int64 { return h.n.Load() }
