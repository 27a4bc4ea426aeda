package httpbridge

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// room bounds the bytes of large bodies, requests and answers, that are held at one time.
type room struct {
	limit   int64
	used    atomic.Int64
	waiting atomic.Int64 // answers that are there and wait for room
}

func (r *room) take(n int64) bool {
	if r.used.Add(n) > r.limit {
		r.used.Add(-n)
		return false
	}
	return true
}

var errCrowded = &refusal{
	ReasonCrowded, fasthttp.StatusServiceUnavailable,
	"the bodies of all requests together take more than httpMaxBytesInFlight; send fewer large ones at once, or raise it",
}

// hold makes the connection's share of the room n bytes; bodies that are kept with the connection are not counted. It
// returns false, and changes nothing, if there is no room.
func (c *serverConn) hold(n int64) bool {
	if n <= keptBytes {
		n = 0
	}
	if n > c.held && !c.server.room.take(n-c.held) {
		return false
	}
	if n < c.held {
		c.server.room.used.Add(n - c.held)
	}
	c.held = n
	return true
}

// holdBody counts a body that arrives: what has come of it, and the buffer that is there for the rest.
func (c *serverConn) holdBody(buffer int) bool {
	if c.gate.state == gateHead || c.passing {
		return true
	}
	n := c.came + int64(buffer)
	return n <= c.held || n <= keptBytes || c.hold(n)
}

// leave gives back what the connection holds, when its request has been answered.
func (c *serverConn) leave() {
	c.came, c.passing = 0, false
	c.hold(0)
}

// awaitRoom is hold for an answer: it waits a while for others to be written, since the call has been made, unless as much waits
// already as there is room for. It may block.
func (c *serverConn) awaitRoom(n int64, patience time.Duration) bool {
	if c.hold(n) {
		return true
	}
	r := &c.server.room
	defer r.waiting.Add(-n)
	if r.waiting.Add(n) > r.limit {
		return false
	}
	const pause = 5 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		<-tick.C
		if c.hold(n) {
			return true
		}
	}
	return false
}
