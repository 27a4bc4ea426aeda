package httpbridge

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// keptBytes is the size up to which an exchange keeps its buffers for the next one.
const keptBytes = 64 << 10

// exchange is a call that an HTTP request has become, and the request's goroutine that waits for its end.
//
// The timer that guards it runs on from one call to the next: it costs something once in DefaultTimeout, and not
// at each call.
type exchange struct {
	server *Server
	call   *motan.Call
	body   []byte // of the call; belongs to the call until it has ended
	name   []byte // scratch for a decoded name or a header
	begun  int64  // when the call began, see [motan.Now]
	done   chan struct{}
	state  atomic.Int64 // begun while the call is awaited, else one of the states below
	timer  *time.Timer  // runs guard; of whoever set armed
	armed  atomic.Bool  // timer is running
	lent   bool         // the reply is being written: it is released behind that
}

// The states of an exchange whose call is not awaited, which are no times. Whoever ends the waiting decides who releases
// the call.
const (
	stateEnded     = math.MinInt64 + iota // the request's goroutine releases it
	stateAbandoned                        // the request is answered without it: whoever ends the call releases it
)

var _ motan.Returner = (*exchange)(nil)

// newExchange returns an exchange with an empty call.
func (s *Server) newExchange() *exchange {
	x, ok := s.exchanges.Get().(*exchange)
	if !ok {
		x = &exchange{server: s, done: make(chan struct{}, 1)}
		x.state.Store(stateEnded)
	}
	x.call = motan.NewCall()
	x.call.Request.SetSerialization(motan.SerializeSimple)
	return x
}

// run makes the call and waits for its end, as await does.
func (x *exchange) run() bool { return x.runBy(x.server.Handler) }

// runBy makes the call likewise, by another handler.
func (x *exchange) runBy(h motan.Handler) bool {
	x.start(h)
	return x.await()
}

// start makes the call.
func (x *exchange) start(h motan.Handler) {
	s := x.server
	s.Stats.Calls.Add(1)
	s.Stats.InFlight.Add(1)
	x.begun = motan.Now()
	x.state.Store(x.begun)
	x.arm(s.DefaultTimeout)
	x.call.Request.SetBody(x.body)
	x.call.Push(x, 0)
	motan.Hand(h, x.call)
}

// await waits for the call's end. It returns false when there is none in time; the exchange then belongs to the call.
func (x *exchange) await() bool {
	<-x.done
	return x.state.Load() != stateAbandoned
}

// arm starts the timer unless it is running: then guard finds out how long it has to run on.
func (x *exchange) arm(wait time.Duration) {
	if x.armed.Swap(true) {
		return
	}
	if x.timer == nil {
		x.timer = time.AfterFunc(wait, x.guard)
	} else {
		x.timer.Reset(wait)
	}
}

// guard ends the waiting for a call that has taken DefaultTimeout. The state tells calls apart by their begin: one that
// has only just begun is not given up in place of the one before.
func (x *exchange) guard() {
	x.armed.Store(false) // before the state is read: a call that begins from now on arms the timer itself
	begun := x.state.Load()
	if begun == stateEnded || begun == stateAbandoned {
		return
	}
	if left := x.server.DefaultTimeout - time.Duration(motan.Now()-begun); left > 0 {
		x.arm(left)
		return
	}
	if x.state.CompareAndSwap(begun, stateAbandoned) {
		x.server.Stats.Lost.Add(1)
		x.done <- struct{}{}
	}
}

// Return is told that the call has ended. It keeps the call, which has no owner below: once the request's goroutine
// goes on, the call may be in use by somebody else.
func (x *exchange) Return(c *motan.Call, _ int) bool {
	x.server.Stats.InFlight.Add(-1)
	if x.state.CompareAndSwap(x.begun, stateEnded) {
		x.done <- struct{}{}
		return false
	}
	c.Release()
	return false
}

// release gives the exchange and its call back. The call must have ended, or never have begun.
func (x *exchange) release() {
	x.call.Release()
	x.call = nil
	x.body, x.name = kept(x.body), kept(x.name)
	x.server.exchanges.Put(x)
}

func kept(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}
