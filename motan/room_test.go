package motan_test

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// sized is a request whose body has so many bytes.
func sized(method string, bodyBytes int) []byte {
	return motantest.Bytes(motantest.Request("s", method, make([]byte, bodyBytes)), 1)
}

// holdAndWait has a client hold room with most of frame and another one wait for it.
func holdAndWait(t *testing.T, r *motan.Room, addr string, most, frame []byte) (holds, waits *motantest.Client) {
	t.Helper()
	holds = motantest.Pour(t, addr, most)
	awaitHeld(t, r, 2<<20)
	waits = motantest.Pour(t, addr, frame)
	motantest.Await(t, "the other to wait", func() bool { return r.Waited.Load() == 1 })
	return holds, waits
}

// awaitHeld waits until requests hold at least so many bytes, or nothing for 0.
func awaitHeld(t *testing.T, r *motan.Room, bytes int64) {
	t.Helper()
	motantest.Await(t, "what is held", func() bool {
		requests, answers := r.Held()
		return bytes > 0 && requests >= bytes || bytes == 0 && requests == 0 && answers == 0
	})
}

// TestRoomOfFramesThatStop has a hundred clients send most of a large frame and stop.
func TestRoomOfFramesThatStop(t *testing.T) {
	const conns, limit = 100, 32 << 20
	r := &motan.Room{Limit: limit}
	s := serve(t, &motan.Server{Handler: echo, Room: r, FrameTimeout: time.Second})
	other := serve(t, &motan.Server{Handler: echo, Room: r, FrameTimeout: time.Minute})
	stopped := sized("m", 10<<20-100)
	stopped = stopped[:len(stopped)-100<<10]
	before := heapNow()
	for range conns {
		motantest.Pour(t, s.addr, stopped)
	}
	small, most := motantest.Dial(t, other.addr), int64(0)
	for r.Waited.Load() < conns/2 {
		if f := small.Call(motantest.Request("s", "m", []byte("small"))); string(f.Body()) != "small" {
			t.Fatalf("a small call: got %q", f.Body())
		}
		if held, _ := r.Held(); held > limit/2 {
			t.Fatalf("got %d bytes held, want at most %d", held, limit/2)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, int64(m.HeapInuse)-before)
	}
	large := bytes.Repeat([]byte("large"), 1<<20)
	if f := small.Call(motantest.Request("s", "m", large)); !bytes.Equal(f.Body(), large) {
		t.Errorf("a large call: got %d bytes, want %d", len(f.Body()), len(large))
	}
	motantest.Await(t, "the end of all", func() bool { return s.Stats.Open.Load() == 0 })
	if slow, closed := s.Stats.Slow.Load(), r.Closed.Load(); slow != conns || closed == 0 || closed >= conns {
		t.Errorf("got %d slow and %d of them without room, want %d and some", slow, closed, conns)
	}
	if most > 3*limit { // 64 KiB for each connection, and what the collector lets lie
		t.Errorf("up to %d MiB were held", most>>20)
	}
	awaitHeld(t, r, 0)
}

// TestRoomIsGivenBack ends a connection that holds room, and one that waits for some, in each way.
func TestRoomIsGivenBack(t *testing.T) {
	const limit = 8 << 20 // of which one frame at a time gets a half
	frame := sized("m", 3<<20)
	foreign := append(bytes.Clone(frame), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"...)
	beat := bytes.Clone(frame)
	beat[2] |= motan.FlagHeartbeat
	tests := []struct {
		name string
		sent []byte
		end  func(s *running, c *motantest.Client)
	}{
		{"the client closes", frame[:2<<20], func(_ *running, c *motantest.Client) { _ = c.Conn.Close() }},
		{"the client resets", frame[:2<<20], func(_ *running, c *motantest.Client) {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			_ = c.Conn.Close()
		}},
		{"close", frame[:2<<20], func(s *running, _ *motantest.Client) { _ = s.Close() }},
		{"shutdown", frame[:2<<20], func(s *running, _ *motantest.Client) {
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}},
		{"it is whole, then foreign bytes", foreign, nil},
		{"a large heartbeat", beat, nil},
		{"it is answered", frame, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &motan.Room{Limit: limit}
			s := serve(t, &motan.Server{Handler: echo, Room: r, FrameTimeout: time.Minute})
			if tt.end == nil {
				motantest.Pour(t, s.addr, tt.sent)
				motantest.Await(t, "the frame", func() bool { return s.Stats.Calls.Load()+s.Stats.Heartbeats.Load() == 1 })
				awaitHeld(t, r, 0)
				return
			}
			c, waits := holdAndWait(t, r, s.addr, tt.sent, frame)
			tt.end(s, c)
			if s.Stats.Open.Load() > 0 {
				if f := waits.Receive(); len(f.Body()) != 3<<20 {
					t.Errorf("the one that waited: got %d bytes", len(f.Body()))
				}
			}
			awaitHeld(t, r, 0)
		})
	}
}

// TestRoomAtHandOver gives away a connection that holds room and one that waits for it: what each has sent goes along, and both are
// answered where they are served next.
func TestRoomAtHandOver(t *testing.T) {
	before, after := &motan.Room{Limit: 8 << 20}, &motan.Room{Limit: 8 << 20}
	s := serve(t, &motan.Server{Handler: echo, Room: before, FrameTimeout: time.Minute})
	next := serve(t, &motan.Server{Handler: echo, Room: after, FrameTimeout: time.Minute})
	frame := sized("m", 3<<20)
	begun, waits := holdAndWait(t, before, s.addr, frame[:2<<20], frame)
	if err := s.HandOver(t.Context(), func(conn net.Conn, unread []byte) error {
		next.Adopt(conn, unread)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	awaitHeld(t, before, 0)
	begun.Write(frame[2<<20:])
	for name, c := range map[string]*motantest.Client{"the one that held room": begun, "the one that waited": waits} {
		if f := c.Receive(); len(f.Body()) != 3<<20 {
			t.Errorf("%s: got %d bytes", name, len(f.Body()))
		}
	}
	awaitHeld(t, after, 0)
}

// TestRoomAtAHandOverThatFails leaves the connections as they were.
func TestRoomAtAHandOverThatFails(t *testing.T) {
	r := &motan.Room{Limit: 8 << 20}
	s := serve(t, &motan.Server{Handler: echo, Room: r, FrameTimeout: time.Minute})
	frame := sized("m", 3<<20)
	begun, waits := holdAndWait(t, r, s.addr, frame[:2<<20], frame)
	if err := s.HandOver(t.Context(), func(net.Conn, []byte) error { return context.Canceled }); err == nil {
		t.Error("got no error")
	}
	awaitHeld(t, r, 2<<20)
	begun.Write(frame[2<<20:])
	for _, c := range []*motantest.Client{begun, waits} {
		if f := c.Receive(); len(f.Body()) != 3<<20 {
			t.Errorf("got %d bytes", len(f.Body()))
		}
	}
	awaitHeld(t, r, 0)
}

// TestRoomForLargeFrames has many clients send frames at once of which few have room, and one frame that is larger than all of the
// room: all are answered, in turn.
func TestRoomForLargeFrames(t *testing.T) {
	r := &motan.Room{Limit: 8 << 20}
	s := serve(t, &motan.Server{Room: r, FrameTimeout: time.Minute, Handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Reply.SetBody(strconv.AppendInt(nil, int64(len(c.Request.Body())), 10))
		c.Batch = nil
		go c.End() // ends with the call
	})})
	var wait sync.WaitGroup
	for i := range 24 {
		c, size := motantest.Dial(t, s.addr), 3<<20
		if i == 7 {
			size = 9 << 20
		}
		wait.Go(func() {
			for range 2 {
				if f := c.Call(motantest.Request("s", "m", make([]byte, size))); string(f.Body()) != strconv.Itoa(size) {
					t.Errorf("got %s bytes, want %d", f.Body(), size)
				}
			}
		})
	}
	wait.Wait()
	if r.Waited.Load() == 0 || s.Stats.Slow.Load() != 0 {
		t.Errorf("got %d that waited and %d slow, want some and none", r.Waited.Load(), s.Stats.Slow.Load())
	}
	awaitHeld(t, r, 0)
}

// TestRoomOfManySmallFrames has clients flood a provider that does not answer with frames that need no room each.
func TestRoomOfManySmallFrames(t *testing.T) {
	const conns, limit, each = 10, 8 << 20, 200
	held := make(chan *motan.Call, conns*each)
	r := &motan.Room{Limit: limit}
	s := serve(t, &motan.Server{Room: r, FrameTimeout: time.Minute, Handler: motan.HandlerFunc(func(c *motan.Call) {
		if string(c.Request.Method()) == "free" {
			c.End()
			return
		}
		c.Batch = nil
		held <- c
	})})
	flood := bytes.Repeat(sized("hold", 30<<10), each)
	var clients []*motantest.Client
	for range conns {
		clients = append(clients, motantest.Pour(t, s.addr, flood))
	}
	motantest.Await(t, "some to wait", func() bool { return r.Waited.Load() > 0 })
	motantest.Dial(t, s.addr).Call(motantest.Request("s", "free", nil))
	if requests, _ := r.Held(); requests > limit/2+conns*128<<10 {
		t.Errorf("got %d bytes held, want little more than %d", requests, limit/2)
	}
	go func() { // ends with the last call
		for range conns * each {
			(<-held).End()
		}
	}()
	for _, c := range clients {
		for range each {
			c.Receive()
		}
	}
	awaitHeld(t, r, 0)
}

// TestRoomOfAnswers has clients ask for large answers that they do not read, while others read theirs: those lose none.
func TestRoomOfAnswers(t *testing.T) {
	const hoarders, each, limit, size = 12, 8, 32 << 20, 1 << 20
	answer := make([]byte, size)
	r := &motan.Room{Limit: limit}
	s := serve(t, &motan.Server{Room: r, Handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Reply.SetBody(answer)
		c.End()
	})})
	request := motantest.Bytes(motantest.Request("s", "m", nil), 1)
	var slow []*motantest.Client
	for range hoarders { // far more than there is room for
		c := motantest.Dial(t, s.addr)
		if err := c.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		c.Write(bytes.Repeat(request, each))
		slow = append(slow, c)
	}
	motantest.Await(t, "their calls", func() bool { return s.Stats.Calls.Load() == hoarders*each })
	var readers sync.WaitGroup
	for range 2 {
		c := motantest.Dial(t, s.addr)
		readers.Go(func() {
			for range 50 {
				c.Write(bytes.Repeat(request, 3))
				for range 3 {
					if f := c.Receive(); len(f.Body()) != size {
						t.Errorf("got %d bytes, want %d", len(f.Body()), size)
					}
				}
			}
		})
	}
	readers.Wait()
	if _, answers := r.Held(); answers > limit/2 {
		t.Errorf("got %d bytes held, want at most %d", answers, limit/2)
	}
	if closed := r.Closed.Load(); closed == 0 {
		t.Error("none was closed for want of room")
	}
	for _, c := range slow {
		_ = c.Conn.Close()
	}
	awaitHeld(t, r, 0)
}
