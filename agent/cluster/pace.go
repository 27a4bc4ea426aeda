package cluster

import (
	"maps"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Backup says when a call is sent a second time while the first answer is awaited. The zero Backup is never.
type Backup struct {
	Delay      time.Duration // after the first request; 0 is the time in which Percentile of the method's calls are answered
	Percentile int           // 1 to 100
	Initial    time.Duration // the delay while that is not known; 0 is no backup request then
	Ratio      int           // backup requests for 100 calls, at most
}

const (
	leastDelay = 10 * time.Millisecond // as with motan-go: what is faster is not worth a second request
	leastCalls = 20                    // that must have ended for a percentile to be known
	paceEvery  = 64                    // calls after which the percentile is computed again
	paceCalls  = 1024                  // from so many on the older ones count half
	maxPaces   = 256                   // methods that are told apart; callers choose their names

	paceSteps  = 8  // parts of each power of two: percentiles are right to an eighth
	paceShift  = 13 // the first of them ends at 8 µs
	paceRanges = paceSteps * 24
)

// pace is how long the calls of a method take, and how many backup requests it may have.
type pace struct {
	backup  Backup
	counts  [paceRanges]atomic.Int32 // calls by duration
	ended   atomic.Int64
	usual   atomic.Int64 // ns, the percentile; 0 while it is not known
	permits atomic.Int64 // for backup requests, in hundredths of one
}

// delay is how long to wait before a backup request; ok is false for none.
func (p *pace) delay() (d int64, ok bool) {
	b := &p.backup
	switch {
	case b.Delay > 0:
		d = int64(b.Delay)
	case p.usual.Load() > 0:
		d = p.usual.Load()
	case b.Initial > 0:
		d = int64(b.Initial)
	default:
		return 0, false
	}
	return max(d, int64(leastDelay)), true
}

// earn counts a call for the ratio. What may be saved up is for a hundred calls.
func (p *pace) earn() {
	ratio := int64(p.backup.Ratio)
	if p.permits.Load() < 100*ratio {
		p.permits.Add(ratio)
	}
}

// spend takes a permit for a backup request.
func (p *pace) spend() bool {
	if p.permits.Add(-100) >= 0 {
		return true
	}
	p.permits.Add(100)
	return false
}

// note takes how long a call took, or at least did.
func (p *pace) note(took int64) {
	p.counts[paceRange(took)].Add(1)
	n := p.ended.Add(1)
	if p.backup.Delay == 0 && (n == leastCalls || n%paceEvery == 0) {
		p.settle()
	}
}

// settle computes the percentile.
func (p *pace) settle() {
	var counts [paceRanges]int64
	total := int64(0)
	for i := range p.counts {
		counts[i] = int64(p.counts[i].Load())
		total += counts[i]
	}
	if total >= paceCalls {
		for i, n := range counts {
			p.counts[i].Add(-int32(n / 2))
		}
	}
	left := total * int64(p.backup.Percentile) / 100
	for i, n := range counts {
		if left -= n; left <= 0 && n > 0 {
			p.usual.Store(paceEnd(i))
			return
		}
	}
}

// paceRange is the index of the count for a duration.
func paceRange(ns int64) int {
	x := max(uint64(ns), 1)
	exp := bits.Len64(x>>paceShift) - 1
	if exp < 0 {
		return 0
	}
	within := int(x>>(exp+paceShift-3)) & (paceSteps - 1) // the three bits below the highest
	return min(1+exp*paceSteps+within, paceRanges-1)
}

// paceEnd is the duration at which the range with that index ends.
func paceEnd(i int) int64 {
	if i == 0 {
		return 1 << paceShift
	}
	exp, within := (i-1)/paceSteps, (i-1)%paceSteps
	return int64(paceSteps+within+1) << (exp + paceShift - 3)
}

// paces are the methods of a cluster that have been called. The map is never changed: a new method makes another.
type paces struct {
	byName atomic.Pointer[map[string]*pace]

	mu sync.Mutex // one new method at a time
}

// of returns the pace of the call's method, whose settings are m.
func (p *paces) of(c *motan.Call, m Method) *pace {
	name := appendMethod(make([]byte, 0, 128), &c.Request)
	if known := p.byName.Load(); known != nil {
		if x := (*known)[string(name)]; x != nil {
			return x
		}
		if len(*known) > maxPaces {
			return (*known)[""]
		}
	}
	return p.add(string(name), m)
}

// add makes the pace of a method; those past the bound share one, which has no name.
func (p *paces) add(name string, m Method) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	var known map[string]*pace
	if old := p.byName.Load(); old != nil {
		known = *old
	}
	if len(known) >= maxPaces {
		name = ""
	}
	if x := known[name]; x != nil {
		return x
	}
	x := new(pace)
	if m.Backup != nil {
		x.backup = *m.Backup
	}
	next := make(map[string]*pace, len(known)+1)
	maps.Copy(next, known)
	next[name] = x
	p.byName.Store(&next)
	return x
}
