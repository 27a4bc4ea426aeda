package motan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// given is a connection that a server has given up.
type given struct {
	conn   net.Conn
	unread []byte
}

// late answers every call from another goroutine, some of them after the next ones.
func late(c *motan.Call) {
	c.Batch = nil // it is not the reader's any more
	go func() {   // ends with the call
		c.Reply.SetBody(bytes.Clone(c.Request.Body()))
		c.End()
	}()
}

// Connections go to and fro between two servers while their clients call without a pause: every call is answered once,
// on the connection on which it was made.
func TestHandOverUnderLoad(t *testing.T) {
	const conns, window, moves = 8, 16, 25
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			start := serve
			if network == "unix" {
				start = serveUnix
			}
			first, second := start(t, &motan.Server{Handler: motan.HandlerFunc(late)}), start(t, &motan.Server{Handler: motan.HandlerFunc(late)})
			stop := make(chan struct{})
			var clients sync.WaitGroup
			for range conns {
				c := motantest.Dial(t, first.addr)
				clients.Go(func() { callOn(t, c, window, stop) })
			}
			motantest.Await(t, "connections", func() bool { return first.Stats.Open.Load() == conns })
			from, to := first, second
			for range moves {
				before := from.Stats.Calls.Load()
				motantest.Await(t, "calls", func() bool { return from.Stats.Calls.Load() > before })
				if err := from.HandOver(t.Context(), func(conn net.Conn, unread []byte) error {
					to.Adopt(conn, unread)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if open := from.Stats.Open.Load(); open != 0 {
					t.Fatalf("%d connections are left", open)
				}
				from, to = to, from
			}
			close(stop)
			clients.Wait()
			motantest.Await(t, "nothing in flight", func() bool { return first.Stats.InFlight.Load()+second.Stats.InFlight.Load() == 0 })
			if n := first.Stats.Malformed.Load() + second.Stats.Malformed.Load() + first.Stats.Truncated.Load() + second.Stats.Truncated.Load(); n != 0 {
				t.Errorf("%d connections were cut in a frame", n)
			}
		})
	}
}

// callOn keeps window calls of different sizes under way until stop, then gets the answers to all.
func callOn(t *testing.T, c *motantest.Client, window int, stop <-chan struct{}) {
	t.Helper()
	open := make(map[uint64]string)
	answer := func() {
		f := c.Receive()
		if want, ok := open[f.ID]; !ok || string(f.Body()) != want {
			t.Errorf("answer %d of %d bytes: want %d bytes, asked for: %v", f.ID, len(f.Body()), len(want), ok)
		}
		delete(open, f.ID)
	}
	for id := uint64(1); ; id++ {
		select {
		case <-stop:
			for len(open) > 0 {
				answer()
			}
			return
		default:
		}
		body := fmt.Sprintf("%d %s", id, bytes.Repeat([]byte("x"), int(id*997%9000)))
		f := motantest.Request("s", "m", []byte(body))
		f.ID = id
		open[id] = body
		c.Send(f)
		for len(open) >= window {
			answer()
		}
	}
}

// What has begun to arrive goes along; a call in flight is answered first.
func TestHandOverWaits(t *testing.T) {
	calls := make(chan *motan.Call)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Batch = nil
		calls <- c
	})})
	next := serve(t, &motan.Server{Handler: echo})
	c := motantest.Dial(t, s.addr)
	c.Write(raw(0, 8, 0x30, 1, "a\n1", "first"))
	call := <-calls
	second := raw(0, 8, 0x30, 2, "a\n1", "second")
	c.Write(second[:20])
	all := make(chan given, 1)
	done := make(chan error)
	go func() {
		done <- s.HandOver(t.Context(), func(conn net.Conn, unread []byte) error {
			all <- given{conn, unread}
			return nil
		})
	}()
	select {
	case <-all:
		t.Fatal("a connection was given up with a call in flight")
	case <-time.After(20 * time.Millisecond):
	}
	c.Write(second[20:25])
	call.End()
	if f := c.Receive(); f.ID != 1 {
		t.Errorf("got the answer to %d, want 1", f.ID)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	g := <-all
	next.Adopt(g.conn, g.unread)
	c.Write(second[25:])
	if f := c.Receive(); f.ID != 2 || string(f.Body()) != "second" {
		t.Errorf("got the answer to %d, %q, want that to 2", f.ID, f.Body())
	}
}

// A connection that nobody takes, or that is busy for too long, is served on.
func TestHandOverComesToNothing(t *testing.T) {
	calls := make(chan *motan.Call, 1)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		if string(c.Request.Body()) == "hold" {
			c.Batch = nil
			calls <- c
			return
		}
		echo(c)
	}), FrameTimeout: 30 * time.Second})
	c := motantest.Dial(t, s.addr)
	check := func(id uint64, body string) {
		t.Helper()
		if f := c.Receive(); f.ID != id || string(f.Body()) != body {
			t.Errorf("got the answer to %d, %q, want that to %d, %q", f.ID, f.Body(), id, body)
		}
	}
	started := raw(0, 8, 0x30, 1, "a\n1", "x")
	c.Write(started[:7])
	motantest.Await(t, "the connection", func() bool { return s.Stats.Open.Load() == 1 })
	failed := errors.New("no")
	if err := s.HandOver(t.Context(), func(_ net.Conn, unread []byte) error {
		if !bytes.Equal(unread, started[:len(unread)]) {
			t.Errorf("unread: got % x", unread)
		}
		return failed
	}); !errors.Is(err, failed) {
		t.Errorf("got %v, want the error of who does not take it", err)
	}
	c.Write(started[7:])
	check(1, "x")

	c.Write(raw(0, 8, 0x30, 2, "a\n1", "hold"))
	call := <-calls
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.HandOver(short, func(net.Conn, []byte) error { t.Error("given up with a call in flight"); return failed }); err == nil {
		t.Error("got no error for a connection that is busy")
	}
	c.Write(raw(0, 8, 0x30, 3, "a\n1", "y"))
	check(3, "y")
	call.End()
	check(2, "")
}

// Connections that rest are given up like others; a server that is closed meanwhile gives up nothing.
func TestHandOverResting(t *testing.T) {
	const conns = 600
	s, next := serveResting(t, &motan.Server{}), serveResting(t, &motan.Server{})
	clients := make([]*motantest.Client, conns)
	for i := range clients {
		clients[i] = motantest.Dial(t, s.addr)
	}
	awaitResting(t, s, conns)
	if err := s.HandOver(t.Context(), func(conn net.Conn, unread []byte) error {
		next.Adopt(conn, unread)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	awaitResting(t, s, 0)
	awaitResting(t, next, conns)
	for _, c := range clients {
		if f := c.Call(motantest.Request("s", "m", []byte("x"))); string(f.Body()) != "x" {
			t.Fatalf("got %q", f.Body())
		}
	}
	_ = next.Close()
	if err := next.HandOver(t.Context(), func(net.Conn, []byte) error { t.Error("given up"); return nil }); err != nil {
		t.Error(err)
	}
}
