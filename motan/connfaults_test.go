package motan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// TestDialFailure holds that calls fail at once while a provider cannot be reached, that not
// each of them dials, and that the provider is found again without one.
func TestDialFailure(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	s.Stop()
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	if !n.Usable() || n.Open() {
		t.Errorf("before the first call: usable %t, open %t", n.Usable(), n.Open())
	}
	for range 5000 {
		c := do(t, n, newCall(nil))
		if kindOf(c) != "not_sent" || c.Err.Code != motan.CodeNoChannel || c.Err.Cause == nil {
			t.Fatalf("got %v of kind %s", c.Err, kindOf(c))
		}
		c.Release()
	}
	if n.Usable() {
		t.Error("usable")
	}
	if dials := n.Stats().Dials.Load(); dials > 100 || dials != n.Stats().Failures.Load() {
		t.Errorf("%d dials, %d failures for 5,000 calls", dials, n.Stats().Failures.Load())
	}
	s.Start()
	motantest.Await(t, "a connection", n.Open)
	if c := do(t, n, newCall(nil)); c.Err != nil || !n.Usable() {
		t.Errorf("got %v, usable %t", c.Err, n.Usable())
	}
}

// TestDialThatHangs holds that a call ends with its deadline and not with the dial.
func TestDialThatHangs(t *testing.T) {
	hang := func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := motan.NewConn("hole", motan.ConnOptions{ConnectTimeout: time.Hour, Dial: hang})
	var wait sync.WaitGroup
	for range 60 {
		wait.Go(func() {
			c := newCall([]byte("x"))
			c.Deadline = within(30 * time.Millisecond)
			if motan.Do(n, c); kindOf(c) != "timeout" && kindOf(c) != "not_sent" {
				t.Errorf("got %v of kind %s", c.Err, kindOf(c))
			}
		})
	}
	wait.Wait()
	last := newCall(nil)
	done := make(chan struct{})
	go func() {
		motan.Do(n, last)
		close(done)
	}()
	motantest.Await(t, "the call to wait", func() bool { return n.InFlight() == 1 })
	n.Close()
	if <-done; kindOf(last) != "not_sent" {
		t.Errorf("closed while it dials: got %v of kind %s", last.Err, kindOf(last))
	}
	if c := do(t, n, newCall(nil)); kindOf(c) != "not_sent" || n.Usable() {
		t.Errorf("after Close: got %v, usable %t", c.Err, n.Usable())
	}
}

func TestCallsWaitForTheDial(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	open := make(gate)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{ConnectTimeout: time.Hour, Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		<-open
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}})
	defer n.Close()
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			if c := newCall(make([]byte, 1000)); true {
				if motan.Do(n, c); c.Err != nil {
					t.Error(c.Err)
				}
			}
		})
	}
	motantest.Await(t, "the calls to wait", func() bool { return n.InFlight() == 100 })
	close(open)
	wait.Wait()
	if got := s.Accepted(); got != 1 {
		t.Errorf("%d connections", got)
	}
}

// deaf is a provider that accepts connections and neither reads nor writes.
func deaf(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wait.Wait()
	})
	return l.Addr().String()
}

func TestDeadPeerIsClosed(t *testing.T) {
	n := motan.NewConn(deaf(t), motan.ConnOptions{})
	defer n.Close()
	patient := make(chan *motan.Call)
	go func() {
		c := newCall(nil)
		c.Deadline = within(time.Hour)
		motan.Do(n, c)
		patient <- c
	}()
	c := newCall(nil)
	c.Deadline = within(10 * time.Millisecond)
	if do(t, n, c); kindOf(c) != "timeout" {
		t.Errorf("got %v", c.Err)
	}
	if c := <-patient; kindOf(c) != "broken" {
		t.Errorf("got %v of kind %s", c.Err, kindOf(c))
	}
	if n.Open() || n.Stats().Breaks.Load() != 1 {
		t.Errorf("open %t, breaks %d", n.Open(), n.Stats().Breaks.Load())
	}
}

func TestSlowPeerThatAnswersHeartbeatsStays(t *testing.T) {
	s := motantest.NewServer(t, motantest.Silent)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	motantest.Await(t, "two heartbeats", func() bool {
		c := newCall(nil)
		c.Deadline = within(10 * time.Millisecond)
		if do(t, n, c); kindOf(c) != "timeout" {
			t.Fatalf("got %v of kind %s", c.Err, kindOf(c))
		}
		return s.Heartbeats() >= 2
	})
	if s.Accepted() != 1 || !n.Open() {
		t.Errorf("%d connections, open %t", s.Accepted(), n.Open())
	}
}

// TestProviderThatStopsReading also calls another provider all the time, by the same server.
func TestProviderThatStopsReading(t *testing.T) {
	bad := motan.NewConn(deaf(t), motan.ConnOptions{})
	defer bad.Close()
	good := motan.NewConn(motantest.NewServer(t, motantest.Echo).Addr(), motan.ConnOptions{})
	defer good.Close()
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Deadline = within(motantest.Patience)
		if string(c.Request.Service()) == "bad" {
			c.Deadline = within(300 * time.Millisecond)
			bad.Handle(c)
			return
		}
		good.Handle(c)
	})})
	flood, other := motantest.Dial(t, s.addr), motantest.Dial(t, s.addr)
	const calls = 200
	go func() {
		for range calls {
			flood.Send(motantest.Request("bad", "m", make([]byte, 100<<10)))
		}
	}()
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for range calls {
			if f := flood.Receive(); !f.Failed() {
				t.Error("a call to a provider that does not read succeeded")
			}
		}
	}()
	for n := 0; ; n++ {
		if f := other.Call(motantest.Request("good", "m", []byte("x"))); f.Failed() {
			t.Fatalf("call %d to the other provider: %s", n, f.Get("M_e"))
		}
		select {
		case <-ended:
			if n == 0 {
				t.Error("the other provider was held up all the time")
			}
			return
		default:
		}
	}
}

func TestGarbageFromProvider(t *testing.T) {
	ok := func(id []byte) []byte {
		b := raw(1, 8, 0x30, 0, "", "fine")
		copy(b[5:13], id)
		return b
	}
	tests := []struct {
		name   string
		answer func(id []byte) []byte
		want   string
	}{
		{"an answer", ok, "ok"},
		{"answer twice", func(id []byte) []byte { return append(ok(id), ok(id)...) }, "ok"},
		{"wrong ids first", func(id []byte) []byte {
			return append(append(ok(make([]byte, 8)), ok(bytes.Repeat([]byte{0xff}, 8))...), ok(id)...)
		}, "ok"},
		{"heartbeat with the call's id first", func(id []byte) []byte {
			b := ok(id)
			b[2] |= motan.FlagHeartbeat
			return append(b, ok(id)...)
		}, "ok"},
		{"garbage", func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, "broken"},
		{"Motan1", func(id []byte) []byte { b := ok(id); b[3] = 0; return b }, "broken"},
		{"body of 4 GiB", func(id []byte) []byte { b := ok(id); copy(b[17:], "\xff\xff\xff\xff"); return b }, "broken"},
		{"metadata of 4 GiB", func(id []byte) []byte { b := ok(id); copy(b[13:], "\xff\xff\xff\xff"); return b }, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var wait sync.WaitGroup
			defer wait.Wait()
			wait.Go(func() {
				conn, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				for {
					frame, err := motantest.ReadFrame(conn)
					if err != nil {
						return
					}
					if _, err := conn.Write(tt.answer(frame[5:13])); err != nil {
						return
					}
				}
			})
			n := motan.NewConn(l.Addr().String(), motan.ConnOptions{})
			defer n.Close()
			c := do(t, n, newCall(nil))
			if kindOf(c) != tt.want || tt.want == "ok" && string(c.Reply.Body()) != "fine" {
				t.Errorf("got %v of kind %s, %q, want %s", c.Err, kindOf(c), c.Reply.Body(), tt.want)
			}
			if tt.want == "ok" { // the stream can still be trusted
				if c := do(t, n, newCall(nil)); c.Err != nil {
					t.Errorf("the next call: %v", c.Err)
				}
			}
		})
	}
}

// TestConnUnderFire breaks connections all the time while calls are made: every call ends
// once, with its own answer or an error.
func TestConnUnderFire(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	stop := make(chan struct{})
	var breaker, wait sync.WaitGroup
	breaker.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
				s.Break()
			}
		}
	})
	var mu sync.Mutex
	kinds := make(map[string]int)
	for w := range 16 {
		wait.Go(func() {
			for i := range 300 {
				body := fmt.Appendf(nil, "%d/%d", w, i)
				c := newCall(body)
				motan.Do(n, c)
				mu.Lock()
				kinds[kindOf(c)]++
				mu.Unlock()
				switch {
				case c.Err == nil && !bytes.Equal(c.Reply.Body(), body):
					t.Errorf("got %q for %q", c.Reply.Body(), body)
				case c.Err != nil && !errors.Is(c.Err, c.Err.Cause):
					t.Error("an error without its cause")
				}
				c.Release()
			}
		})
	}
	wait.Wait()
	close(stop)
	breaker.Wait()
	if kinds["ok"] == 0 || kinds["ok"]+kinds["broken"]+kinds["not_sent"] != 16*300 {
		t.Errorf("got %v", kinds)
	}
	if n.InFlight() != 0 {
		t.Errorf("%d calls still wait", n.InFlight())
	}
}
