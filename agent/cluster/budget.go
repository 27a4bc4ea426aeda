package cluster

import (
	"sync/atomic"
	"time"
)

// Budget bounds what retries and backup requests, together, add to the calls of a cluster. Providers that fail because they
// have too much to do would else get several times as much. The zero Budget is no bound.
type Budget struct {
	Percent int // of the calls of about the last second
	Floor   int // may be added in a second however few calls there are
}

const (
	purseTick  = int64(100 * time.Millisecond)
	purseTicks = 10 // a second: after each tick a tenth of what was counted is forgotten
)

// purse counts calls and what was added to them, of about the last second, without a lock: a count that is lost while another
// goroutine forgets does no harm.
type purse struct {
	budget Budget
	calls  atomic.Int64 // in thousandths, so that few calls are not forgotten at once; so is added
	added  atomic.Int64
	tick   atomic.Int64 // up to which calls and added were thinned out
}

func newPurse(b Budget) *purse { return &purse{budget: b} }

// deposit counts a call.
func (p *purse) deposit(now int64) {
	p.forget(now)
	p.calls.Add(1000)
}

// spend tells whether one more may be sent, and counts it.
func (p *purse) spend(now int64) bool {
	p.forget(now)
	most := max(p.calls.Load()*int64(p.budget.Percent)/100, int64(p.budget.Floor)*1000)
	if p.added.Add(1000) > most {
		p.added.Add(-1000)
		return false
	}
	return true
}

// forget thins the counts out for the ticks that have passed.
func (p *purse) forget(now int64) {
	last, tick := p.tick.Load(), now/purseTick
	if tick <= last || !p.tick.CompareAndSwap(last, tick) {
		return
	}
	for _, count := range []*atomic.Int64{&p.calls, &p.added} {
		old := count.Load()
		left := old
		for range min(tick-last, 10*purseTicks) {
			left -= (left + purseTicks - 1) / purseTicks
		}
		count.Add(left - old)
	}
}

// afford tells whether the budget allows to send a call once more.
func (k *Cluster) afford(now int64) bool {
	if k.budget == nil || k.budget.spend(now) {
		return true
	}
	k.count().exhausted.Add(1)
	return false
}
