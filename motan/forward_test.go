package motan_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// stamp is the filter that every forwarded call passes: it writes the keys that an agent adds.
type stamp struct{}

func (stamp) Request(c *motan.Call) motan.Verdict {
	c.Deadline = c.Now() + int64(time.Minute)
	c.Request.SetInt("M_rid", int64(c.Request.ID))
	c.Request.Set("host", c.Remote)
	return motan.Next
}

func (stamp) Reply(c *motan.Call) { c.Reply.Set("x-forwarded-for", "127.0.0.1:8002") }

// turnAround is a provider that sends every byte back, each frame as a reply. It allocates
// nothing per frame.
func turnAround(t testing.TB) (addr string) {
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
			wait.Go(func() { // ends when the other end closes
				defer conn.Close()
				turn(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wait.Wait()
	})
	return l.Addr().String()
}

func turn(conn net.Conn) {
	buf := make([]byte, 256<<10)
	to := 0
	for {
		n, err := conn.Read(buf[to:])
		if err != nil {
			return
		}
		to += n
		at := 0
		for to-at >= 21 {
			meta := int(binary.BigEndian.Uint32(buf[at+13:]))
			if to-at < 21+meta {
				break
			}
			size := 21 + meta + int(binary.BigEndian.Uint32(buf[at+17+meta:]))
			if to-at < size {
				break
			}
			buf[at+2] |= motan.FlagResponse
			at += size
		}
		if _, err := conn.Write(buf[:at]); err != nil {
			return
		}
		to = copy(buf, buf[at:to])
	}
}

// load is one connection that keeps a number of calls in flight, and allocates nothing.
type load struct {
	conn    net.Conn
	request []byte // all calls of a round
	reply   []byte
}

// forwarding is a provider, a server that forwards to it through a chain, and connections.
func forwarding(t testing.TB, conns, inFlight, bodyBytes int) []*load {
	t.Helper()
	client := motan.NewClient(turnAround(t), 1, motan.ConnOptions{})
	t.Cleanup(client.Close)
	s := serve(t, &motan.Server{Handler: motan.NewChain(client, stamp{})})
	loads := make([]*load, conns)
	for i := range loads {
		c := motantest.Dial(t, s.addr)
		f := motantest.Request("com.example.HelloService", "hello", []byte(strings.Repeat("b", bodyBytes)), "M_g", "test-group", "M_pp", "motan2", "M_s", "test-app")
		f.ID = 1
		c.Send(f)
		reply := c.ReceiveBytes()
		loads[i] = &load{conn: c.Conn, reply: make([]byte, len(reply)*inFlight)}
		for range inFlight {
			loads[i].request = f.AppendTo(loads[i].request, f.ID, 0)
		}
		if err := c.Conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return loads
}

// round sends all calls at once and waits for all answers.
func (l *load) round() error {
	if _, err := l.conn.Write(l.request); err != nil {
		return err
	}
	_, err := io.ReadFull(l.conn, l.reply)
	return err
}

// TestForwardAllocs holds that a forwarded call, from the client's frame through a server, a
// filter that edits metadata, and a connection to the provider and back, allocates nothing.
func TestForwardAllocs(t *testing.T) {
	if racing {
		t.Skip("the race detector makes pools forget")
	}
	const inFlight = 16
	for bodyBytes, rounds := range map[int]int{128: 625, 4 << 10: 100, 100 << 10: 30} {
		l := forwarding(t, 1, inFlight, bodyBytes)[0]
		run := func(rounds int) {
			for range rounds {
				if err := l.round(); err != nil {
					t.Fatal(err)
				}
			}
		}
		percent := debug.SetGCPercent(-1) // a collection empties pools
		run(50)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run(rounds)
		runtime.ReadMemStats(&after)
		debug.SetGCPercent(percent)
		if got := float64(after.Mallocs-before.Mallocs) / float64(inFlight*rounds); got > 0.02 {
			t.Errorf("body of %d bytes: %.3f allocations a call, %d bytes in all", bodyBytes, got, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, tt := range []struct {
		name            string
		conns, inFlight int
	}{{"4x16", 4, 16}, {"64x1", 64, 1}} {
		b.Run(tt.name, func(b *testing.B) {
			loads := forwarding(b, tt.conns, tt.inFlight, 128)
			b.ReportAllocs()
			b.ResetTimer()
			var wait sync.WaitGroup
			for _, l := range loads {
				wait.Go(func() {
					for range b.N/tt.conns/tt.inFlight + 1 {
						if err := l.round(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wait.Wait()
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	data := vectors(b)["php/php_req_simple"].bytes(b)
	var f motan.Frame
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Decode(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	f := motantest.Request("com.example.HelloService", "hello", make([]byte, 128), "M_g", "g", "M_rid", "1")
	buf := make([]byte, 0, 1000)
	b.ReportAllocs()
	for b.Loop() {
		buf = f.AppendTo(buf[:0], 1, 0)
	}
}

func BenchmarkSet(b *testing.B) {
	data := vectors(b)["php/php_req_simple"].bytes(b)
	var f motan.Frame
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Decode(data, 0); err != nil {
			b.Fatal(err)
		}
		f.Set("host", "127.0.0.1")
		f.SetInt("M_rid", 1600000000123456789)
		f.Set("M_g", "another-group")
		f.Set("mine", "x")
	}
}

// passing is a filter that does nothing.
type passing struct{}

func (passing) Request(*motan.Call) motan.Verdict { return motan.Next }
func (passing) Reply(*motan.Call)                 {}

func BenchmarkChainOfThree(b *testing.B) {
	h := motan.NewChain(motan.HandlerFunc((*motan.Call).End), passing{}, passing{}, passing{})
	b.ReportAllocs()
	for b.Loop() {
		c := motan.NewCall()
		h.Handle(c)
		c.Release()
	}
}
