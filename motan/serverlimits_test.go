package motan_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestServerConnectionLimit(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo, MaxConns: 2})
	a, b := motantest.Dial(t, s.addr), motantest.Dial(t, s.addr)
	a.Call(motantest.Request("s", "m", nil))
	b.Call(motantest.Request("s", "m", nil))
	if got := motantest.Dial(t, s.addr).AwaitClose(); len(got) != 0 {
		t.Errorf("got %x", got)
	}
	if got := s.Stats.Refused.Load(); got != 1 {
		t.Errorf("refused: got %d", got)
	}
	_ = a.Conn.Close()
	motantest.Await(t, "room", func() bool { return s.Stats.Open.Load() == 1 })
	motantest.Dial(t, s.addr).Call(motantest.Request("s", "m", nil))
	if accepted, open := s.Stats.Accepted.Load(), s.Stats.Open.Load(); accepted != 4 || open != 2 {
		t.Errorf("got %d accepted, %d open", accepted, open)
	}
}

func TestServerFrameTimeout(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo, FrameTimeout: 30 * time.Millisecond})
	idle, whole := motantest.Dial(t, s.addr), raw(0, 8, 0x30, 1, "a\n1", "b")
	for i, part := range [][]byte{whole[:1], whole[:15], whole[:len(whole)-1], append(bytes.Clone(whole), whole[:9]...)} {
		c := motantest.Dial(t, s.addr)
		c.Write(part)
		c.AwaitClose()
		motantest.Await(t, "the count", func() bool { return s.Stats.Slow.Load() == int64(i+1) })
	}
	// A connection without a frame that has begun may be silent for ever.
	if f := idle.Call(motantest.Request("s", "m", []byte("x"))); string(f.Body()) != "x" {
		t.Errorf("got %q", f.Body())
	}
}

func TestServerInFlightLimit(t *testing.T) {
	held := make(chan *motan.Call, 100)
	s := serve(t, &motan.Server{MaxInFlight: 10, Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })})
	c := motantest.Dial(t, s.addr)
	end := func(c *motan.Call) {
		c.Batch = nil
		c.End()
	}
	for i := range 10 {
		c.Write(raw(0, 8, 0x30, uint64(i), "", ""))
	}
	first := <-held
	for range 9 {
		end(<-held)
	}
	for range 9 {
		c.Receive()
	}
	for i := range 30 { // comes in pieces now, so that the limit shows
		c.Write(raw(0, 8, 0x30, uint64(10+i), "", ""))
	}
	most := int64(0)
	for range 30 {
		most = max(most, s.Stats.InFlight.Load())
		end(<-held)
	}
	end(first)
	for range 31 {
		c.Receive()
	}
	// One read may bring more frames than there is room for, but nothing is read beyond it.
	if most > 10+30 || s.Stats.Answers.Load() != 40 {
		t.Errorf("got %d in flight and %d answers", most, s.Stats.Answers.Load())
	}
}

// heapNow is what is alive after a collection.
func heapNow() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

func TestAnnouncedSizesCostNothing(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo})
	head := raw(0, 8, 0x30, 1, "a\n1", "")
	binary.BigEndian.PutUint32(head[len(head)-4:], 10<<20)
	head = append(head, make([]byte, 1024-len(head))...)
	before := heapNow()
	const conns = 300
	for range conns {
		motantest.Dial(t, s.addr).Write(head)
	}
	motantest.Await(t, "the connections", func() bool { return s.Stats.Open.Load() == conns })
	// The last has been read when a call after it is answered on a connection of its own.
	motantest.Dial(t, s.addr).Call(motantest.Request("s", "m", nil))
	if used := heapNow() - before; used > 48<<20 {
		t.Errorf("%d connections that announce 10 MiB hold %d MiB", conns, used>>20)
	}
}

// TestIdleConnectionsHoldNoBuffer makes many connections do a large call each and stay.
func TestIdleConnectionsHoldNoBuffer(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo})
	before := heapNow()
	const conns = 300
	body := make([]byte, 200<<10)
	for range conns {
		motantest.Dial(t, s.addr).Call(motantest.Request("s", "m", body))
	}
	runtime.GC() // pooled buffers go with the second collection
	if used := heapNow() - before; used > 16<<20 {
		t.Errorf("%d idle connections hold %d KiB each", conns, used>>10/conns)
	}
}

// TestClientThatNeverReads floods one connection with calls for large answers and reads none.
// It must end, hold little while it lasts, and hinder nobody.
func TestClientThatNeverReads(t *testing.T) {
	answer := make([]byte, 64<<10)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		if string(c.Request.Service()) == "large" {
			c.Reply.SetBody(answer)
		}
		c.End()
	})})
	flood, other := motantest.Dial(t, s.addr), motantest.Dial(t, s.addr)
	request := motantest.Bytes(motantest.Request("large", "m", nil), 1)
	before := heapNow()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := flood.Conn.SetWriteDeadline(time.Now().Add(2 * motantest.Patience)); err != nil {
			t.Error(err)
		}
		for {
			if _, err := flood.Conn.Write(bytes.Repeat(request, 20)); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection was never closed")
				}
				return
			}
		}
	}()
	most := int64(0)
	for done := false; !done; {
		select {
		case <-ended:
			done = true
		default:
		}
		if f := other.Call(motantest.Request("small", "m", nil)); f.Failed() {
			t.Fatalf("the other connection: %s", f.Get("M_e"))
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, int64(m.HeapInuse)-before)
	}
	motantest.Await(t, "its count", func() bool { return s.Stats.Slow.Load() == 1 })
	motantest.Await(t, "its end", func() bool { return s.Stats.Open.Load() == 1 })
	if most > 300<<20 { // a batch of 64 KiB of requests asks for some 60 MiB
		t.Errorf("up to %d MiB were held", most>>20)
	}
}

func TestClientsThatVanish(t *testing.T) {
	provider := motantest.NewServer(t, motantest.Echo)
	n := motan.NewConn(provider.Addr(), motan.ConnOptions{})
	defer n.Close()
	s := serve(t, &motan.Server{Handler: n})
	random := seeded(t)
	request := motantest.Bytes(motantest.Request("s", "m", make([]byte, 3000)), 1)
	for range 200 {
		c := motantest.Dial(t, s.addr)
		c.Write(bytes.Repeat(request, 1+random.IntN(20)))
		if random.IntN(2) == 0 { // a reset instead of an end
			if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Conn.Close()
	}
	motantest.Await(t, "every connection to end", func() bool { return s.Stats.Open.Load() == 0 })
	motantest.Await(t, "every call to end", func() bool { return s.Stats.InFlight.Load() == 0 && n.InFlight() == 0 })
	if f := motantest.Dial(t, s.addr).Call(motantest.Request("s", "m", nil)); f.Failed() || provider.Accepted() != 1 {
		t.Errorf("afterwards: %s, %d connections to the provider", f.Get("M_e"), provider.Accepted())
	}
}

// TestShutdownLosesNothing shuts servers down under load: every call that was accepted is
// answered, and arrives.
func TestShutdownLosesNothing(t *testing.T) {
	provider := motantest.NewServer(t, motantest.Echo)
	for range 2 {
		n := motan.NewConn(provider.Addr(), motan.ConnOptions{})
		s := serve(t, &motan.Server{Handler: n})
		var received atomic.Int64
		var wait sync.WaitGroup
		for range 4 {
			c := motantest.Dial(t, s.addr)
			request := motantest.Bytes(motantest.Request("s", "m", make([]byte, 200)), 1)
			wait.Go(func() { // sends for ever, until the server hangs up
				for {
					if _, err := c.Conn.Write(request); err != nil {
						return
					}
				}
			})
			wait.Go(func() {
				for {
					if _, err := motantest.ReadFrame(c.Conn); err != nil {
						_ = c.Conn.Close()
						return
					}
					received.Add(1)
				}
			})
		}
		motantest.Await(t, "load", func() bool { return received.Load() > 500 })
		if err := s.Shutdown(t.Context()); err != nil { // calls are taken for a second more
			t.Errorf("shutdown: %v", err)
		}
		wait.Wait()
		if calls, answers := s.Stats.Calls.Load(), s.Stats.Answers.Load(); calls != answers || received.Load() != calls {
			t.Errorf("%d calls, %d answers, %d of them received", calls, answers, received.Load())
		}
		if s.Stats.Open.Load() != 0 || s.Stats.InFlight.Load() != 0 {
			t.Errorf("%d connections and %d calls are left", s.Stats.Open.Load(), s.Stats.InFlight.Load())
		}
		n.Close()
	}
}

// TestShutdownOfQuietConnections sends a call at any moment of the shutdown; a call that was
// read is answered.
func TestShutdownOfQuietConnections(t *testing.T) {
	for range 30 {
		s := serve(t, &motan.Server{Handler: echo})
		c := motantest.Dial(t, s.addr)
		c.Call(motantest.Request("s", "m", nil))
		var wait sync.WaitGroup
		received := int64(1)
		wait.Go(func() {
			request := motantest.Bytes(motantest.Request("s", "m", nil), 1)
			for {
				if _, err := c.Conn.Write(request); err != nil {
					break
				}
				if _, err := motantest.ReadFrame(c.Conn); err != nil {
					break
				}
				received++
				select {
				case <-s.done: //nolint:errcheck // the listener is closed, that is all
					s.done <- motan.ErrServerClosed
					_, _ = io.Copy(io.Discard, c.Conn)
					_ = c.Conn.Close()
					return
				default:
				}
			}
			_ = c.Conn.Close()
		})
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		wait.Wait()
		if calls, answers := s.Stats.Calls.Load(), s.Stats.Answers.Load(); calls != answers || calls != received {
			t.Errorf("%d calls, %d answers, %d received", calls, answers, received)
		}
	}
}

func TestShutdownWaitsForTheAnswer(t *testing.T) {
	held := make(chan *motan.Call, 1)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })})
	c := motantest.Dial(t, s.addr)
	c.Write(raw(0, 8, 0x30, 5, "", ""))
	call := <-held
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	if err := <-s.done; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("Serve returned %v", err)
	}
	s.done <- motan.ErrServerClosed
	if other, err := net.Dial("tcp", s.addr); err == nil { // the port may be somebody else's by now
		defer func() { _ = other.Close() }()
		if got := s.Stats.Accepted.Load(); got != 1 {
			t.Errorf("still listening: got %d connections, want 1", got)
		}
	}
	// Calls on the connection that is there are still taken.
	c.Write(raw(0, 8, 0x30, 6, "", ""))
	other := <-held
	for _, call := range []*motan.Call{other, call} {
		call.Reply.SetBody([]byte("late"))
		call.Batch = nil
		call.End()
	}
	for _, id := range []uint64{6, 5} {
		if f := c.Receive(); f.ID != id || string(f.Body()) != "late" {
			t.Errorf("got %d %q", f.ID, f.Body())
		}
	}
	_ = c.Conn.Close()
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	held := make(chan *motan.Call, 1)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })})
	c := motantest.Dial(t, s.addr)
	c.Write(raw(0, 8, 0x30, 5, "", ""))
	call := <-held
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	c.AwaitClose()
	call.Batch = nil
	call.End() // into nothing
	if s.Stats.Answers.Load() != 0 || s.Stats.InFlight.Load() != 0 || s.Stats.Open.Load() != 0 {
		t.Errorf("%d answers, %d in flight, %d open", s.Stats.Answers.Load(), s.Stats.InFlight.Load(), s.Stats.Open.Load())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("Serve after it: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("its listener is open")
	}
}

// TestAcceptDuringShutdown lets connections come in while the server shuts down: none is left.
func TestAcceptDuringShutdown(t *testing.T) {
	for range 50 {
		s := serve(t, &motan.Server{Handler: echo})
		stop := make(chan struct{})
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if conn, err := net.Dial("tcp", s.addr); err == nil {
						_ = conn.Close()
					}
				}
			})
		}
		motantest.Await(t, "connections", func() bool { return s.Stats.Accepted.Load() > 0 })
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-s.done; !errors.Is(err, motan.ErrServerClosed) {
			t.Error(err)
		}
		s.done <- motan.ErrServerClosed
		if got := s.Stats.Open.Load(); got != 0 {
			t.Errorf("%d connections are left after Shutdown and Serve have returned", got)
		}
		close(stop)
		wait.Wait()
	}
}
