package motan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// TestConcurrentCalls sends 1,000 calls with bodies of 0 to 1 MiB at once, directly and
// through a server, over everything that carries bytes; replies come in any order.
func TestConcurrentCalls(t *testing.T) {
	tcp := motantest.NewServer(t, motantest.Echo)
	unix := motantest.NewUnixServer(t, filepath.Join(t.TempDir(), "s"), motantest.Echo)
	hop := motan.NewClient(tcp.Addr(), 4, motan.ConnOptions{})
	defer hop.Close()
	through := serve(t, &motan.Server{Handler: hop})
	piped, l := &motan.Server{Handler: echo}, newPipes()
	done := make(chan error, 1)
	go func() { done <- piped.Serve(l) }()
	noise := make([]byte, 2<<20)
	for i := range noise {
		noise[i] = byte(i * i >> 7)
	}
	tests := []struct {
		name string
		addr string
		opts motan.ConnOptions
	}{
		{"TCP", tcp.Addr(), motan.ConnOptions{}},
		{"unix", unix.Addr(), motan.ConnOptions{}},
		{"through a server", through.addr, motan.ConnOptions{}},
		{"pipe", "pipe", motan.ConnOptions{Dial: l.dial}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := motan.NewClient(tt.addr, 4, tt.opts)
			defer client.Close()
			random := seeded(t)
			var wait sync.WaitGroup
			for i := range 1000 {
				share := random.Float64()
				body := make([]byte, int(math.Exp(share*share*math.Log(1<<20)))) // small ones most often
				if i%100 == 0 {
					body = body[:0]
				}
				copy(body, noise[i:])
				wait.Go(func() {
					name := fmt.Sprint("call ", i)
					c := newCall(body, "name", name)
					c.Deadline = within(6 * motantest.Patience)
					motan.Do(client, c)
					if c.Err != nil || string(c.Reply.Get("name")) != name || !bytes.Equal(c.Reply.Body(), body) {
						t.Errorf("%s of %d bytes: got %v, %s, %d bytes", name, len(body), c.Err, c.Reply.Get("name"), len(c.Reply.Body()))
					}
					c.Release()
				})
			}
			wait.Wait()
			if n := client.InFlight(); n != 0 {
				t.Errorf("%d calls still wait", n)
			}
		})
	}
	if err := piped.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("serve: got %v, want ErrServerClosed", err)
	}
}

// gate lets a provider answer when the test says so.
type gate chan struct{}

func (g gate) answer(request *motan.Frame) *motan.Frame {
	<-g
	return motantest.Echo(request)
}

func TestBrokenConnectionFailsAllThatWaits(t *testing.T) {
	s := motantest.NewServer(t, motantest.Silent)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			c := newCall([]byte("x"))
			motan.Do(n, c)
			if kindOf(c) != "broken" || c.Err.Cause == nil {
				t.Errorf("got %v of kind %s, want broken and its cause", c.Err, kindOf(c))
			}
		})
	}
	s.Await(50)
	s.Break()
	wait.Wait()
	if n.InFlight() != 0 || n.Stats().Breaks.Load() != 1 || n.Open() {
		t.Errorf("got %d in flight, %d breaks, open %t", n.InFlight(), n.Stats().Breaks.Load(), n.Open())
	}
	s.SetHandler(motantest.Echo)
	if c := do(t, n, newCall([]byte("y"))); c.Err != nil || s.Accepted() != 2 {
		t.Errorf("after it: got %v on connection %d", c.Err, s.Accepted())
	}
}

func TestLateReplyIsDropped(t *testing.T) {
	open := make(gate)
	s := motantest.NewServer(t, open.answer)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	c := newCall([]byte("first"))
	c.Deadline = within(20 * time.Millisecond)
	if do(t, n, c); kindOf(c) != "timeout" || c.Err.Code != 400 {
		t.Errorf("got %v", c.Err)
	}
	if n.InFlight() != 0 || n.Stats().Timeouts.Load() != 1 {
		t.Errorf("got %d in flight, %d time-outs", n.InFlight(), n.Stats().Timeouts.Load())
	}
	c.Release()
	s.Await(1)
	second := make(chan *motan.Call)
	go func() { // takes the slot of the first
		c := newCall([]byte("second"))
		motan.Do(n, c)
		second <- c
	}()
	s.Await(2)
	close(open)
	if c := <-second; c.Err != nil || string(c.Reply.Body()) != "second" {
		t.Errorf("got %v, %q", c.Err, c.Reply.Body())
	}
	motantest.Await(t, "the late reply", func() bool { return n.Stats().Late.Load() == 1 })
}

func TestReconnect(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	for i := range 5 {
		motantest.Await(t, "a call to succeed", func() bool { return do(t, n, newCall(nil)).Err == nil })
		if !n.Open() || !n.Usable() {
			t.Errorf("round %d: open %t, usable %t", i, n.Open(), n.Usable())
		}
		s.Stop()
		motantest.Await(t, "the end to be noticed", func() bool { return !n.Open() })
		c := do(t, n, newCall(nil))
		if k := kindOf(c); k != "not_sent" {
			t.Errorf("round %d: got %v of kind %s", i, c.Err, k)
		}
		s.Start()
	}
	if got := n.Stats().Breaks.Load(); got != 5 {
		t.Errorf("breaks: got %d, want 5", got)
	}
}

// TestRepliesAreNormalised holds row 7 of the protocol's hazards: an exception is one by its
// status, and says which.
func TestRepliesAreNormalised(t *testing.T) {
	tests := []struct {
		name, want string
		reply      []byte
	}{
		{"M_e of a normal reply is dropped", "\x08a\n1", raw(1, 8, 0x30, 0, "a\n1\nM_e\n{}", "b")},
		{"exception without M_e gets one", "\x09a\n1\nM_e\n{\"errcode\":500,\"errmsg\":\"provider answered with an exception but did not say which\",\"errtype\":1}", raw(1, 9, 0x30, 0, "a\n1", "b")},
		{"status 7 becomes 1", "\x09M_e\nx", raw(1, 0x0f, 0x30, 0, "M_e\nx", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, func(*motan.Frame) *motan.Frame {
				var f motan.Frame
				if _, err := f.Decode(tt.reply, 0); err != nil {
					t.Error(err)
				}
				return &f
			})
			n := motan.NewConn(s.Addr(), motan.ConnOptions{})
			defer n.Close()
			c := do(t, n, newCall(nil))
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			data := motantest.Bytes(&c.Reply, 0)
			meta := string(data[17 : len(data)-4-len(c.Reply.Body())])
			if got := string(data[3:4]) + meta; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRequestIsSentAsItIs(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	for i, typ := range []byte{0, motan.FlagResponse, motan.FlagOneway, motan.FlagHeartbeat, 0xe0} {
		c := newCall(nil)
		in := raw(typ, 8, 0x37, 99, "a\n1\nM_p\ns", "body")
		if _, err := c.Request.Decode(in, 0); err != nil {
			t.Fatal(err)
		}
		do(t, n, c)
		got := s.Await(i + 1)[i]
		want := raw(typ&^(motan.FlagResponse|motan.FlagHeartbeat)|motan.FlagProxy, 8, 0x37, 0, "a\n1\nM_p\ns", "body")
		copy(want[5:13], got[5:13])
		if !bytes.Equal(got, want) {
			t.Errorf("type %#02x:\n got %x\nwant %x", typ, got, want)
		}
		if c.Attempts != 1 {
			t.Errorf("attempts: got %d", c.Attempts)
		}
	}
}

func TestClientKeepsLargeBodiesApart(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	c := motan.NewClient(s.Addr(), 3, motan.ConnOptions{})
	defer c.Close()
	for _, size := range []int{0, 100, 64 << 10, 64<<10 + 1, 1 << 20, 1 << 20, 5} {
		if call := do(t, c, newCall(make([]byte, size))); call.Err != nil {
			t.Fatal(call.Err)
		}
	}
	if got := len(c.Conns()); got != 3 {
		t.Errorf("got %d connections, want 3", got)
	}
	for i, n := range c.Conns() {
		if got := n.Stats().Dials.Load(); got != 1 {
			t.Errorf("connection %d was dialled %d times", i, got)
		}
	}
	if c.Addr() != s.Addr() || !c.Usable() || c.InFlight() != 0 {
		t.Errorf("got %s, usable %t, %d in flight", c.Addr(), c.Usable(), c.InFlight())
	}
}

// A client has nothing but its address until a call needs a connection, and makes none after its end.
func TestClientMakesConnsWhenNeeded(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	c := motan.NewClient(s.Addr(), 3, motan.ConnOptions{})
	if got := len(c.Conns()); got != 0 || !c.Usable() {
		t.Errorf("before a call: got %d connections, usable %t, want 0, true", got, c.Usable())
	}
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if call := do(t, c, newCall(nil)); call.Err != nil {
				t.Error(call.Err)
			}
		})
	}
	calls.Wait()
	if got := len(c.Conns()); got != 1 || s.Accepted() != 1 {
		t.Errorf("after small calls: got %d connections, %d accepted, want one", got, s.Accepted())
	}
	c.Close()
	for _, size := range []int{0, 1 << 20} { // over the connection that is closed, and over one that was never made
		if call := do(t, c, newCall(make([]byte, size))); call.Err == nil || call.Err.Kind != motan.KindNotSent {
			t.Errorf("body of %d bytes after Close: got %v, want not sent", size, call.Err)
		}
	}
	if c.Usable() || s.Accepted() != 1 {
		t.Errorf("after Close: got usable %t, %d accepted, want false, 1", c.Usable(), s.Accepted())
	}
}

func TestSplitAddr(t *testing.T) {
	for in, want := range map[string][2]string{
		"10.0.0.1:8002": {"tcp", "10.0.0.1:8002"}, "[::1]:1": {"tcp", "[::1]:1"}, "unix:///var/run/a.sock": {"unix", "/var/run/a.sock"}, "": {"tcp", ""},
	} {
		if network, addr := motan.SplitAddr(in); network != want[0] || addr != want[1] {
			t.Errorf("%s: got %s %s", in, network, addr)
		}
	}
}

func TestPing(t *testing.T) {
	s := motantest.NewServer(t, motantest.Silent)
	if err := motan.Ping(t.Context(), s.Addr(), motan.ConnOptions{}); err != nil || s.Heartbeats() != 1 {
		t.Errorf("got %v, %d heartbeats", err, s.Heartbeats())
	}
	own := serve(t, &motan.Server{Handler: echo})
	if err := motan.Ping(t.Context(), own.addr, motan.ConnOptions{}); err != nil {
		t.Errorf("own server: %v", err)
	}
	s.Stop()
	if err := motan.Ping(t.Context(), s.Addr(), motan.ConnOptions{}); err == nil {
		t.Error("nobody there, and no error")
	}
}

// TestPingEndsWithItsContext also when the peer sends half an answer.
func TestPingEndsWithItsContext(t *testing.T) {
	for _, sent := range []string{"", "\xf1\xf1\x13\x08"} {
		l := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			conn, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := motantest.ReadFrame(conn); err != nil {
				t.Error(err)
			}
			_, _ = conn.Write([]byte(sent))
			cancel()
			_, _ = conn.Read(make([]byte, 1)) // until the other end closes
		}()
		if err := motan.Ping(ctx, "", motan.ConnOptions{Dial: l.dial}); err == nil {
			t.Errorf("no error after %q", sent)
		}
		cancel()
		_ = l.Close()
	}
}

// TestLargeCallsWait sends far more than is ever queued through one connection at once: calls
// and answers wait their turn, and none is refused.
func TestLargeCallsWait(t *testing.T) {
	s := &motan.Server{MaxInFlightBytes: 8 << 20, Handler: motan.HandlerFunc(func(c *motan.Call) {
		body := bytes.Clone(c.Request.Body())
		go func() { // every answer at once, from elsewhere
			c.Batch = nil
			c.Reply.SetBody(body)
			c.End()
		}()
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn := motan.NewConn(l.Addr().String(), motan.ConnOptions{ConnectTimeout: time.Minute}) // 200 goroutines fill their bodies first
	const calls = 200
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 1<<20-i)
			c := motan.NewCall()
			defer c.Release()
			c.Request.Set("M_p", "s")
			c.Request.SetBody(body)
			c.Deadline = motan.Now() + int64(time.Minute)
			motan.Do(conn, c)
			if c.Err != nil || !bytes.Equal(c.Reply.Body(), body) {
				t.Errorf("call %d: got %d bytes, %v", i, len(c.Reply.Body()), c.Err)
			}
		})
	}
	wait.Wait()
	conn.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("serve: got %v, want ErrServerClosed", err)
	}
	if n := s.Stats.InFlight.Load(); n != 0 {
		t.Errorf("%d calls in flight at the end", n)
	}
}
