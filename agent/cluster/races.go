package cluster

import (
	"math"
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

// mostBackupBytes is the largest request that is sent a second time: the copy is made while the ends of other calls wait.
const mostBackupBytes = 256 << 10

// races are the calls of a cluster for which a backup request may be made. One timer serves all of them, as with the
// deadlines of a connection: it moves only when an earlier time comes in.
type races struct {
	cluster *Cluster
	paces   paces

	mu      sync.Mutex // guards the races, too; a connection's lock may be taken inside it, see race.drop
	waiting []*race    // guarded by mu; until their backup request is due
	armed   int64      // guarded by mu; when timer fires
	timer   *time.Timer
	closed  bool // guarded by mu
}

func newRaces(k *Cluster) *races { return &races{cluster: k, armed: math.MaxInt64} }

// close ends the timer. Calls that are on their way go on.
func (x *races) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	if x.timer != nil {
		x.timer.Stop()
	}
}

// wait has r make a backup request at the time due. Caller holds mu.
func (x *races) wait(r *race, due int64) {
	r.due, r.at = due, len(x.waiting)
	x.waiting = append(x.waiting, r)
	x.arm(due)
}

// forget takes r out of those that wait. Caller holds mu.
func (x *races) forget(r *race) {
	if r.at < 0 {
		return
	}
	last := len(x.waiting) - 1
	x.waiting[r.at] = x.waiting[last]
	x.waiting[r.at].at = r.at
	x.waiting[last] = nil
	x.waiting = x.waiting[:last]
	r.at = -1
}

// arm makes the timer fire at due if it would do so later. Caller holds mu.
func (x *races) arm(due int64) {
	if x.closed || due >= x.armed {
		return
	}
	x.armed = due
	wait := max(time.Duration(due-motan.Now()), 0) + time.Millisecond // so that several are due at once
	if x.timer == nil {
		x.timer = time.AfterFunc(wait, x.fire)
	} else {
		x.timer.Reset(wait)
	}
}

// fire sends the backup requests that are due.
func (x *races) fire() {
	now := motan.Now()
	type start struct {
		race *race
		call *motan.Call
	}
	var ready []start
	next := int64(math.MaxInt64)
	x.mu.Lock()
	x.armed = next
	for i := 0; i < len(x.waiting); {
		r := x.waiting[i]
		if r.due > now {
			next = min(next, r.due)
			i++
			continue
		}
		x.forget(r) // the last one takes its place
		if b := r.backup(now); b != nil {
			ready = append(ready, start{r, b})
		}
	}
	x.arm(next)
	x.mu.Unlock()
	for _, s := range ready {
		s.race.launch(s.call)
	}
}
