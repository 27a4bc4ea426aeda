package tests

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan/motantest"
)

// dribble sends text byte by byte, one in each pause, until it is closed or all is sent; false when all could be sent.
func dribble(conn net.Conn, text string, pause time.Duration) (closed bool) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	over := make(chan struct{})
	go func() { // ends with the connection
		defer close(over)
		_, _ = io.Copy(io.Discard, conn)
	}()
	defer func() {
		conn.Close()
		<-over
	}()
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			return true
		}
		select {
		case <-over:
			return true
		case <-tick.C:
		}
	}
	return false
}

// TestFaultSlowClients has thousands of connections send a byte now and then, in a head, a body and a frame. All are closed by the
// deadlines, what they took is given back, and nobody else notices.
func TestFaultSlowClients(t *testing.T) {
	p := newProvider(t, "127.0.0.1", echo)
	yaml := outboundYAML("com.example.Both", p.listener.Addr().String())
	if !*long {
		yaml = strings.Replace(yaml, "propagationDelay: 0", "propagationDelay: 0\n  httpReadTimeout: 2000\n  frameTimeout: 2000", 1)
	}
	d := startMotand(t, yaml)
	connections, pause := briefly(scaled(600), 5000), briefly(200*time.Millisecond, 5*time.Second)
	endless := strings.Repeat("x", 10_000)
	frame := string(rawFrame{meta: echoMeta, body: make([]byte, 10_000)}.bytes())
	kinds := []struct{ port, text string }{
		{"http", "POST /rpc/com.example.Both/echo HTTP/1.1\r\nHost: x\r\nX-Long: " + endless},
		{"http", "POST /rpc/com.example.Both/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + endless},
		{"motan", frame},
	}
	load := startSteady(t, d.addr("motan"), scaled(1000))
	load.goOn(time.Second)
	load.take().clean(t, "before")
	before := d.resources()
	// Each has a buffer for a head, and a goroutine.
	holdsWithin(t, d, 32<<20+int64(connections)*32<<10, func() {
		var all sync.WaitGroup
		var closed atomic.Int64
		for i := range connections {
			kind := kinds[i%len(kinds)]
			conn, err := net.Dial("tcp", d.addr(kind.port))
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if dribble(conn, kind.text, pause) {
					closed.Add(1)
				}
			})
		}
		load.answers(10)
		load.take().clean(t, "calls of others while they connect")
		load.goOn(briefly(500*time.Millisecond, 6*time.Second))
		load.answers(10)
		load.take().clean(t, "calls of others while they send")
		all.Wait()
		if n := closed.Load(); n != int64(connections) {
			t.Errorf("%d of %d slow connections were closed", n, connections)
		}
	})
	load.finish().clean(t, "calls of others until they are cut off")
	note(t, "slow connections", connections)
	if n := d.metric("motand_http_refused_total", "reason", "slow"); n < float64(connections)/2 {
		t.Errorf("motand_http_refused_total has %v slow ones, want those of %d connections", n, connections)
	}
	leavesNothing(t, d, before)
	if *long {
		rests(t, d, before.rss*1.1+float64(connections*4<<10)) // the runtime keeps its accounts of goroutines for the next ones
	}
}

// rests waits until d, which has nothing to do, has so many bytes of memory at most.
func rests(t *testing.T, d *daemon, most float64) {
	t.Helper()
	tick := time.NewTicker(7 * time.Second) // an agent that is asked all the time does not rest
	defer tick.Stop()
	var rss float64
	await(t, "memory to be given back to the system", func() bool {
		<-tick.C
		rss = d.resources().rss
		return rss <= most
	})
	note(t, "MiB resident after a rest", rss/(1<<20))
}

// leavesNothing waits until d has about as many goroutines and files as before, and no call and no body.
func leavesNothing(t *testing.T, d *daemon, before resources) {
	t.Helper()
	var now resources
	await(t, "what clients had taken to be given back", func() bool {
		now = d.resources()
		return now.goroutines <= before.goroutines*1.1+20 && now.files <= before.files*1.1+20 &&
			d.metric("motand_http_calls_in_flight") == 0 && d.metric("motand_http_bytes_held") == 0
	})
	note(t, "goroutines, open files, MiB resident before", []float64{before.goroutines, before.files, before.rss / (1 << 20)})
	note(t, "after", []float64{now.goroutines, now.files, now.rss / (1 << 20)})
}

// abruptYAML is a domain whose services are at a port of this host, and a service at addr.
func abruptYAML(port int, addr string) string {
	yaml := strings.Replace(callShop(port), "motan-registry:\n", "motan-registry:\n  there: {protocol: direct, address: \""+addr+"\"}\n", 1)
	yaml = strings.Replace(yaml, "httpProxyEnable: true", "httpProxyEnable: true\n  httpMaxBytesInFlight: 67108864", 1)
	return yaml + "\nmotan-refer:\n  both: {path: com.example.Both, group: demo, protocol: motan2, registry: there, requestTimeout: 30000, connectTimeout: 10000}\n"
}

// startAbrupt starts the agent of the callers, and behind it that of the shop and a provider of com.example.Both.
func startAbrupt(t *testing.T) *daemon {
	t.Helper()
	p := newProvider(t, "127.0.0.1", echo)
	b := startMotand(t, exportShop(webSite(t)))
	if status, text, err := fetch("GET", b.url("mgmt", "/200"), ""); err != nil || status != 200 {
		t.Fatalf("/200: got %d %s, %v", status, text, err)
	}
	d := startMotand(t, abruptYAML(b.port("export"), p.listener.Addr().String()))
	await(t, "the first answer", func() bool { return askShop(t, d.setup, "GET", "/api/x", "").status == 200 })
	return d
}

// TestFaultAbruptClients has callers connect, send, and close without reading, or reset the connection in the middle of a call, of
// its body, or of its answer. Answers of theirs are dropped, and nothing is left of them.
func TestFaultAbruptClients(t *testing.T) {
	d := startAbrupt(t)
	megabyte := strings.Repeat("x", 1<<20)
	raw := fmt.Sprintf("POST /api/back HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: %d\r\n\r\n%s", len(megabyte), megabyte)
	rpc := "POST /rpc/com.example.Both/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\n" + megabyte[:100_000]
	frame := string(motantest.Bytes(motantest.Request("com.example.Both", "echo", make([]byte, 100_000), "M_g", "demo"), 7))
	var clients []abruptClient
	for name, sends := range map[string]string{"http": raw, "http rpc": rpc, "motan": frame} {
		port, _, _ := strings.Cut(name, " ")
		clients = append(
			clients,
			abruptClient{name + ", closes", port, sends, 0, false}, abruptClient{name + ", resets", port, sends, 0, true},
			abruptClient{name + ", half, closes", port, sends[:len(sends)/2], 0, false}, abruptClient{name + ", half, resets", port, sends[:len(sends)/2], 0, true},
			abruptClient{name + ", resets in the answer", port, sends, 10, true},
		)
	}
	load := startSteady(t, d.addr("motan"), scaled(500))
	load.goOn(time.Second)
	load.take().clean(t, "before")
	before := d.resources()
	rounds := briefly(scaled(20), 200)
	// The room is 64 MiB. A request is there four times on its way: as it came, as the call's, in a queue, and as long as a client
	// that is gone is still answered; and the collector lets as much lie.
	holdsWithin(t, d, 640<<20, func() {
		for _, c := range clients {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range rounds {
						if err := c.run(d.addr(c.port)); err != nil {
							t.Errorf("%s: %v", c.name, err)
							return
						}
					}
				})
			}
			all.Wait()
		}
	})
	a := load.finish()
	a.clean(t, "meanwhile")
	note(t, "abrupt clients", len(clients)*8*rounds)
	note(t, "calls of others meanwhile", a)
	leavesNothing(t, d, before)
	if got := askShop(t, d.setup, "POST", "/api/back", "hello"); got.status != 200 || got.body != "hello" {
		t.Errorf("afterwards: got %d %q", got.status, got.body)
	}
}

// abruptClient is how a client ends.
type abruptClient struct {
	name, port, sends string
	reads             int  // bytes of the answer
	resets            bool // instead of an orderly end
}

// run is one such client, from its connection to its end. That it was cut off while it sent is no error.
func (c *abruptClient) run(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, sent := io.WriteString(conn, c.sends)
	if sent == nil && c.reads > 0 {
		if _, err := io.ReadFull(conn, make([]byte, c.reads)); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
	}
	if tcp, ok := conn.(*net.TCPConn); ok && c.resets {
		return tcp.SetLinger(0)
	}
	return nil
}

// TestFaultUnreadResponses has clients ask for large responses of a site and read nothing of them. What motand holds for them is
// bounded, and others are answered.
func TestFaultUnreadResponses(t *testing.T) {
	d := startAbrupt(t)
	before := d.resources()
	const size = 4 << 20
	raw := fmt.Sprintf("POST /api/back HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
	// Requests are 64 MiB at most at a time, so are answers that are held, and those that wait for that.
	holdsWithin(t, d, 600<<20, func() {
		var conns []net.Conn
		for range briefly(scaled(100), 1000) {
			conn, err := net.Dial("tcp", d.addr("http"))
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, raw); err != nil {
				continue // it was refused
			}
			if got := askShop(t, d.setup, "GET", "/api/x", ""); got.status != 200 {
				t.Fatalf("another client: got %d %q", got.status, got.body)
			}
		}
		note(t, "bytes held", d.metric("motand_http_bytes_held"))
		for _, c := range conns {
			c.Close()
		}
	})
	leavesNothing(t, d, before)
}
