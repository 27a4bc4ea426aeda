package httpbridge

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// listener bounds the number of connections and waits where the process has no file descriptor left, instead of
// ending the server.
type listener struct {
	net.Listener
	server *Server
	close  sync.Once
	done   chan struct{} // closed with the listener
}

// serverConn is a client's connection.
type serverConn struct {
	patientConn
	server         *Server
	gate           gate
	given, adopted bool        // it is somebody else's, it was; only the worker of the connection uses these
	active         atomic.Bool // a request has begun and its answer is not written yet
	linger         atomic.Bool // the client is still sending what will not be read
	limit          int64       // bytes that are swallowed of it
	passing        bool        // the body is passed on as it comes and not held
	came           int64       // bytes of the request's body that have been read
	held           int64       // bytes of the server's room that the request takes
	tunnel         *tunnel     // what the connection becomes, when CONNECT has succeeded
}

// Read reads what the gate lets pass.
func (c *serverConn) Read(b []byte) (int, error) {
	if c.gate.refusal != nil {
		return 0, c.gate.refusal
	}
	if !c.holdBody(len(b)) {
		c.gate.refusal = errCrowded
		c.server.Stats.invalid(ReasonCrowded)
		return 0, errCrowded
	}
	n, err := c.read(b)
	c.came += int64(n)
	if n == 0 {
		return n, err
	}
	passed := c.gate.pass(b[:n])
	if c.gate.refusal == nil {
		return n, err
	}
	c.server.Stats.invalid(c.gate.refusal.reason)
	if passed == 0 {
		return 0, c.gate.refusal
	}
	return passed, nil
}

// lingerTime is how long a client may go on sending when it has been refused.
const lingerTime = time.Second

// Close closes the connection. If the client is still sending it first waits for the client to close: most read an
// answer only when they have sent everything, and an earlier end would take it away from them.
func (c *serverConn) Close() error {
	if c.given {
		c.server.giveUp(c)
		return nil
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() &&
		half.CloseWrite() == nil && c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, c.limit) // the connection is closed in any case
	}
	return c.Conn.Close()
}

// The pauses after an error of Accept that passes by itself.
const (
	shortPause = 5 * time.Millisecond
	longPause  = time.Second
)

// Accept returns the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	pause := shortPause
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			if l.server.full() {
				l.server.turnAway(conn)
				continue
			}
			return l.server.newConn(conn), nil
		case errors.Is(err, syscall.ECONNABORTED):
			continue
		case !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE):
			return nil, err
		}
		l.server.Logger.Warn("httpbridge: no file descriptor left for a connection; raise the limit of open files", "error", err)
		select {
		case <-time.NewTimer(pause).C:
		case <-l.done:
			return nil, net.ErrClosed
		}
		pause = min(2*pause, longPause)
	}
}

// Close closes the listener; more than once is allowed.
func (l *listener) Close() error {
	var err error
	l.close.Do(func() {
		close(l.done)
		err = l.Listener.Close()
	})
	return err
}

func (s *Server) newConn(conn net.Conn) *serverConn {
	return &serverConn{patientConn: newPatientConn(conn), server: s, limit: int64(s.MaxBodySize)}
}

func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) >= s.MaxConnections
}

// turnAway answers a connection for which there is no room. What is written fits the empty send buffer of the socket.
func (s *Server) turnAway(conn net.Conn) {
	s.Stats.Refused.Add(1)
	body := appendError(nil, motan.CodeUnavailable, motan.TypeService, "too many connections to this agent; use fewer, or raise maxConnections")
	var head fasthttp.ResponseHeader
	head.SetStatusCode(fasthttp.StatusServiceUnavailable)
	head.SetContentTypeBytes(typeJSON)
	head.SetContentLength(len(body))
	head.SetConnectionClose()
	if conn.SetWriteDeadline(time.Now().Add(shortPause)) == nil {
		_, _ = conn.Write(append(head.Header(), body...)) // a client that is gone needs no answer
	}
	_ = conn.Close()
}

// connState keeps account of the connections.
func (s *Server) connState(conn net.Conn, state fasthttp.ConnState) {
	c, ok := conn.(*serverConn)
	if !ok {
		return
	}
	switch state {
	case fasthttp.StateNew:
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
	case fasthttp.StateActive:
		c.active.Store(true)
	case fasthttp.StateIdle:
		c.active.Store(false)
		c.leave()
	case fasthttp.StateClosed:
		if c.tunnel != nil { // the client was gone before it was told of it
			c.tunnel.drop(net.ErrClosed)
		}
		c.leave()
		s.forget(c)
	case fasthttp.StateHijacked: // its tunnel has it, until it forgets it
	}
}

// forget drops a connection that has ended.
func (s *Server) forget(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
