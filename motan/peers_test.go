package motan_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// running is a server under test on a port of its own.
type running struct {
	*motan.Server
	addr string
	done chan error // what Serve returned
}

// serve runs s on a TCP port until the test ends, and checks that nothing of its room is held then.
func serve(t testing.TB, s *motan.Server) *running {
	t.Helper()
	return serveOn(t, s, "tcp", "127.0.0.1:0")
}

// serveUnix runs s on a unix socket until the test ends.
func serveUnix(t testing.TB, s *motan.Server) *running {
	t.Helper()
	return serveOn(t, s, "unix", filepath.Join(t.TempDir(), "s"))
}

func serveOn(t testing.TB, s *motan.Server, network, addr string) *running {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if s.Room == nil {
		s.Room = new(motan.Room)
	}
	r := &running{Server: s, addr: l.Addr().String(), done: make(chan error, 1)}
	if network == "unix" {
		r.addr = "unix://" + r.addr
	}
	go func() { r.done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-r.done; !errors.Is(err, motan.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
		motantest.Await(t, "what callers held", func() bool {
			requests, answers := s.Room.Held()
			return requests == 0 && answers == 0
		})
	})
	return r
}

// echo answers each call at once with its own metadata and body.
var echo = motan.HandlerFunc(func(c *motan.Call) {
	c.Reply.CopyFrom(&c.Request)
	c.End()
})

// within is a deadline that much from now.
func within(d time.Duration) int64 { return motan.Now() + int64(d) }

// newCall returns a call of a method m with a deadline that means failure.
func newCall(body []byte, pairs ...string) *motan.Call {
	c := motan.NewCall()
	c.Request.CopyFrom(motantest.Request("com.example.HelloService", "m", body, pairs...))
	c.Deadline = within(motantest.Patience)
	return c
}

// do hands c to h and waits for its end.
func do(t testing.TB, h motan.Handler, c *motan.Call) *motan.Call {
	t.Helper()
	done := make(chan struct{})
	go func() {
		motan.Do(h, c)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(2 * motantest.Patience):
		t.Fatal("the call never ends")
	}
	return c
}

// kindOf is the kind of c's error; ok where there is none.
func kindOf(c *motan.Call) string {
	if c.Err == nil {
		return "ok"
	}
	return c.Err.Kind.String()
}

// pipes is a listener of net.Pipe connections, which have no descriptor.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
