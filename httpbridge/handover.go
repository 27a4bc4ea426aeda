package httpbridge

import (
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// handOverTick is how often connections are looked at while they are given up.
	handOverTick = time.Millisecond
	// handOverBatch is how many are woken up at a tick.
	handOverBatch = 256
)

// handOver is the giving up of a server's connections.
type handOver struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	give   func(net.Conn) error
	giving sync.WaitGroup // calls of give
}

// HandOver gives every connection to give, between two requests: the request that has begun is answered first, and what
// the client sends after it waits in the socket. From then on the connection is not this server's any more, and still
// open. Give is called by many goroutines at once.
//
// HandOver returns nil when no connection is left, the error of give when that does not take one, or that of ctx at its
// end: what is left then is served on. Listeners are the caller's to close before. It must not run twice at once.
func (s *Server) HandOver(ctx context.Context, give func(net.Conn) error) error {
	s.once.Do(s.setup)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &handOver{ctx: ctx, cancel: cancel, give: give}
	defer h.giving.Wait()
	s.mu.Lock()
	s.handing.Store(h)
	idle := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.handing.Store(nil)
	}()
	tick := time.NewTicker(handOverTick)
	defer tick.Stop()
	for {
		// Who waits for a request notices by the deadline; who is busy, when it waits for the next one.
		n := min(len(idle), handOverBatch)
		for _, c := range idle[:n] {
			_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // an error means that it has ended
		}
		idle = idle[n:]
		s.mu.Lock()
		left := len(s.conns)
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Adopt serves a connection that another server has given up. The server owns it from then on.
func (s *Server) Adopt(conn net.Conn) {
	s.once.Do(s.setup)
	c := s.newConn(conn)
	c.adopted = true
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if stopped || conn.SetDeadline(time.Time{}) != nil {
		s.connState(c, fasthttp.StateClosed)
		_ = conn.Close()
		return
	}
	go func() { _ = s.http.ServeConn(c) }() // ends with the connection; its errors are the client's
}

// leaves tells whether c is to be given up now: it waits for a request, of which nothing has been read.
func (c *serverConn) leaves() bool {
	if c.active.Load() {
		return false
	}
	if h := c.server.handing.Load(); h == nil || h.ctx.Err() != nil {
		return false
	}
	c.given = true
	return true
}

// SetReadDeadline sets when a Read that begins later fails. A connection that was adopted has been waiting for its next
// request, for which it has more time than a new one.
func (c *serverConn) SetReadDeadline(t time.Time) error {
	if c.adopted {
		c.adopted = false
		t = time.Now().Add(c.server.http.IdleTimeout)
	}
	return c.patientConn.SetReadDeadline(t)
}

// read reads from the connection. To a server that gives its connections up it tells the end between two requests.
func (c *serverConn) read(b []byte) (int, error) {
	for {
		if c.leaves() {
			return 0, io.EOF
		}
		n, err := c.socket.Read(b)
		if err == nil || n > 0 {
			return n, err
		}
		if err := c.patience(err); err != nil {
			return 0, err
		}
	}
}

// giveUp gives the connection of c, of which the server has seen the end, to whoever takes it. Where nobody does, it is
// served as a new one.
func (s *Server) giveUp(c *serverConn) {
	s.mu.Lock()
	h := s.handing.Load()
	if h != nil && h.ctx.Err() == nil {
		h.giving.Add(1)
	} else {
		h = nil
	}
	s.mu.Unlock()
	if h != nil {
		defer h.giving.Done()
		err := h.give(c.Conn)
		if err == nil {
			return
		}
		h.cancel(err)
	}
	s.Adopt(c.Conn)
}
