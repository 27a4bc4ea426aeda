package motan_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// lateListener has accepted a connection when it is closed, but hands it out only later.
type lateListener struct {
	accepting, closed, accept chan struct{}
	begin, end                sync.Once
	conn                      net.Conn
}

func (l *lateListener) Accept() (net.Conn, error) {
	l.begin.Do(func() { close(l.accepting) })
	<-l.accept
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *lateListener) Close() error {
	l.end.Do(func() { close(l.closed) })
	return nil
}

func (l *lateListener) Addr() net.Addr { return &net.UnixAddr{Name: "late", Net: "unix"} }

// TestAcceptAfterShutdown holds that a connection which was accepted in the last moment is
// closed rather than served by a server that is gone.
func TestAcceptAfterShutdown(t *testing.T) {
	near, far := net.Pipe()
	l := &lateListener{accepting: make(chan struct{}), closed: make(chan struct{}), accept: make(chan struct{}), conn: far}
	s := &motan.Server{Handler: echo}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	<-l.accepting
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-l.closed
	close(l.accept)
	if err := <-done; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("Serve returned %v", err)
	}
	if got := motantest.NewClient(t, near).AwaitClose(); len(got) > 0 || s.Stats.Open.Load() != 0 {
		t.Errorf("got %x, %d connections are open", got, s.Stats.Open.Load())
	}
}

// lateConn hands out what it has read only when somebody wants to stop its reader.
type lateConn struct {
	net.Conn
	read, stop chan struct{}
	once       sync.Once
}

func (c *lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		close(c.read)
		<-c.stop
	}
	return n, err
}

func (c *lateConn) SetReadDeadline(t time.Time) error {
	c.once.Do(func() { close(c.stop) })
	return c.Conn.SetReadDeadline(t)
}

func (c *lateConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.stop) })
	return err
}

// TestShutdownWhileReading holds that a call is answered whose bytes have been taken from the
// socket, but which nobody has counted yet, when its connection is found to be quiet.
func TestShutdownWhileReading(t *testing.T) {
	near, far := net.Pipe()
	conn := &lateConn{Conn: far, read: make(chan struct{}), stop: make(chan struct{})}
	l := newPipes()
	s := &motan.Server{Handler: echo}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	l.conns <- conn
	c := motantest.NewClient(t, near)
	c.Send(motantest.Request("s", "m", []byte("just in time")))
	<-conn.read
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	if f := c.Receive(); string(f.Body()) != "just in time" {
		t.Errorf("got %q", f.Body())
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("serve: got %v, want ErrServerClosed", err)
	}
	if calls, answers := s.Stats.Calls.Load(), s.Stats.Answers.Load(); calls != 1 || answers != 1 {
		t.Errorf("%d calls, %d answers", calls, answers)
	}
}
