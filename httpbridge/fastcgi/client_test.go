package fastcgi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 10 * time.Second

// server is a FastCGI server that answers each request of a connection with the next of answers, as they stand, and closes
// the connection where there is none left.
type server struct {
	net.Listener
	answers [][]byte
	conns   atomic.Int64
	asked   atomic.Int64
	running sync.WaitGroup
}

func newServer(t testing.TB, answers ...[]byte) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, answers: answers}
	s.running.Go(s.serve)
	t.Cleanup(func() {
		l.Close()
		s.running.Wait()
	})
	return s
}

func (s *server) serve() {
	for {
		c, err := s.Accept()
		if err != nil {
			return
		}
		s.conns.Add(1)
		s.running.Go(func() {
			defer c.Close()
			in := bufio.NewReader(c)
			for _, answer := range s.answers {
				if !readRequest(in) {
					return
				}
				s.asked.Add(1)
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		})
	}
}

// readRequest reads to the end of stdin.
func readRequest(in *bufio.Reader) bool {
	for {
		r, err := readRecord(in)
		if err != nil {
			return false
		}
		if _, err := in.Discard(r.length + r.padding); err != nil {
			return false
		}
		if r.typ == typeStdin && r.length == 0 {
			return true
		}
	}
}

func (s *server) client(t testing.TB, keep int) *Client {
	t.Helper()
	c := New(Settings{Network: "tcp", Address: s.Addr().String(), Keep: keep, IdleTimeout: patience, MaxHead: 1000, MaxBody: 4096})
	t.Cleanup(c.Close)
	return c
}

// await waits for what takes a moment.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func do(c *Client, r *Request) (*Response, error) { return c.Do(r, time.Now().Add(patience)) }

// stream is a record of an answer.
func stream(typ recordType, content string) []byte {
	return appendRecord(nil, typ, requestID, []byte(content))
}

func answer(body string) []byte {
	return append(stream(typeStdout, "X: y\r\n\r\n"+body), stream(typeEnd, "\x00\x00\x00\x00\x00\x00\x00\x00")...)
}

var good = answer("ok")

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestAnswers reads what a server may send, whole and wrong. A connection that brought something wrong is not used again.
func TestAnswers(t *testing.T) {
	end := stream(typeEnd, "\x00\x00\x00\x00\x00\x00\x00\x00")
	head := stream(typeStdout, "X: y\r\n\r\n")
	tests := []struct {
		name   string
		answer []byte
		body   string
		want   string // part of the error; "" for none
	}{
		{"plain", good, "ok", ""},
		{"in pieces, stdout ended", join(stream(typeStdout, "X: "), stream(typeStdout, "y\r\n\r"), stream(typeStdout, "\nab"), stream(typeStdout, ""), end), "ab", ""},
		{"complaints between", join(stream(typeStderr, strings.Repeat("x", 3*stderrBytes)), head, stream(typeStderr, "y"), end), "", ""},
		{"padding", join([]byte{1, 6, 0, 1, 0, 11, 200, 0}, []byte("X: y\r\n\r\npad"), make([]byte, 200), end), "pad", ""},
		{"another request's", appendRecord(nil, typeStdout, 2, []byte("X: y\r\n\r\n")), "", "a record for request 2"},
		{"nobody's", appendRecord(nil, typeStdout, 0, []byte("X: y\r\n\r\n")), "", "a record for request 0"},
		{"another version", []byte{2, 6, 0, 1, 0, 0, 0, 0}, "", "version 2"},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "", "is this a FastCGI server?"},
		{"unknown type", join(stream(11, "x"), good), "", "a record of type 11"},
		{"a request", join(stream(typeStdin, "x"), good), "", "a record of type 5"},
		{"output behind its end", join(head, stream(typeStdout, ""), stream(typeStdout, "x"), end), "", "output behind its end"},
		{"short end", join(head, stream(typeEnd, "\x00")), "", "an end of 1 bytes"},
		{"overloaded", join(stream(typeEnd, "\x00\x00\x00\x00\x02\x00\x00\x00")), "", "overloaded"},
		{"one request a connection", join(stream(typeEnd, "\x00\x00\x00\x00\x01\x00\x00\x00")), "", "overloaded"},
		{"another role", join(stream(typeEnd, "\x00\x00\x00\x00\x03\x00\x00\x00")), "", "does not run scripts"},
		{"too much", join(bytes.Repeat(stream(typeStdout, strings.Repeat("x", 1000)), 7), end), "", "more than the limit, 5096 bytes"},
		{"body too large", join(head, bytes.Repeat(stream(typeStdout, strings.Repeat("x", 1000)), 5), end), "", "more than the limit, 4096 bytes"},
		{"cut off within a header", good[:3], "", "unexpected EOF"},
		{"cut off within a record", good[:12], "", "unexpected EOF"},
		{"cut off within the end", good[:len(good)-3], "", "unexpected EOF"},
		{"no end", head, "", "unexpected EOF"},
		{"nothing", nil, "", "unexpected EOF"},
		{"no head", end, "", "has no end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, tt.answer)
			r, err := do(s.client(t, 5), &Request{})
			if tt.want == "" && (err != nil || string(r.Body) != tt.body) {
				t.Errorf("got %+v, %v, want the body %q", r, err, tt.body)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %+v, %v, want an error with %q", r, err, tt.want)
			}
		})
	}
}

// TestAfterAFailure checks that a connection whose answer was wrong is closed and that the next request has a new one.
func TestAfterAFailure(t *testing.T) {
	s := newServer(t, join(good, good), good) // one answer too many
	c := s.client(t, 5)
	for range 3 {
		r, err := do(c, &Request{})
		if err != nil || string(r.Body) != "ok" {
			t.Fatalf("got %+v, %v, want ok", r, err)
		}
	}
	if got := s.conns.Load(); got != 3 {
		t.Errorf("got %d connections, want a new one for each request", got)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	tests := []struct {
		name        string
		keep, conns int
	}{
		{"kept", 1, 1},
		{"none is kept", 0, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, good, good, good, good)
			c := s.client(t, tt.keep)
			for range 4 {
				if _, err := do(c, &Request{}); err != nil {
					t.Fatal(err)
				}
			}
			if got := int(s.conns.Load()); got != tt.conns {
				t.Errorf("got %d connections for four requests, want %d", got, tt.conns)
			}
		})
	}
}

// TestIdleTimeout checks that a connection without requests is closed by itself.
func TestIdleTimeout(t *testing.T) {
	s := newServer(t, good, good)
	c := New(Settings{Network: "tcp", Address: s.Addr().String(), Keep: 3, IdleTimeout: time.Millisecond, MaxHead: 1000, MaxBody: 1000})
	defer c.Close()
	if _, err := do(c, &Request{}); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.open
	}
	await(t, "the connection to be closed", func() bool { return open() == 0 })
}

// TestSentAgain checks what becomes of a request whose kept connection is closed before an answer: the server closes
// after it has read the second request of a connection.
func TestSentAgain(t *testing.T) {
	for _, safe := range []bool{true, false} {
		s := newServer(t, good, nil)
		c := s.client(t, 5)
		if _, err := do(c, &Request{}); err != nil {
			t.Fatal(err)
		}
		_, err := do(c, &Request{Safe: safe})
		want := int64(2)
		if safe {
			want = 3
		}
		if (err == nil) != safe {
			t.Errorf("safe %t: got %v", safe, err)
		}
		if got := s.asked.Load(); got != want {
			t.Errorf("safe %t: the server was asked %d times, want %d", safe, got, want)
		}
	}
}

// TestClosedWhileKept checks that a request is not sent on a connection that the server has closed meanwhile, safe or not.
func TestClosedWhileKept(t *testing.T) {
	s := newServer(t, good)
	c := s.client(t, 5)
	for range 5 {
		if _, err := do(c, &Request{}); err != nil {
			t.Fatal(err)
		}
		await(t, "the connection to be closed", c.idle[0].stale)
	}
	if got := s.conns.Load(); got != 5 {
		t.Errorf("got %d connections, want 5", got)
	}
}

func TestDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	read := make(chan []byte, 2)
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(conn) // a reset says the same
			conn.Close()
			read <- b
		}
	}()
	c := New(Settings{Network: "tcp", Address: l.Addr().String(), Keep: 1, MaxHead: 1000, MaxBody: 1000})
	defer c.Close()
	const enough = time.Second // to connect and send on a busy machine
	if _, err := c.Do(&Request{}, time.Now().Add(enough)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a server that is silent: got %v, want the deadline", err)
	}
	if got := <-read; !bytes.HasSuffix(got, stream(typeAbort, "")) {
		t.Errorf("the server was sent %q, want an abort at the end", got)
	}
	if _, err := c.Do(&Request{Body: make([]byte, 1<<20)}, time.Now().Add(enough)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a large body: got %v, want the deadline", err)
	}
	<-read
	if _, err := c.Do(&Request{}, time.Now().Add(-time.Second)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline that has passed: got %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	c := New(Settings{Network: "unix", Address: filepath.Join(t.TempDir(), "none")})
	defer c.Close()
	_, err := do(c, &Request{})
	if _, ok := errors.AsType[*DialError](err); !ok {
		t.Errorf("got %v, want a DialError", err)
	}
}

// TestStderr checks that complaints are logged, cut, and that many are counted.
func TestStderr(t *testing.T) {
	var out bytes.Buffer
	l := stderrLog{log: slog.New(slog.NewTextHandler(&out, nil))}
	l.tell("/a.php", nil)
	if out.Len() > 0 {
		t.Errorf("nothing was complained about: got %s", out.String())
	}
	for range stderrLines + 5 {
		l.tell("/a.php", []byte("PHP message: no\n"))
	}
	if got := strings.Count(out.String(), `stderr="PHP message: no"`); got != stderrLines {
		t.Errorf("got %d lines, want %d", got, stderrLines)
	}
	l.since = l.since.Add(-stderrPeriod)
	l.tell("/a.php", []byte("again"))
	if !strings.HasSuffix(out.String(), "stderr=again left_out=5\n") {
		t.Errorf("got %s, want 5 left out", out.String())
	}
}
