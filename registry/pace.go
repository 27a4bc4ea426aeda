package registry

import (
	"sync"
	"time"
)

// listPause is the least time between two lists of one service when they follow each other: a service whose nodes restart
// costs its callers two rebuilds a second and not one for each node.
const listPause = 500 * time.Millisecond

// pace lets changes through: the first at once, so many in a row, and then one each listPause, with the newest of what came
// meanwhile.
type pace struct {
	pass  func() // lets the newest through; called without a lock
	burst int    // at least 1

	mu     sync.Mutex
	full   time.Time   // guarded by mu: when as many may go at once as at the beginning
	timer  *time.Timer // guarded by mu: nil when nothing waits
	closed bool        // guarded by mu
}

// poke says that something has changed.
func (p *pace) poke() {
	p.mu.Lock()
	if p.closed || p.timer != nil {
		p.mu.Unlock()
		return
	}
	now := time.Now()
	if earliest := p.full.Add(-time.Duration(p.burst-1) * listPause); now.Before(earliest) {
		p.timer = time.AfterFunc(earliest.Sub(now), p.late) // close stops it
		p.mu.Unlock()
		return
	}
	p.take(now)
	p.mu.Unlock()
	p.pass()
}

// take counts what goes now. The caller holds mu.
func (p *pace) take(now time.Time) {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(listPause)
}

// late lets through what had to wait.
func (p *pace) late() {
	p.mu.Lock()
	p.timer = nil
	closed := p.closed
	p.take(time.Now())
	p.mu.Unlock()
	if !closed {
		p.pass()
	}
}

// close ends it. A change that is on its way may still go through.
func (p *pace) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
