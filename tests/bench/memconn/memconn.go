// Package memconn has connections without descriptors, for more of them than a process may have descriptors. Who dials
// writes whole requests and counts replies; who accepts has a net.Conn like any other. It is no general pipe.
package memconn

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Listener hands out the accepting ends of what is dialled.
type Listener struct {
	conns  chan *Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener. Close ends it.
func Listen() *Listener {
	return &Listener{conns: make(chan *Conn), closed: make(chan struct{})}
}

// Accept waits for a Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial. Connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the same for all listeners.
func (l *Listener) Addr() net.Addr { return addr{} }

// Dial makes a connection and waits until it is accepted.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	c := new(Conn)
	c.change.L = &c.mu
	select {
	case l.conns <- c:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Conn is both ends of a connection: its methods are those of the accepting end, Exchange is that of the dialling one.
type Conn struct {
	mu      sync.Mutex
	change  sync.Cond
	request []byte // guarded by mu; what is to be read
	written int    // guarded by mu; bytes written since the last Exchange began
	expired bool   // guarded by mu; a read deadline is over
	closed  bool   // guarded by mu
}

var _ net.Conn = (*Conn)(nil)

// Exchange has request read and waits until something was written in return. It keeps request until it was read.
func (c *Conn) Exchange(ctx context.Context, request []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // which has no error
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.request, c.written = request, 0
	c.change.Broadcast()
	for c.written == 0 && !c.closed {
		c.change.Wait()
	}
	if c.closed {
		return errors.Join(net.ErrClosed, ctx.Err())
	}
	return nil
}

// Read waits for an Exchange.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.request) == 0 && !c.closed && !c.expired {
		c.change.Wait()
	}
	switch {
	case c.closed:
		return 0, io.EOF
	case c.expired:
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, c.request)
	c.request = c.request[n:]
	return n, nil
}

// Write counts p.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.written += len(p)
	c.change.Broadcast()
	return len(p), nil
}

// Close ends both ends.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.change.Broadcast()
	return nil
}

// SetReadDeadline knows two deadlines: one that is over, and none.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = !t.IsZero() && !t.After(time.Now())
	c.change.Broadcast()
	return nil
}

// SetDeadline is SetReadDeadline; writes do not wait.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writes do not wait.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr and RemoteAddr are the same for all.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr is that of LocalAddr.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
