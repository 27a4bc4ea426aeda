package filters

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Notables remembers the calls that an operator asks for first: the last ones that failed, and the slowest of the last
// minutes. Nothing of their bodies is kept. A nil Notables remembers nothing; the zero one is ready.
type Notables struct {
	floor atomic.Int64 // a call must have taken longer, in ns, to be among the slowest
	begun atomic.Int64 // when the slowest of the moment were begun to be collected, see motan.Now
	tick  atomic.Int64 // the second that recorded counts
	seen  atomic.Int64 // failures recorded in it

	mu      sync.Mutex
	failed  []Notable // guarded by mu; a ring
	next    int       // guarded by mu; where the next one goes
	slowest []Notable // guarded by mu; in no order
	before  []Notable // guarded by mu; those of the period before
}

// Notable is one call.
type Notable struct {
	Time        time.Time `json:"time"`
	Role        string    `json:"role"`
	Application string    `json:"application"`
	Group       string    `json:"group"`
	Service     string    `json:"service"`
	Method      string    `json:"method"`
	RequestID   string    `json:"requestID,omitempty"`
	Caller      string    `json:"caller,omitempty"` // the application that called
	Remote      string    `json:"remote,omitempty"` // its address, where it came from another host
	Endpoint    string    `json:"endpoint,omitempty"`
	Attempts    int       `json:"attempts,omitempty"`
	Millis      float64   `json:"ms"`
	Code        int       `json:"code,omitempty"` // of the exception; 0 for a good answer
	Error       string    `json:"error,omitempty"`
}

const (
	keptFailures   = 200
	keptSlowest    = 50
	slowestPeriod  = int64(5 * time.Minute)
	failuresSecond = 50 // recorded in a second: a flood of failures costs those that follow nothing
	notableText    = 500
)

// see looks at a call that took so long; failed tells that it had no good answer.
func (n *Notables) see(role string, c *motan.Call, now int64, took time.Duration, failed bool) {
	if failed && n.admit(now) {
		n.mu.Lock()
		x := notable(role, c, took)
		if len(n.failed) < keptFailures {
			n.failed = append(n.failed, x)
		} else {
			n.failed[n.next] = x
			n.next = (n.next + 1) % keptFailures
		}
		n.mu.Unlock()
	}
	begun := n.begun.Load()
	if now-begun > slowestPeriod && n.begun.CompareAndSwap(begun, now) {
		n.mu.Lock()
		n.before, n.slowest = n.slowest, nil
		n.floor.Store(0)
		n.mu.Unlock()
	}
	if int64(took) > n.floor.Load() {
		n.slow(role, c, took)
	}
}

// admit bounds what is recorded of failures in a second.
func (n *Notables) admit(now int64) bool {
	if second := now / int64(time.Second); n.tick.Swap(second) != second {
		n.seen.Store(0)
	}
	return n.seen.Add(1) <= failuresSecond
}

func (n *Notables) slow(role string, c *motan.Call, took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if int64(took) <= n.floor.Load() {
		return
	}
	if len(n.slowest) < keptSlowest {
		n.slowest = append(n.slowest, notable(role, c, took))
	} else {
		least := 0
		for i := range n.slowest {
			if n.slowest[i].Millis < n.slowest[least].Millis {
				least = i
			}
		}
		n.slowest[least] = notable(role, c, took)
	}
	if len(n.slowest) == keptSlowest {
		least := n.slowest[0].Millis
		for i := range n.slowest {
			least = min(least, n.slowest[i].Millis)
		}
		n.floor.Store(int64(least * float64(time.Millisecond)))
	}
}

func notable(role string, c *motan.Call, took time.Duration) Notable {
	x := Notable{
		Time: time.Now(), Role: role, Application: c.Application, Group: c.Group, Service: c.Service,
		Method: string(cut(c.Request.Method(), maxName)), RequestID: string(cut(c.Request.RequestID(), maxName)),
		Caller: string(cut(c.Request.Source(), maxName)), Remote: c.Remote, Endpoint: c.Endpoint, Attempts: c.Attempts,
		Millis: float64(took) / float64(time.Millisecond),
	}
	switch {
	case c.Err != nil:
		e := c.Err.Exception()
		x.Code, x.Error = e.Code, cut(e.Message, notableText)
	default:
		if e, failed := c.Reply.Exception(); failed {
			x.Code, x.Error = e.Code, cut(e.Message, notableText)
		}
	}
	return x
}

// Failed are the last calls that failed, newest first.
func (n *Notables) Failed() []Notable {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Concat(n.failed[n.next:], n.failed[:n.next])
	slices.Reverse(all)
	return all
}

// Slowest are the slowest calls of the last five to ten minutes, slowest first.
func (n *Notables) Slowest() []Notable {
	n.mu.Lock()
	all := slices.Concat(n.slowest, n.before)
	n.mu.Unlock()
	slices.SortFunc(all, func(a, b Notable) int {
		switch {
		case a.Millis > b.Millis:
			return -1
		case a.Millis < b.Millis:
			return 1
		}
		return a.Time.Compare(b.Time)
	})
	return all[:min(len(all), keptSlowest)]
}
