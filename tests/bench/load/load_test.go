package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/motand/motand/tests/bench/echo"
)

func TestMain(m *testing.M) {
	// fasthttp keeps a goroutine that tells the time for as long as the process lives, and one that cleans up after a
	// server notices its end after 10 s only.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// serve runs f on a listener until the test ends.
func serve(t *testing.T, network string, f func(net.Listener) error) Target {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when l is closed
		defer close(done)
		_ = f(l) // says that l is closed
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return Target{network, l.Addr().String()}
}

// answering serves connections by h, which is given a whole request as often as one is read.
func answering(h func(conn net.Conn, request []byte)) func(net.Listener) error {
	return func(l net.Listener) error {
		var wait sync.WaitGroup
		defer wait.Wait()
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			wait.Go(func() { // ends with the connection
				defer conn.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					h(conn, buf[:n])
				}
			})
		}
	}
}

const short = 20 * time.Millisecond

func TestMotan(t *testing.T) {
	target := serve(t, "tcp", echo.ServeMotan)
	tests := []struct {
		name                   string
		conns, inFlight, bytes int
	}{
		{"one at a time", 1, 1, 128},
		{"batches", 4, 16, 128},
		{"no body", 2, 4, 0},
		{"16 KiB", 4, 16, 16 << 10},
		{"1 MiB", 2, 4, 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Motan{
				Target: target, Request: NewRequest("g", "s", "m", tt.bytes), Conns: tt.conns, InFlight: tt.inFlight, Duration: short,
			}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Calls < uint64(tt.conns*tt.inFlight) || r.Errors != 0 || r.Latency.Count() != r.Calls || r.Elapsed <= 0 || r.Rate() <= 0 {
				t.Errorf("got %d calls, %d errors, %d latencies in %v; want a call for each in flight at least, no error, as many latencies",
					r.Calls, r.Errors, r.Latency.Count(), r.Elapsed)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	target := serve(t, "tcp", echo.ServeMotan)
	r, err := Open{Target: target, Request: NewRequest("g", "s", "m", 128), Conns: 3, Rate: 5000, Duration: 200 * time.Millisecond}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// 1000 calls on average, with a standard deviation of 32; what is drawn is always the same.
	if r.Calls < 900 || r.Calls > 1100 || r.Errors != 0 {
		t.Errorf("got %d calls and %d errors, want about 1000 and none", r.Calls, r.Errors)
	}
}

// TestOpenCountsStalls holds that a call that should have begun during a stall has waited since then.
func TestOpenCountsStalls(t *testing.T) {
	release := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	target := serve(t, "tcp", func(l net.Listener) error {
		<-release
		return echo.ServeMotan(l)
	})
	r, err := Open{Target: target, Request: NewRequest("g", "s", "m", 128), Conns: 1, Rate: 2000, Duration: 100 * time.Millisecond}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Latency.Quantile(0.5); got < 20*time.Millisecond {
		t.Errorf("p50 with a target that stalls for 100 ms: got %v, want about 50 ms", got)
	}
}

func TestOpenEndsWhenFarBehind(t *testing.T) {
	target := serve(t, "tcp", answering(func(net.Conn, []byte) {}))
	_, err := Open{Target: target, Request: NewRequest("g", "s", "m", 0), Conns: 1, Rate: 2e6, Duration: time.Minute}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot keep the rate") {
		t.Errorf("got %v, want that the target cannot keep the rate", err)
	}
}

func TestHTTP(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, fresh := range []bool{false, true} {
			name := network + map[bool]string{false: " keep-alive", true: " fresh"}[fresh]
			t.Run(name, func(t *testing.T) {
				body := []byte(`["x"]`)
				h := HTTP{
					Target: serve(t, network, echo.ServeHTTP), Request: NewPost("/rpc/s/m", body, body),
					Conns: 3, Fresh: fresh, Duration: short,
				}
				r, err := h.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if r.Calls < 3 || r.Errors != 0 || r.Latency.Count() != r.Calls {
					t.Errorf("got %d calls, %d errors, %d latencies; want 3 calls at least, no error, as many latencies", r.Calls, r.Errors, r.Latency.Count())
				}
				if err := h.Once(t.Context()); err != nil {
					t.Errorf("Once: %v", err)
				}
			})
		}
	}
}

func TestIdle(t *testing.T) {
	target := serve(t, "tcp", echo.ServeMotan)
	for _, n := range []int{1, 16, 35} {
		idle, err := NewIdle(t.Context(), target, NewRequest("g", "s", "m", 128), n)
		if err != nil {
			t.Fatal(err)
		}
		if idle.Len() != n {
			t.Errorf("got %d connections, want %d", idle.Len(), n)
		}
		for i := range n {
			if err := idle.Call(t.Context(), i, NewRequest("g", "s", "m", 300)); err != nil {
				t.Errorf("call on connection %d: %v", i, err)
			}
		}
		idle.Close()
		if err := idle.Call(t.Context(), 0, NewRequest("g", "s", "m", 300)); err == nil {
			t.Error("a call after Close was answered")
		}
	}
}

func TestSparse(t *testing.T) {
	target := serve(t, "tcp", echo.ServeMotan)
	idle, err := NewIdle(t.Context(), target, NewRequest("g", "s", "m", 128), 30)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	sparse := Sparse{Idle: idle, Request: NewRequest("g", "s", "m", 128), Conns: 20, Rate: 1000, Duration: 100 * time.Millisecond}
	result, err := sparse.Run(t.Context())
	if err != nil || result.Calls != 100 || result.Errors != 0 {
		t.Errorf("got %d calls, %d errors, %v; want 100, 0, nil", result.Calls, result.Errors, err)
	}
	idle.Close()
	if _, err := sparse.Run(t.Context()); err == nil {
		t.Error("calls over closed connections: got no error")
	}
}

// TestWrongAnswers shows the load targets that answer wrongly: it must notice, and end.
func TestWrongAnswers(t *testing.T) {
	reply := func(change func(frame []byte) []byte) func(net.Conn, []byte) {
		return func(conn net.Conn, request []byte) {
			frame := append([]byte{0xf1, 0xf1, 1, 8}, request[4:13]...)
			frame = append(frame, 0, 0, 0, 0, 0, 0, 0, 128)
			frame = append(frame, Body(128)...)
			_, _ = conn.Write(change(frame)) // whether it arrives shows on the other side
		}
	}
	set := func(at int, b byte) func([]byte) []byte {
		return func(frame []byte) []byte { frame[at] = b; return frame }
	}
	motan := func(t Target) func(context.Context) (*Result, error) {
		return Motan{Target: t, Request: NewRequest("g", "s", "m", 128), Conns: 1, InFlight: 1, Duration: short}.Run
	}
	http := func(t Target) func(context.Context) (*Result, error) {
		return HTTP{Target: t, Request: NewPost("/", nil, []byte("yes")), Conns: 1, Duration: short}.Run
	}
	text := func(s string) func(net.Conn, []byte) {
		return func(conn net.Conn, _ []byte) { _, _ = io.WriteString(conn, s) } // as above
	}
	tests := []struct {
		name   string
		run    func(Target) func(context.Context) (*Result, error)
		answer func(net.Conn, []byte)
		want   string
	}{
		{"not Motan", motan, text("HTTP/1.1 400 Bad Request\r\n\r\n"), "not a Motan2 reply"},
		{"a request", motan, reply(set(2, 0)), "not a Motan2 reply"},
		{"other id", motan, reply(set(12, 9)), "not in flight"},
		{"id 0", motan, reply(func(f []byte) []byte { clear(f[5:13]); return f }), "not in flight"},
		{"twice", motan, reply(func(f []byte) []byte { return append(f, f...) }), "not in flight"},
		{"other body", motan, reply(set(23, 'z')), "has a body of 128 bytes"},
		{"other length", motan, reply(func(f []byte) []byte { return append(append(f[:17], 0, 0, 0, 5), f[21:26]...) }), "has a body of 5 bytes"},
		{"much metadata", motan, reply(set(13, 1)), "bytes of metadata"},
		{"closed", motan, func(conn net.Conn, _ []byte) { conn.Close() }, "read with 1 calls in flight"},
		{"not HTTP", http, text("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "not an HTTP answer"},
		{"no length", http, text("HTTP/1.1 200 OK\r\n\r\n"), "without Content-Length"},
		{"bad length", http, text("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), `Content-Length "-1"`},
		{"other text", http, text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), `the body "no"; want "yes"`},
		{"too long", http, text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nnope"), "2 bytes after the end"},
		{"endless head", http, text("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000)), "an answer of over"},
		{"only errors", http, text("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := tt.run(serve(t, "tcp", answering(tt.answer)))(t.Context())
			if tt.want == "" {
				if err != nil || r.Calls != 0 || r.Errors == 0 {
					t.Errorf("got %d calls, %d errors, %v; want only errors", r.Calls, r.Errors, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestExceptionsAreErrors(t *testing.T) {
	var asked atomic.Int64
	target := serve(t, "tcp", answering(func(conn net.Conn, request []byte) {
		frame := append([]byte{0xf1, 0xf1, 1, 9}, request[4:13]...)
		_, _ = conn.Write(append(frame, 0, 0, 0, 0, 0, 0, 0, 0)) // it arrives, or the count below is wrong
		asked.Add(1)
	}))
	r, err := Motan{Target: target, Request: NewRequest("g", "s", "m", 128), Conns: 1, InFlight: 1, Duration: short}.Run(t.Context())
	if err != nil && !strings.Contains(err.Error(), "over 10000 calls") {
		t.Fatal(err)
	}
	if r.Calls != 0 || r.Errors == 0 || r.Errors != uint64(asked.Load()) {
		t.Errorf("got %d calls and %d errors, want none and %d", r.Calls, r.Errors, asked.Load())
	}
}

// TestEndsWithContext holds that a load whose target never answers ends when its context does.
func TestEndsWithContext(t *testing.T) {
	target := serve(t, "tcp", answering(func(net.Conn, []byte) {}))
	request := NewRequest("g", "s", "m", 128)
	tests := []struct {
		name string
		run  func(context.Context) error
	}{
		{"motan", func(ctx context.Context) error {
			_, err := Motan{Target: target, Request: request, Conns: 2, InFlight: 2, Duration: time.Hour}.Run(ctx)
			return err
		}},
		{"motan, much", func(ctx context.Context) error {
			_, err := Motan{Target: target, Request: NewRequest("g", "s", "m", 1<<20), Conns: 2, InFlight: 16, Duration: time.Hour}.Run(ctx)
			return err
		}},
		{"open", func(ctx context.Context) error {
			_, err := Open{Target: target, Request: request, Conns: 2, Rate: 100, Duration: time.Hour}.Run(ctx)
			return err
		}},
		{"http", func(ctx context.Context) error {
			_, err := HTTP{Target: target, Request: NewGet("/", nil), Conns: 2, Duration: time.Hour}.Run(ctx)
			return err
		}},
		{"idle", func(ctx context.Context) error { _, err := NewIdle(ctx, target, request, 20); return err }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(short, cancel)
			if err := tt.run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	target := Target{"unix", filepath.Join(t.TempDir(), "nobody")}
	if _, err := (Motan{Target: target, Conns: 3, InFlight: 1}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "load: connect: dial unix") {
		t.Errorf("got %v, want that nobody is there", err)
	}
}

// TestRepliesInPieces cuts a stream everywhere.
func TestRepliesInPieces(t *testing.T) {
	body := Body(40)
	var stream []byte
	for id := byte(1); id <= 3; id++ {
		stream = append(stream, 0xf1, 0xf1, 1, 8, 0x30, 0, 0, 0, 0, 0, 0, 0, id, 0, 0, 0, 3, 'a', '\n', 'b', 0, 0, 0, 40)
		stream = append(stream, body...)
	}
	for step := 1; step <= len(stream); step++ {
		p := replies{want: body}
		var ids []byte
		from := 0
		for to := 0; to < len(stream); {
			to = min(to+step, len(stream))
			for {
				n, id, ok, done, err := p.next(stream[from:to])
				if err != nil || done && !ok {
					t.Fatalf("step %d: %v, ok %v", step, err, ok)
				}
				from += n
				if !done {
					break
				}
				ids = append(ids, byte(id))
			}
		}
		if !bytes.Equal(ids, []byte{1, 2, 3}) || from != len(stream) {
			t.Errorf("in steps of %d: got the replies %v and %d bytes used, want 1, 2, 3 and %d", step, ids, from, len(stream))
		}
	}
}
