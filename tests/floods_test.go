package tests

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// holdsWithin runs attack and fails the test when motand's memory has grown by more than most bytes above
// what it ever held before. With the race detector, which keeps its own books, it only tells.
func holdsWithin(t *testing.T, d *daemon, most int64, attack func()) {
	t.Helper()
	before := d.peakRSS()
	attack()
	grown := d.peakRSS() - before
	t.Logf("memory: %d MiB before, %d MiB more at the worst", before>>20, grown>>20)
	if !raced && grown > most {
		t.Errorf("memory grew by %d MiB, want at most %d", grown>>20, most>>20)
	}
}

// roomYAML is bothYAML with 32 MiB for what callers make motand hold.
func roomYAML(t *testing.T, frameTimeout string) string {
	t.Helper()
	return strings.Replace(bothYAML(newProvider(t, "127.0.0.1", echo).port), "propagationDelay: 0",
		"frameTimeout: "+frameTimeout+"\n  maxBytesInFlight: 33554432", 1)
}

// TestFramesThatStop has a hundred connections send 9.9 MiB of a frame of 10 MiB and stop: they are taken in turn, and when they are
// cut off, large calls get through again.
func TestFramesThatStop(t *testing.T) {
	d := startMotand(t, roomYAML(t, "2000"))
	data := rawFrame{meta: echoMeta, body: make([]byte, 99<<20/10), bodySize: 10 << 20}.bytes()
	large := bytes.Repeat([]byte("large"), 1<<20)
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			const connections = 100
			holdsWithin(t, d, 128<<20, func() {
				guarded(t, d, func() {
					before := closed(d, port, "slow")
					for range connections {
						motantest.Pour(t, d.addr(port), data)
					}
					await(t, "most of them to wait", func() bool {
						return d.metric("motand_no_room_total", "listener", port, "outcome", "waited") >= connections/2
					})
					if held := d.metric("motand_bytes_held"); held > 32<<20 {
						t.Errorf("got %.0f bytes held, want at most %d", held, 32<<20)
					}
					await(t, "all to be closed as slow", func() bool { return closed(d, port, "slow") == before+connections })
					reply := motantest.Dial(t, d.addr(port)).Call(motantest.Request("com.example.Both", "echo", large, "M_g", "demo"))
					if !bytes.Equal(reply.Body(), large) {
						t.Errorf("a large call: got %d bytes, want the %d sent", len(reply.Body()), len(large))
					}
				})
			})
			await(t, "everything to be given back", func() bool { return d.metric("motand_bytes_held") == 0 })
		})
	}
}

// TestAnswersThatNobodyReads has twenty connections ask for 20 MiB each and read nothing. Those are closed that have kept their answers
// waiting for longest; others get their large answers meanwhile.
func TestAnswersThatNobodyReads(t *testing.T) {
	d := startMotand(t, roomYAML(t, "60000"))
	large := rawFrame{meta: echoMeta, body: make([]byte, 1<<20)}.bytes()
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			holdsWithin(t, d, 256<<20, func() {
				guarded(t, d, func() {
					for range 20 {
						motantest.Pour(t, d.addr(port), bytes.Repeat(large, 20))
					}
					c := motantest.Dial(t, d.addr(port))
					for range 30 {
						c.Write(large)
						if reply := c.Receive(); len(reply.Body()) != 1<<20 {
							t.Errorf("got %d bytes, want %d", len(reply.Body()), 1<<20)
						}
					}
					await(t, "some to be closed for want of room", func() bool {
						return d.metric("motand_no_room_total", "listener", port, "outcome", "closed") > 0
					})
				})
			})
			await(t, "everything to be given back", func() bool { return d.metric("motand_bytes_held") == 0 })
		})
	}
}

// TestAnnouncedBodies has 300 connections announce 10 MiB each and send one: memory follows what was sent,
// and not what was announced. They end as too slow.
func TestAnnouncedBodies(t *testing.T) {
	yaml := strings.Replace(bothYAML(newProvider(t, "127.0.0.1", echo).port), "propagationDelay: 0", "frameTimeout: 3000", 1)
	d := startMotand(t, yaml)
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			const connections = 150
			data := rawFrame{meta: echoMeta, body: make([]byte, 1<<20), bodySize: 10 << 20}.bytes()
			holdsWithin(t, d, 600<<20, func() {
				guarded(t, d, func() {
					before := closed(d, port, "slow")
					for range connections {
						motantest.Pour(t, d.addr(port), data)
					}
					await(t, "the connections to be closed as slow", func() bool { return closed(d, port, "slow") == before+connections })
				})
			})
		})
	}
}

// TestManyPairs sends as many pairs of metadata as a frame may have.
func TestManyPairs(t *testing.T) {
	d := startMotand(t, bothYAML(newProvider(t, "127.0.0.1", echo).port))
	const limit = 1 << 20 // bytes of metadata that motand takes; motan-go takes maxContentLength
	pairs := strings.Repeat("a\nb\n", (limit-len(echoMeta))/4)
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			holdsWithin(t, d, 64<<20, func() {
				guarded(t, d, func() {
					for range 8 {
						c := motantest.Dial(t, d.addr(port))
						c.Write(rawFrame{meta: pairs + echoMeta, id: 5}.bytes())
						if reply := c.Receive(); reply.ID != 5 {
							t.Errorf("got id %d, want 5", reply.ID)
						}
					}
					before := closed(d, port, "oversize")
					c := motantest.Dial(t, d.addr(port))
					c.Write(rawFrame{metaSize: limit + 1}.bytes())
					c.AwaitClose()
					await(t, "the closing to be counted", func() bool { return closed(d, port, "oversize") == before+1 })
				})
			})
		})
	}
}

// TestGzipBombs holds that what is packed stays packed on its way, and is opened only up to the limit where
// motand itself is the reader.
func TestGzipBombs(t *testing.T) {
	size := int64(200 << 20)
	if raced || testing.Short() {
		size = 32 << 20
	}
	bomb := packedZeros(t, size)
	yaml := bothYAML(newProvider(t, "127.0.0.1", echo).port) + `
  demo: {path: com.example.Demo, group: demo, protocol: motan2, provider: demo, export: "motan2:{{.export}}", registry: none}
`
	d := startMotand(t, yaml)
	tests := []struct {
		name, port, service string
		code                int // errcode of the answer; 0: the body comes back as it was
	}{
		{"through both ports", "motan", "com.example.Both", 0},
		{"into the export port", "export", "com.example.Both", 0},
		{"to a service that nobody refers to", "motan", "com.example.None", motan.CodeDefault},
		{"to a service that is not here", "export", "com.example.None", motan.CodeNotFound},
		{"to a provider inside motand", "export", "com.example.Demo", motan.CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			holdsWithin(t, d, 96<<20, func() {
				guarded(t, d, func() {
					for range 4 {
						request := motantest.Request(tt.service, "echo", bomb, "M_g", "demo")
						request.Type |= motan.FlagGzip
						reply := motantest.Dial(t, d.addr(tt.port)).Call(request)
						x, _ := reply.Exception()
						if x.Code != tt.code {
							t.Errorf("got exception %+v, want code %d", x, tt.code)
						}
						if tt.code == 0 && !bytes.Equal(reply.Body(), bomb) {
							t.Errorf("got a body of %d bytes, want the %d sent", len(reply.Body()), len(bomb))
						}
					}
				})
			})
		})
	}
}

func packedZeros(t *testing.T, size int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestReaderThatNeverReads has a caller send 58,000 calls and read no answer: it is throttled and then closed,
// and nobody else notices.
func TestReaderThatNeverReads(t *testing.T) {
	d := startMotand(t, bothYAML(newProvider(t, "127.0.0.1", echo).port))
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			holdsWithin(t, d, 128<<20, func() {
				guarded(t, d, func() {
					before := closed(d, port, "slow")
					conn, err := net.Dial("tcp", d.addr(port))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					done := make(chan int)
					go func() { // ends when motand has closed the connection, or with all calls sent
						sent := 0
						for id := range uint64(scaled(58_000)) {
							f := rawFrame{meta: echoMeta, id: id, body: make([]byte, 2<<10)}
							if _, err := conn.Write(f.bytes()); err != nil {
								break
							}
							sent++
						}
						done <- sent
					}()
					await(t, "the connection to be closed as slow", func() bool { return closed(d, port, "slow") == before+1 })
					t.Logf("%d calls were taken from the caller", <-done)
				})
			})
		})
	}
}

// TestHalfFrames holds that a frame which has begun has to come to its end in time, and that a connection on
// which nothing has begun may wait for ever.
func TestHalfFrames(t *testing.T) {
	const frameTimeout = 400 * time.Millisecond
	yaml := strings.Replace(bothYAML(newProvider(t, "127.0.0.1", echo).port), "propagationDelay: 0",
		"frameTimeout: "+strconv.FormatInt(frameTimeout.Milliseconds(), 10), 1)
	d := startMotand(t, yaml)
	whole := rawFrame{meta: echoMeta, body: []byte("12345"), id: 3}.bytes()
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			idle := motantest.Dial(t, d.addr(port))
			used := motantest.Dial(t, d.addr(port))
			used.Write(whole)
			used.Receive()
			guarded(t, d, func() {
				before := closed(d, port, "slow")
				cuts := []int{1, 3, 10, 17, 30, len(whole) - 1}
				for _, n := range cuts {
					t.Run("cut after "+strconv.Itoa(n), func(t *testing.T) {
						c := motantest.Dial(t, d.addr(port))
						c.Write(whole[:n])
						if answer := c.AwaitClose(); len(answer) > 0 {
							t.Errorf("got an answer % x, want none", answer)
						}
					})
				}
				t.Run("drop by drop", func(t *testing.T) {
					drip(t, d.addr(port), whole, frameTimeout/10)
				})
				await(t, "the closings to be counted", func() bool { return closed(d, port, "slow") == before+float64(len(cuts)+1) })
			})
			for _, c := range []*motantest.Client{idle, used} {
				c.Write(whole)
				if reply := c.Receive(); reply.ID != 3 || string(reply.Body()) != "12345" {
					t.Errorf("after waiting: got id %d, body %q, want 3, 12345", reply.ID, reply.Body())
				}
			}
		})
	}
}

// drip sends data byte by byte and expects to be cut off before the end.
func drip(t *testing.T, addr string, data []byte, pause time.Duration) {
	t.Helper()
	c := motantest.Dial(t, addr)
	closed := make(chan struct{})
	go func() { // ends when motand closes the connection, at the latest with the test
		_, _ = io.Copy(io.Discard, c.Conn)
		close(closed)
	}()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := range data {
		select {
		case <-closed:
			return
		case <-tick.C:
			_, _ = c.Conn.Write(data[i : i+1]) // fails once motand has closed
		}
	}
	t.Errorf("a frame of %d bytes, one in %s, was taken", len(data), pause)
}

// TestAnswerAtTheLimit holds that an answer whose metadata leaves no room for what agents add to it harms only
// its own call.
func TestAnswerAtTheLimit(t *testing.T) {
	const limit = 1 << 20
	p := newProvider(t, "127.0.0.1", func(local string, request, reply *motan.Frame) time.Duration {
		if string(request.Method()) == "much" {
			reply.Set("k", strings.Repeat("v", limit-len("k\n")))
		}
		return echo(local, request, reply)
	})
	d := startMotand(t, bothYAML(p.port))
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			guarded(t, d, func() {
				for range 20 {
					reply := motantest.Dial(t, d.addr(port)).Call(motantest.Request("com.example.Both", "much", nil, "M_g", "demo"))
					if got := len(reply.Get("k")); got != limit-2 && !reply.Failed() {
						t.Errorf("got %d bytes of metadata, want all of it or an exception", got)
					}
				}
			})
		})
	}
}
