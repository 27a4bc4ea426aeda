package motan_test

import (
	"bytes"
	"errors"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestServerAnswersWhatItShould(t *testing.T) {
	provider := motan.HandlerFunc(func(c *motan.Call) {
		if string(c.Request.Method()) == "fail" {
			c.Fail(motan.Errorf(motan.KindNotFound, motan.CodeNotFound, "%sg_s", motan.ProviderNotExist))
			return
		}
		echo(c)
	})
	s := serve(t, &motan.Server{Handler: provider})
	failed := "M_e\n" + `{"errcode":404,"errmsg":"provider not exist serviceKey=g_s","errtype":1}` + "\nM_pt\n0"
	tests := []struct {
		name      string
		in, reply []byte
	}{
		{"call", raw(0, 8, 0x30, 5, "a\n1", "b"), raw(3, 8, 0x30, 5, "a\n1", "b")},
		{"nothing in it", raw(0, 8, 0, 5, "", ""), raw(3, 8, 0, 5, "", "")},
		{"id 0", raw(0, 8, 0, 0, "", ""), raw(3, 8, 0, 0, "", "")},
		{"id of all ones", raw(0, 8, 0, math.MaxUint64, "", ""), raw(3, 8, 0, math.MaxUint64, "", "")},
		{"response type", raw(1, 8, 0x30, 5, "a\n1", "b"), raw(3, 8, 0x30, 5, "a\n1", "b")},
		{"oneway", raw(4, 8, 0x30, 5, "a\n1", "b"), raw(3, 8, 0x30, 5, "a\n1", "b")},
		{"proxy", raw(2, 8, 0x30, 5, "a\n1", "b"), raw(3, 8, 0x30, 5, "a\n1", "b")},
		{"gzip that is none", raw(8, 8, 0x30, 5, "a\n1", "b"), raw(0x0b, 8, 0x30, 5, "a\n1", "b")},
		{"unknown serialization", raw(0, 8, 29<<3, 5, "a\n1", "b"), raw(3, 8, 29<<3, 5, "a\n1", "b")},
		{"trailing newline", raw(0, 8, 0x30, 5, "a\n1\n", "b"), raw(3, 8, 0x30, 5, "a\n1", "b")},
		{"invalid UTF-8", raw(0, 8, 0x30, 5, "\xff\n\xfe", "b"), raw(3, 8, 0x30, 5, "\xff\n\xfe", "b")},
		{"error", raw(0, 8, 0x30, 5, "M_m\nfail", "b"), raw(3, 9, 0, 5, failed, "")},
		{"heartbeat of motan-go", raw(0x12, 8, 0x30, 6, "", ""), raw(0x13, 8, 0x30, 6, "", "")},
		{"heartbeat of Java", raw(0x10, 8, 0x08, 6, "", ""), raw(0x13, 8, 0x30, 6, "", "")},
		{"heartbeat with a body", raw(0x10, 8, 0x08, 6, "a\n1", "body"), raw(0x13, 8, 0x30, 6, "", "")},
		{"heartbeat that claims to be an answer", raw(0x11, 8, 0x08, 6, "", ""), raw(0x13, 8, 0x30, 6, "", "")},
	}
	c := motantest.Dial(t, s.addr)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.Write(tt.in)
			if got := c.ReceiveBytes(); !bytes.Equal(got, tt.reply) {
				t.Errorf("\n got %q\nwant %q", got, tt.reply)
			}
		})
	}
	for _, tt := range tests { // each byte by itself
		one := motantest.Dial(t, s.addr)
		for _, b := range tt.in {
			one.Write([]byte{b})
		}
		if got := one.ReceiveBytes(); !bytes.Equal(got, tt.reply) {
			t.Errorf("%s byte by byte:\n got %q\nwant %q", tt.name, got, tt.reply)
		}
	}
	if got, want := s.Stats.Heartbeats.Load(), int64(8); got != want {
		t.Errorf("heartbeats: got %d, want %d", got, want)
	}
	if calls, answers := s.Stats.Calls.Load(), s.Stats.Answers.Load(); calls != 24 || answers != 24 {
		t.Errorf("got %d calls and %d answers, want 24", calls, answers)
	}
	motantest.Await(t, "nothing in flight", func() bool { return s.Stats.InFlight.Load() == 0 })
}

func TestServerTellsTheCaller(t *testing.T) {
	calls, seen := make(chan *motan.Call), make(chan bool)
	h := motan.HandlerFunc(func(c *motan.Call) { calls <- c; <-seen; c.End() })
	check := func(t *testing.T, remote string, client *motantest.Client) {
		t.Helper()
		before := motan.Now()
		client.Send(motantest.Request("s", "m", []byte("x")))
		c := <-calls
		if c.Remote != remote || string(c.Request.Service()) != "s" || c.Deadline != 0 || c.Batch == nil || c.Attempts != 0 {
			t.Errorf("got %+v", c)
		}
		if c.Start < before-int64(motantest.Patience) || c.Start > motan.Now() {
			t.Errorf("start: got %d, now %d", c.Start, motan.Now())
		}
		seen <- true
		client.Receive()
	}
	check(t, "127.0.0.1", motantest.Dial(t, serve(t, &motan.Server{Handler: h}).addr))
	check(t, "", motantest.Dial(t, serveUnix(t, &motan.Server{Handler: h}).addr))

	l, s := newPipes(), &motan.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	conn, err := l.dial(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "", motantest.NewClient(t, conn))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, motan.ErrServerClosed) {
		t.Errorf("serve: got %v, want ErrServerClosed", err)
	}
}

func TestServerManyFramesInOneWrite(t *testing.T) {
	for _, size := range []int{0, 100, 2000, 40000} {
		s := serve(t, &motan.Server{Handler: echo})
		c := motantest.Dial(t, s.addr)
		var data []byte
		for i := range 64 {
			data = append(data, raw(0, 8, 0x30, uint64(i), "k\nv", strings.Repeat(string(rune('A'+i)), size))...)
		}
		go c.Write(data)
		for i := range 64 {
			if got, want := c.ReceiveBytes(), raw(3, 8, 0x30, uint64(i), "k\nv", strings.Repeat(string(rune('A'+i)), size)); !bytes.Equal(got, want) {
				t.Fatalf("size %d, frame %d: got %.60q", size, i, got)
			}
		}
	}
}

// TestServerSplits sends frames in pieces that end at every place a frame has.
func TestServerSplits(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo})
	c := motantest.Dial(t, s.addr)
	two := append(raw(0, 8, 0x30, 1, "key\nvalue", "first"), raw(0, 8, 0x30, 2, "", "second")...)
	for cut := 1; cut < len(two); cut++ {
		c.Write(two[:cut])
		c.Write(two[cut:])
		a, b := c.Receive(), c.Receive()
		if a.ID != 1 || b.ID != 2 || string(a.Body()) != "first" || string(b.Body()) != "second" || string(a.Get("key")) != "value" {
			t.Fatalf("cut at %d: got %d %q and %d %q", cut, a.ID, a.Body(), b.ID, b.Body())
		}
	}
}

func TestServerBodiesOfManySizes(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo})
	c := motantest.Dial(t, s.addr)
	random := seeded(t)
	sizes := []int{490, 491, 492, 1023, 1024, 1025, 65535 - 21, 65536 - 21, 65537 - 21, 65536, 131072, 1 << 20, 4<<20 - 21, 4 << 20, 10 << 20}
	for range 60 {
		sizes = append(sizes, random.IntN(1<<(1+random.IntN(19))))
	}
	go func() {
		for i, n := range sizes {
			c.Write(raw(0, 8, 0x30, uint64(i), "", strings.Repeat(string(rune('a'+i%26)), n)))
		}
	}()
	for i, n := range sizes {
		f := c.Receive()
		if f.ID != uint64(i) || len(f.Body()) != n || bytes.Count(f.Body(), []byte{byte('a' + i%26)}) != n {
			t.Fatalf("body %d of %d bytes: got id %d and %d bytes", i, n, f.ID, len(f.Body()))
		}
	}
}

func TestServerDuplicateIDs(t *testing.T) {
	held := make(chan *motan.Call, 3)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })})
	c := motantest.Dial(t, s.addr)
	for _, body := range []string{"a", "b", "c"} {
		c.Write(raw(0, 8, 0x30, 7, "", body))
	}
	calls := []*motan.Call{<-held, <-held, <-held}
	for _, i := range []int{2, 0, 1} {
		calls[i].Reply.CopyFrom(&calls[i].Request)
		calls[i].Batch = nil
		calls[i].End()
	}
	for _, want := range []string{"c", "a", "b"} {
		if f := c.Receive(); f.ID != 7 || string(f.Body()) != want {
			t.Errorf("got %d %q, want 7 %q", f.ID, f.Body(), want)
		}
	}
}

// TestServerClosesForeignStreams also shows that only the stream that cannot be trusted ends.
func TestServerClosesForeignStreams(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo, MaxContentLength: 1000})
	good := motantest.Dial(t, s.addr)
	ok := raw(0, 8, 0x30, 1, "a\n1", "b")
	patched := func(at int, b ...byte) []byte {
		data := bytes.Clone(ok)
		copy(data[at:], b)
		return data
	}
	malformed, oversize, truncated := &s.Stats.Malformed, &s.Stats.Oversize, &s.Stats.Truncated
	tests := []struct {
		name    string
		data    []byte
		half    bool // the client closes its end
		counter interface{ Load() int64 }
		before  int // answers before the connection ends
	}{
		{"magic", patched(0, 0), false, malformed, 0},
		{"HTTP", []byte("POST /x HTTP/1.1\r\n\r\n"), false, malformed, 0},
		{"version 5", patched(3, 5<<3), false, malformed, 0},
		{"version 31", patched(3, 31<<3), false, malformed, 0},
		{"Motan1", patched(3, 0), false, malformed, 0},
		{"metadata of 4 GiB", patched(13, 0xff, 0xff, 0xff, 0xff), false, oversize, 0},
		{"metadata one over", patched(13, 0, 0, 1001>>8, 1001&0xff), false, oversize, 0},
		{"body of 4 GiB", patched(20, 0xff, 0xff, 0xff, 0xff), false, oversize, 0},
		{"body one over", patched(20, 0, 0, 1001>>8, 1001&0xff), false, oversize, 0},
		{"good, then bad", append(bytes.Clone(ok), "junk"...), false, malformed, 1},
		{"half a header", ok[:3], true, truncated, 0},
		{"half a frame", ok[:len(ok)-1], true, truncated, 0},
		{"good, then half", append(bytes.Clone(ok), ok[:20]...), true, truncated, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.counter.Load()
			c := motantest.Dial(t, s.addr)
			c.Write(tt.data)
			if tt.half {
				if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := c.AwaitClose(), bytes.Repeat(raw(3, 8, 0x30, 1, "a\n1", "b"), tt.before); !bytes.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			motantest.Await(t, "its count", func() bool { return tt.counter.Load() == before+1 })
			if f := good.Call(motantest.Request("s", "m", []byte("still there"))); string(f.Body()) != "still there" {
				t.Errorf("the other connection got %q", f.Body())
			}
		})
	}
	motantest.Await(t, "one connection left", func() bool { return s.Stats.Open.Load() == 1 })
}

func TestServerMutatedFrames(t *testing.T) {
	s := serve(t, &motan.Server{Handler: echo, MaxContentLength: 4096})
	random := seeded(t)
	var corpus [][]byte
	for _, v := range vectors(t) {
		corpus = append(corpus, v.bytes(t))
	}
	for range 300 {
		c := motantest.Dial(t, s.addr)
		var data []byte
		for range 1 + random.IntN(4) {
			data = append(data, corpus[random.IntN(len(corpus))]...)
		}
		for range 1 + random.IntN(4) {
			data[random.IntN(len(data))] = byte(random.IntN(256))
		}
		c.Write(data[:1+random.IntN(len(data))])
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err == nil { // else it was closed already
			c.AwaitClose()
		}
	}
	motantest.Await(t, "every connection to end", func() bool { return s.Stats.Open.Load() == 0 })
	motantest.Await(t, "nothing in flight", func() bool { return s.Stats.InFlight.Load() == 0 })
	if f := motantest.Dial(t, s.addr).Call(motantest.Request("s", "m", nil)); f.Failed() {
		t.Error("the server is harmed")
	}
}
