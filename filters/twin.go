package filters

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// twin is a call and its copy on their ways. Whoever comes back last compares them.
type twin struct {
	state *mirrorState
	bytes int64
	ends  [2]shape // of the primary and the copy; each is written by its own, before back is counted
	back  atomic.Int32
}

const (
	primary = iota
	copied
)

var _ motan.Returner = (*twin)(nil)

// reserve takes room for the copy, unless there is none.
func (t *twin) reserve(x *mirrorSettings) bool {
	calls, bytes := t.state.inFlight.Add(1), t.state.bytes.Add(t.bytes)
	if calls <= x.inFlight && bytes <= x.bytes {
		return true
	}
	t.free()
	return false
}

func (t *twin) free() {
	t.state.inFlight.Add(-1)
	t.state.bytes.Add(-t.bytes)
}

// send makes the copy of c and hands it to h. The service is empty where it is the same.
func (t *twin) send(c *motan.Call, h motan.Handler, service string) {
	twice := motan.NewCall()
	twice.Request.CopyFrom(&c.Request)
	twice.Request.Set(mirrorMark, "1")
	twice.Service, twice.Group, twice.Application = c.Service, c.Group, c.Application
	if service != "" && service != c.Service {
		twice.Service = service
		twice.Request.Set("M_p", service)
	}
	twice.Remote, twice.Batch = c.Remote, c.Batch // what is written is flushed with the rest of the batch
	twice.Push(t, copied)
	c.Push(t, primary)
	h.Handle(twice)
}

// Return notes how one of the two has ended.
func (t *twin) Return(c *motan.Call, mark int) bool {
	t.ends[mark] = shapeOf(c)
	if mark == copied {
		t.free()
		c.Release()
	}
	if t.back.Add(1) == 2 {
		t.compare()
	}
	return mark == primary
}

func (t *twin) compare() {
	t.state.of(t.ends[primary].differs(&t.ends[copied])).Add(1)
	t.state.primary.note(t.ends[primary].took)
	t.state.copy.note(t.ends[copied].took)
}

// recent is a mean of times in which the latest count most. The zero recent knows none.
type recent struct{ bits atomic.Uint64 } // of a float64, nanoseconds

// newest is how much of the mean a new time makes.
const newest = 1.0 / 32

func (r *recent) note(took time.Duration) {
	for {
		old := r.bits.Load()
		next := float64(took)
		if old != 0 {
			next = math.Float64frombits(old)*(1-newest) + next*newest
		}
		if r.bits.CompareAndSwap(old, math.Float64bits(max(next, 1))) {
			return
		}
	}
}

func (r *recent) millis() float64 {
	return math.Float64frombits(r.bits.Load()) / float64(time.Millisecond)
}
