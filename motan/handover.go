package motan

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// handOverTick is how often connections are looked at while they are given up.
	handOverTick = time.Millisecond
	// handOverBatch is how many are told at a tick, so that ten thousand that rest do not wake up at once.
	handOverBatch = 256
	// againAfter is after how many ticks a reader is told again.
	againAfter = 16
)

// errGivenUp is why a reader has ended whose connection was handed over.
var errGivenUp = errors.New("motan: connection was handed over")

// handOver is the giving up of a server's connections.
type handOver struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	give   func(conn net.Conn, unread []byte) error
	giving sync.WaitGroup // calls of give
}

// HandOver gives every connection to give, when all calls that have come in over it are answered and the answers written:
// from then on it is not this server's any more, and still open. Unread are bytes that were read already, the beginning
// of a frame; they are the receiver's to keep. Meanwhile no further call is read from it: what its client sends waits in the
// socket. Give is called by many goroutines at once.
//
// HandOver returns nil when no connection is left, the error of give when that does not take one, or that of ctx at its
// end: what is left then is served on. Listeners are the caller's to close before. It must not run twice at once.
func (s *Server) HandOver(ctx context.Context, give func(conn net.Conn, unread []byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &handOver{ctx: ctx, cancel: cancel, give: give}
	defer h.giving.Wait()
	defer s.setHandOver(nil)
	s.setHandOver(h)
	tick := time.NewTicker(handOverTick)
	defer tick.Stop()
	for round := 0; s.dismiss(h, round%againAfter == 0) > 0; round++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *Server) setHandOver(h *handOver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handing = h
}

// dismiss tells some of the connections to leave that were not told yet, with again also those whose readers have not
// noticed: they may have set a deadline of their own in between. It returns how many are not given yet.
func (s *Server) dismiss(h *handOver, again bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := 0
	for c := range s.conns {
		if c.dismissed.Load() == h && (!again || c.leaving.Load()) {
			continue
		}
		c.dismissed.Store(h)
		c.stopReading()
		if told++; told == handOverBatch {
			break
		}
	}
	return len(s.conns)
}

// Adopt serves a connection that another server has given up, beginning with unread. The server owns it from then on.
func (s *Server) Adopt(conn net.Conn, unread []byte) {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close() // it has ended meanwhile
		return
	}
	c := newServerConn(s, conn)
	c.unread = unread
	s.begin(c, math.MaxInt) // the limit is for those who come in
}

// mayLeave tells whether the reader has ended with err because c was dismissed.
func (c *serverConn) mayLeave(err error) bool {
	return c.dismissed.Load() != nil && c.stopped.Load() && (errors.Is(err, errServerGone) || errors.Is(err, os.ErrDeadlineExceeded))
}

// leave gives c up once nothing of it is under way any more. It reports false where c stays, because the hand-over has
// ended before or nobody takes c.
func (c *serverConn) leave(r *reader) bool {
	h := c.dismissed.Load()
	if h == nil {
		return false
	}
	c.leaving.Store(true)
	defer c.leaving.Store(false)
	tick := time.NewTicker(handOverTick)
	defer tick.Stop()
	for !c.idle() {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			return false
		}
	}
	if !c.server.giveUp(h) {
		return false
	}
	defer h.giving.Done()
	if err := h.give(c.conn, r.left()); err != nil {
		h.cancel(err)
		return false
	}
	c.server.drop(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell()
	c.shut(errServerGone)
	return true
}

// giveUp counts a connection that is about to be given; false where h or the server has ended.
func (s *Server) giveUp(h *handOver) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handing != h || s.closed || h.ctx.Err() != nil {
		return false
	}
	h.giving.Add(1)
	return true
}

// idle tells whether every call is answered and every answer written.
func (c *serverConn) idle() bool {
	if c.inFlight.Load() != 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued() == 0 && !c.writing
}

// stay goes on after a hand-over that came to nothing; false where the connection has ended meanwhile.
func (c *serverConn) stay(r *reader) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil || c.conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	r.again()
	c.stopped.Store(false)
	c.dismissed.Store(nil)
	return true
}
