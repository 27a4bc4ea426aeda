package filters

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// verdict is what the end of a call says about whom it went to.
type verdict uint8

const (
	neutral verdict = iota // nothing: it was refused here, or the caller's request was wrong
	good
	bad
)

// judge tells how a call ended. Exceptions that the implementation has thrown are bad if biz is
// true, good otherwise.
func judge(c *motan.Call, biz bool) verdict {
	if c.Err != nil {
		switch c.Err.Kind {
		case motan.KindBadRequest, motan.KindRefused, motan.KindOversize, motan.KindDropped:
			return neutral
		}
		return bad
	}
	if !c.Reply.Failed() {
		return good
	}
	if x, _ := c.Reply.Exception(); x.Type == motan.TypeBiz && !biz {
		return good
	}
	return bad
}

// The states of a circuit.
const (
	closed   int32 = iota // calls pass
	open                  // none does
	halfOpen              // few do, to see how they end
)

// circuit counts how calls end, and opens when too many fail. Closed ones take no lock. The
// zero circuit is closed.
type circuit struct {
	window   window
	inFlight atomic.Int64
	state    atomic.Int32 // written under mu

	mu     sync.Mutex
	since  int64 // guarded by mu; when it opened, or the last probe was sent
	from   int64 // guarded by mu; when the first of the probes began
	probes int   // guarded by mu; sent and not neutral
	good   int   // guarded by mu; of these, those that ended well
}

// circuitRule is when a circuit opens and closes.
type circuitRule struct {
	requests int           // in ten seconds, below which it stays closed
	percent  int           // of failures that open it
	sleep    time.Duration // until probes are sent
	probes   int           // that must end well to close it
}

// admit tells whether a call may pass that has begun at the time given.
func (k *circuit) admit(now, began int64, r *circuitRule) bool {
	if k.state.Load() == closed {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	waited := now-k.since >= int64(r.sleep)
	switch k.state.Load() {
	case closed:
		return true
	case open:
		if !waited {
			return false
		}
		k.state.Store(halfOpen)
		k.from, k.probes, k.good = began, 0, 0
	case halfOpen:
		if k.probes >= r.probes && !waited {
			return false
		}
		if k.probes >= r.probes { // probes that have not ended in all that time: others are sent
			k.probes, k.good = 0, 0
		}
		k.from = min(k.from, began)
	}
	k.probes++
	k.since = now
	return true
}

// end notes how a call has ended; opened tells that the circuit opens because of it.
func (k *circuit) end(now, began int64, v verdict, r *circuitRule) (opened bool) {
	if k.state.Load() == closed {
		if v == neutral {
			return false
		}
		k.window.add(now, v == bad)
		if v == good || !r.exceeded(k.window.sum(now)) {
			return false
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch k.state.Load() {
	case closed:
		return v == bad && k.open(now)
	case halfOpen:
		if began < k.from { // from before it opened
			return false
		}
		switch v {
		case neutral:
			k.probes = max(k.probes-1, 0)
		case bad:
			return k.open(now)
		case good:
			if k.good++; k.good >= r.probes {
				k.window.reset()
				k.state.Store(closed)
			}
		}
	}
	return false
}

// open opens the circuit. Caller holds mu.
func (k *circuit) open(now int64) bool {
	k.state.Store(open)
	k.since = now
	return true
}

func (r *circuitRule) exceeded(calls, failures int) bool {
	return calls >= r.requests && failures*100 >= calls*r.percent
}

// idle tells whether the circuit is as good as new.
func (k *circuit) idle(now int64) bool {
	calls, _ := k.window.sum(now)
	return k.state.Load() == closed && k.inFlight.Load() == 0 && calls == 0
}
