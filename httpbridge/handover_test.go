package httpbridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// keepAlive asks one thing after the other on a connection, now and then two at once, until stop.
func keepAlive(t *testing.T, conn net.Conn, name string, stop <-chan struct{}) {
	t.Helper()
	r := bufio.NewReader(conn)
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		asked, want := 1+i%7/6, fmt.Sprintf(`"%s %d %s"`, name, i, strings.Repeat("x", i*31%5000))
		if _, err := io.WriteString(conn, strings.Repeat(post("/rpc/s/m", want), asked)); err != nil {
			t.Errorf("%s: write: %v", name, err)
			return
		}
		for range asked {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Errorf("%s: read: %v", name, err)
				return
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(body) != want || resp.Close {
				t.Errorf("%s: got %.40q (%v, close: %v), want %.40q", name, body, err, resp.Close, want)
				return
			}
		}
	}
}

// Connections go to and fro between two servers while their clients ask without a pause.
func TestHandOverUnderLoad(t *testing.T) {
	const conns, moves = 8, 25
	first, second := &Server{Handler: motan.HandlerFunc(func(c *motan.Call) { go echo(c) })}, &Server{Handler: motan.HandlerFunc(echo)}
	addr, path := serveTCP(t, first), filepath.Join(t.TempDir(), "http.sock")
	serveTCP(t, second)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, first, l)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range conns {
		network, at := "tcp", addr
		if i%2 == 1 {
			network, at = "unix", path
		}
		conn, err := net.Dial(network, at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		clients.Go(func() { keepAlive(t, conn, fmt.Sprintf("%s %d", network, i), stop) })
	}
	await(t, func() bool { return first.Stats.Calls.Load() > 100 })
	from, to := first, second
	for range moves {
		before := to.Stats.Calls.Load()
		if err := from.HandOver(t.Context(), func(conn net.Conn) error { to.Adopt(conn); return nil }); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return to.Stats.Calls.Load() > before+20 || t.Failed() })
		from, to = to, from
	}
	close(stop)
	clients.Wait()
	for reason := range first.Stats.Invalid {
		if n := first.Stats.Invalid[reason].Load() + second.Stats.Invalid[reason].Load(); n != 0 {
			t.Errorf("%d requests were read in part", n)
		}
	}
}

// await polls until condition holds.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// A request that has begun is answered by the server that has read of it; one that nobody takes is served on; so are
// connections that are idle, new or in the middle of a request when the time is over.
func TestHandOverComesToNothing(t *testing.T) {
	s := &Server{Handler: motan.HandlerFunc(echo)}
	addr := serveTCP(t, s)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	silent, idle, begun := dial(), dial(), dial()
	answered := func(name string, conn net.Conn) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != `"x"` || resp.Close {
			t.Errorf("%s: got %d %s, close: %v", name, resp.StatusCode, body, resp.Close)
		}
	}
	request := post("/rpc/s/m", `"x"`)
	_, _ = io.WriteString(idle, request)
	answered("idle", idle)
	_, _ = io.WriteString(begun, request[:10])
	await(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		active := 0
		for c := range s.conns {
			if c.active.Load() {
				active++
			}
		}
		return len(s.conns) == 3 && active == 1
	})
	no := errors.New("no")
	if err := s.HandOver(t.Context(), func(net.Conn) error { return no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the error of who does not take it", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	taken := make(chan net.Conn, 3)
	if err := s.HandOver(short, func(conn net.Conn) error { taken <- conn; return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
	close(taken)
	for conn := range taken {
		s.Adopt(conn)
	}
	_, _ = io.WriteString(begun, request[10:])
	answered("begun", begun)
	for name, conn := range map[string]net.Conn{"silent": silent, "idle": idle, "begun": begun} {
		_, _ = io.WriteString(conn, request)
		answered(name, conn)
	}
}
