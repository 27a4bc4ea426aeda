package motan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// serveResting runs a server whose connections rest after a few milliseconds. The test is skipped where none can.
func serveResting(t *testing.T, s *motan.Server) *running {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("connections rest on Linux only")
	}
	if s.RestAfter == 0 {
		s.RestAfter = 10 * time.Millisecond
	}
	if s.Handler == nil {
		s.Handler = echo
	}
	return serve(t, s)
}

func awaitResting(t *testing.T, s *running, want int) {
	t.Helper()
	motantest.Await(t, fmt.Sprintf("%d resting connections", want), func() bool { return s.Stats.Resting.Load() == int64(want) })
}

// Connections without calls have no goroutine, and answer as before when there is one again.
func TestIdleConnectionsRest(t *testing.T) {
	const conns = 60
	before := runtime.NumGoroutine()
	for name, s := range map[string]*running{
		"tcp":  serveResting(t, &motan.Server{}),
		"unix": serveUnix(t, &motan.Server{Handler: echo, RestAfter: 10 * time.Millisecond}),
	} {
		clients := make([]*motantest.Client, conns)
		for i := range clients {
			clients[i] = motantest.Dial(t, s.addr)
		}
		for round := range 3 {
			awaitResting(t, s, conns)
			motantest.Await(t, "the end of the readers", func() bool { return runtime.NumGoroutine()-before < conns })
			for i, c := range clients {
				body := fmt.Sprintf("%d/%d", round, i)
				if f := c.Call(motantest.Request("s", "m", []byte(body))); string(f.Body()) != body {
					t.Errorf("%s: got %q, want %q", name, f.Body(), body)
				}
			}
		}
		if open, calls := s.Stats.Open.Load(), s.Stats.Calls.Load(); open != conns || calls != 3*conns {
			t.Errorf("%s: got %d open and %d calls, want %d and %d", name, open, calls, conns, 3*conns)
		}
	}
}

// Who has begun a frame, waits for an answer, or has no descriptor does not rest.
func TestBusyConnectionsDoNotRest(t *testing.T) {
	held := make(chan *motan.Call, 1)
	s := serveResting(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		if string(c.Request.Method()) == "hold" {
			c.Batch = nil
			held <- c
			return
		}
		echo(c)
	})})
	partial, waiting, idle := motantest.Dial(t, s.addr), motantest.Dial(t, s.addr), motantest.Dial(t, s.addr)
	frame := motantest.Bytes(motantest.Request("s", "m", []byte("late")), 1)
	partial.Write(frame[:7])
	waiting.Send(motantest.Request("s", "hold", []byte("held")))
	call := <-held
	for range 5 {
		idle.Call(motantest.Request("s", "m", nil))
		awaitResting(t, s, 1)
	}
	partial.Write(frame[7:])
	if f := partial.Receive(); string(f.Body()) != "late" {
		t.Errorf("the frame in two parts: got %q, want late", f.Body())
	}
	call.End()
	if f := waiting.Receive(); f.Failed() {
		t.Error("the call that was held: got an exception")
	}
	awaitResting(t, s, 3)

	l := newPipes()
	pipes := &motan.Server{Handler: echo, RestAfter: time.Millisecond}
	done := make(chan error, 1)
	go func() { done <- pipes.Serve(l) }() // ends with Close
	near, far := net.Pipe()
	l.conns <- far
	c := motantest.NewClient(t, near)
	for range 3 {
		c.Call(motantest.Request("s", "m", nil))
	}
	if got := pipes.Stats.Resting.Load(); got != 0 {
		t.Errorf("in memory: got %d resting, want 0", got)
	}
	_ = pipes.Close()
	if err := <-done; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("serve: got %v, want ErrServerClosed", err)
	}
}

// A connection that has rested is as impatient with a frame that does not arrive as before.
func TestFrameTimeoutAfterRest(t *testing.T) {
	s := serveResting(t, &motan.Server{FrameTimeout: 50 * time.Millisecond})
	c := motantest.Dial(t, s.addr)
	awaitResting(t, s, 1)
	c.Write(motantest.Bytes(motantest.Request("s", "m", nil), 1)[:9])
	c.AwaitClose()
	motantest.Await(t, "the count", func() bool { return s.Stats.Slow.Load() == 1 && s.Stats.Open.Load() == 0 })
}

// The end of a resting connection is noticed, whoever ends it.
func TestRestingConnectionsEnd(t *testing.T) {
	ends := map[string]func(s *running, clients []*motantest.Client) error{
		"by the client": func(_ *running, clients []*motantest.Client) error {
			for _, c := range clients {
				_ = c.Conn.Close()
			}
			return nil
		},
		"by a client that resets": func(_ *running, clients []*motantest.Client) error {
			for _, c := range clients {
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
				_ = c.Conn.Close()
			}
			return nil
		},
		"by Shutdown": func(s *running, _ []*motantest.Client) error { return s.Shutdown(t.Context()) },
		"by Close":    func(s *running, _ []*motantest.Client) error { return s.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := serveResting(t, &motan.Server{})
			clients := make([]*motantest.Client, 20)
			for i := range clients {
				clients[i] = motantest.Dial(t, s.addr)
			}
			awaitResting(t, s, len(clients))
			if err := end(s, clients); err != nil {
				t.Error(err)
			}
			motantest.Await(t, "the end of all", func() bool { return s.Stats.Open.Load() == 0 && s.Stats.Resting.Load() == 0 })
		})
	}
}

// Calls that come in just when their connection begins to rest are answered like all others, and a drain in the middle
// of it loses none.
func TestRestMeetsCalls(t *testing.T) {
	const conns, each = 16, 150
	s := serveResting(t, &motan.Server{RestAfter: time.Millisecond})
	var wait sync.WaitGroup
	for i := range conns {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		wait.Go(func() {
			c := motantest.Dial(t, s.addr)
			pause := time.NewTimer(0)
			defer pause.Stop()
			for n := range each {
				pause.Reset(time.Duration(random.IntN(3000)) * time.Microsecond) // about as long as RestAfter
				<-pause.C
				body := fmt.Sprintf("%d/%d", i, n)
				frame := motantest.Bytes(motantest.Request("s", "m", []byte(body)), uint64(n+1))
				cut := random.IntN(len(frame))
				c.Write(frame[:cut])
				runtime.Gosched()
				c.Write(frame[cut:])
				if f := c.Receive(); string(f.Body()) != body {
					t.Errorf("got %q, want %q", f.Body(), body)
				}
			}
		})
	}
	wait.Wait()
	awaitResting(t, s, conns)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if calls, answers := s.Stats.Calls.Load(), s.Stats.Answers.Load(); calls != conns*each || answers != calls {
		t.Errorf("got %d calls and %d answers, want %d of both", calls, answers, conns*each)
	}
}
