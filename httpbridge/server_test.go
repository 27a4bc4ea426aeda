package httpbridge

import (
	"bufio"
	"context"
	"errors"
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

func TestServeUnixAndTCPAtOnce(t *testing.T) {
	s := &Server{Handler: motan.HandlerFunc(echo)}
	addr := serveTCP(t, s)
	path := filepath.Join(t.TempDir(), "http.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, s, l)
	for _, dial := range []func() (net.Conn, error){
		func() (net.Conn, error) { return net.Dial("tcp", addr) },
		func() (net.Conn, error) { return net.Dial("unix", path) },
	} {
		if got := ask(t, dial, post("/rpc/s/m", `["x"]`)); got.status != 200 || got.body != `"x"` {
			t.Errorf("got %d %s, want 200 \"x\"", got.status, got.body)
		}
	}
}

// TestConcurrentCalls checks that no call gets another's answer, with calls that end on other goroutines.
func TestConcurrentCalls(t *testing.T) {
	s := &Server{Handler: motan.HandlerFunc(func(c *motan.Call) { go echo(c) })}
	l := serve(t, s)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			conn, err := l.Dial()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			r := bufio.NewReader(conn)
			for j := range 100 {
				want := `"` + strings.Repeat(string(rune('a'+i)), 1+j*j) + `"`
				if _, err := io.WriteString(conn, post("/rpc/s/m", want)); err != nil {
					t.Error(err)
					return
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(body) != want {
					t.Errorf("got %.20q (%v), want %.20q", body, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
	if calls, inFlight := s.Stats.Calls.Load(), s.Stats.InFlight.Load(); calls != 1600 || inFlight != 0 {
		t.Errorf("got %d calls and %d in flight, want 1600 and 0", calls, inFlight)
	}
}

// TestLostCall checks the guard against a handler that never ends a call, and that the call may end later.
func TestLostCall(t *testing.T) {
	held := make(chan *motan.Call, 1)
	s := &Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c }), DefaultTimeout: time.Millisecond}
	l := serve(t, s)
	checkError(t, ask(t, l.Dial, post("/rpc/s/m", `["x"]`)), 504, "has not ended within 1ms")
	c := <-held
	if got := string(c.Request.Body()); got != string(must(t, "x")) {
		t.Errorf("the call's body has changed: %x", got)
	}
	if got := s.Stats.Lost.Load(); got != 1 {
		t.Errorf("lost: got %d, want 1", got)
	}
	c.End()
	if got := s.Stats.InFlight.Load(); got != 0 {
		t.Errorf("in flight: got %d, want 0", got)
	}
}

func TestSlowClient(t *testing.T) {
	tests := []struct{ name, sent string }{
		{"head", "POST /rpc/s/m HTTP/1.1\r\nHos"},
		{"body", "POST /rpc/s/m HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n["},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Server{Handler: record(echo), ReadTimeout: 20 * time.Millisecond}
			addr := serveTCP(t, s)
			got := ask(t, func() (net.Conn, error) { return net.Dial("tcp", addr) }, tt.sent)
			checkError(t, got, 408, "in time")
			if !got.closed {
				t.Error("the connection stays open")
			}
		})
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	addr := serveTCP(t, &Server{Handler: motan.HandlerFunc(echo), IdleTimeout: 10 * time.Millisecond})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, post("/rpc/s/m", `1`)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	readAnswer(t, r)
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v, want the end", rest, err)
	}
}

func TestMaxConnections(t *testing.T) {
	s := &Server{Handler: motan.HandlerFunc(echo), MaxConnections: 2}
	addr := serveTCP(t, s)
	dial := func() (net.Conn, error) { return net.Dial("tcp", addr) }
	var open []net.Conn
	for range 2 {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	wait(t, "both connections are counted", func() bool { return connections(s) == 2 })
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	checkError(t, readAnswer(t, bufio.NewReader(conn)), 503, "too many connections")
	open[0].Close()
	wait(t, "there is room again", func() bool { return connections(s) == 1 })
	if got := ask(t, dial, post("/rpc/s/m", `1`)); got.status != 200 {
		t.Errorf("got %d, want 200", got.status)
	}
	if got := s.Stats.Refused.Load(); got != 1 {
		t.Errorf("refused: got %d, want 1", got)
	}
}

func connections(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// TestShutdown checks that what is in flight is answered, that its connection is closed then, and that idle ones are.
func TestShutdown(t *testing.T) {
	held := make(chan *motan.Call, 1)
	s := &Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })}
	addr := serveTCP(t, s)
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	wait(t, "the idle connection is there", func() bool { return connections(s) == 1 })
	answered := make(chan answerOf, 1)
	go func() {
		answered <- ask(t, func() (net.Conn, error) { return net.Dial("tcp", addr) }, post("/rpc/s/m", `"x"`))
	}()
	c := <-held
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(contextFor(t)) }()
	wait(t, "the port is closed", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-down:
		t.Fatalf("shut down with a call in flight: %v", err)
	default:
	}
	echo(c)
	if got := <-answered; got.status != 200 || got.body != `"x"` || !got.closed {
		t.Errorf("got %+v, want 200 \"x\" and a closed connection", got)
	}
	if err := <-down; err != nil {
		t.Errorf("shut down: %v", err)
	}
	if rest, err := io.ReadAll(idle); len(rest) > 0 {
		t.Errorf("the idle connection got %q, %v", rest, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, ErrServerClosed) {
		t.Errorf("serve after it: got %v, want ErrServerClosed", err)
	}
}

// TestShutdownGivesUp checks that the end of the context ends connections with calls in flight.
func TestShutdownGivesUp(t *testing.T) {
	held := make(chan *motan.Call, 1)
	s := &Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })}
	addr := serveTCP(t, s)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, post("/rpc/s/m", `"x"`)); err != nil {
		t.Fatal(err)
	}
	c := <-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if rest, err := io.ReadAll(conn); len(rest) > 0 {
		t.Errorf("got %q, %v, want a closed connection", rest, err)
	}
	echo(c)
}

// failingListener fails once with a temporary error and then for good.
type failingListener struct {
	net.Listener
	errs chan error
}

func (l failingListener) Accept() (net.Conn, error) { return nil, <-l.errs }

// TestLargeBodyReadsItsAnswer checks that a client which sends everything before it reads still gets to know why.
func TestLargeBodyReadsItsAnswer(t *testing.T) {
	s := &Server{Handler: record(echo), MaxBodySize: 1 << 20}
	addr := serveTCP(t, s)
	dial := func() (net.Conn, error) { return net.Dial("tcp", addr) }
	checkError(t, ask(t, dial, post("/rpc/s/m", strings.Repeat("x", 3<<19))), 413, "1048576")
	if got := s.Stats.Invalid[ReasonBodySize].Load(); got != 1 {
		t.Errorf("invalid: got %d, want 1", got)
	}
}
