package httpbridge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// keptBytes is the size up to which an exchange keeps its buffers for the next one.
const keptBytes = 64 << 10

// exchange is a call that an HTTP request has become, and the request's goroutine that waits for its end.
type exchange struct {
	server *Server
	call   *motan.Call
	body   []byte // of the call; belongs to the call until it has ended
	name   []byte // scratch for a decoded name or a header
	done   chan struct{}
	timer  *time.Timer
	state  atomic.Int32
}

// The states of an exchange. Whoever takes it out of waiting decides who releases the call.
const (
	stateWaiting   = iota
	stateEnded     // the call has ended: its end is in done, the request's goroutine releases it
	stateAbandoned // the request was answered without it: whoever ends the call releases it
)

var (
	exchanges = sync.Pool{New: func() any { return &exchange{done: make(chan struct{}, 1)} }}

	_ motan.Returner = (*exchange)(nil)
)

// newExchange returns an exchange with an empty call.
func (s *Server) newExchange() *exchange {
	x := exchanges.Get().(*exchange)
	x.server = s
	x.call = motan.NewCall()
	x.call.Request.SetSerialization(motan.SerializeSimple)
	x.state.Store(stateWaiting)
	return x
}

// run makes the call and waits for its end. It returns false when there is none in time; the exchange then belongs to
// the call.
func (x *exchange) run() bool {
	s := x.server
	s.Stats.Calls.Add(1)
	s.Stats.InFlight.Add(1)
	if x.timer == nil {
		x.timer = time.NewTimer(s.DefaultTimeout)
	} else {
		x.timer.Reset(s.DefaultTimeout)
	}
	x.call.Request.SetBody(x.body)
	x.call.Push(x, 0)
	s.Handler.Handle(x.call)
	select {
	case <-x.done:
		x.timer.Stop()
		return true
	case <-x.timer.C:
	}
	if x.state.CompareAndSwap(stateWaiting, stateAbandoned) {
		s.Stats.Lost.Add(1)
		return false
	}
	<-x.done
	return true
}

// Return is told that the call has ended. It keeps the call, which has no owner below: once the request's goroutine
// goes on, the call may be in use by somebody else.
func (x *exchange) Return(c *motan.Call, _ int) bool {
	x.server.Stats.InFlight.Add(-1)
	if x.state.CompareAndSwap(stateWaiting, stateEnded) {
		x.done <- struct{}{}
		return false
	}
	c.Release()
	return false
}

// release gives the exchange and its call back. The call must have ended, or never have begun.
func (x *exchange) release() {
	x.call.Release()
	x.call, x.server = nil, nil
	x.body, x.name = kept(x.body), kept(x.name)
	exchanges.Put(x)
}

func kept(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}
