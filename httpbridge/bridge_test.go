package httpbridge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// One goroutine of the library for the whole process, that writes the Date header.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// These sleep, and look whether they are still needed, for some seconds after the end of a server or a client.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}

// patience is how long something may take that a test waits for.
const patience = time.Minute

// contextFor is a context for the end of a test, when that of the test itself is over.
func contextFor(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}

// serve runs s on a listener in memory until the test ends.
func serve(t testing.TB, s *Server) *fasthttputil.InmemoryListener {
	t.Helper()
	l := fasthttputil.NewInmemoryListener()
	serveOn(t, s, l)
	return l
}

// serveTCP runs s on a port of loopback until the test ends.
func serveTCP(t testing.TB, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if l, err = Direct(l); err != nil {
		t.Fatal(err)
	}
	serveOn(t, s, l)
	return l.Addr().String()
}

func serveOn(t testing.TB, s *Server, l net.Listener) {
	t.Helper()
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }() // ends with the Shutdown below
	t.Cleanup(func() {
		if err := s.Shutdown(contextFor(t)); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-done; err != nil && !errors.Is(err, ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
}

// wait polls until ok.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-tick.C
	}
}

// answerOf is what a server answered.
type answerOf struct {
	status  int
	body    string
	headers http.Header
	closed  bool
}

// ask sends raw on a connection of its own and reads one answer.
func ask(t testing.TB, dial func() (net.Conn, error), raw string) answerOf {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatalf("send: %v", err)
	}
	return readAnswer(t, bufio.NewReader(conn))
}

func readAnswer(t testing.TB, r *bufio.Reader) answerOf {
	t.Helper()
	return readAnswerTo(t, r, http.MethodGet)
}

func newReader(conn net.Conn) *bufio.Reader { return bufio.NewReader(conn) }

// readAnswerTo reads the answer to a request of the method.
func readAnswerTo(t testing.TB, r *bufio.Reader, method string) answerOf {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the answer's body: %v", err)
	}
	return answerOf{status: resp.StatusCode, body: string(body), headers: resp.Header, closed: resp.Close}
}

// post is a request to path with a JSON body and more header lines.
func post(path, body string, lines ...string) string {
	head := "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	return head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// metadata is a frame's as a map.
func metadata(f *motan.Frame) map[string]string {
	m := map[string]string{}
	for k, v := range f.All() {
		m[string(k)] = string(v)
	}
	return m
}

// request is what a handler of a test got.
type request struct {
	meta   map[string]string
	body   string
	remote string
}

// recorder answers each call by answer and keeps what it got.
type recorder struct {
	got    chan request
	answer func(c *motan.Call)
}

func record(answer func(c *motan.Call)) *recorder {
	return &recorder{got: make(chan request, 100), answer: answer}
}

func (r *recorder) Handle(c *motan.Call) {
	r.got <- request{meta: metadata(&c.Request), body: string(c.Request.Body()), remote: c.Remote}
	r.answer(c)
}

// last is the one call that came.
func (r *recorder) last(t *testing.T) request {
	t.Helper()
	select {
	case got := <-r.got:
		return got
	default:
		t.Fatal("no call came")
		return request{}
	}
}

// echo answers with the arguments.
func echo(c *motan.Call) {
	c.Reply.SetSerialization(motan.SerializeSimple)
	c.Reply.SetBody(c.Request.Body())
	c.End()
}

// reply answers with one value.
func reply(v any) func(c *motan.Call) {
	return func(c *motan.Call) {
		body, err := simple.Append(nil, v)
		if err != nil {
			panic(err)
		}
		c.Reply.SetSerialization(motan.SerializeSimple)
		c.Reply.SetBody(body)
		c.End()
	}
}

// must is the simple serialization of values.
func must(t testing.TB, values ...any) []byte {
	t.Helper()
	body, err := simple.AppendAll(nil, values...)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func without(m map[string]string, keys ...string) map[string]string {
	m = maps.Clone(m)
	for _, k := range keys {
		delete(m, k)
	}
	return m
}

// simpleMap is a map of strings as an argument.
func simpleMap(t testing.TB, pairs ...string) []byte {
	t.Helper()
	m := simple.StringMap{}
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, simple.StringPair{Key: pairs[i], Value: pairs[i+1]})
	}
	return must(t, m)
}
