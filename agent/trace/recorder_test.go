package trace

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/motan"
)

// ended records one span of a call that has failed.
func ended(r *Recorder, change func(*Span)) {
	c := motan.NewCall()
	defer c.Release()
	c.Err = motan.Errorf(motan.KindTimeout, 400, "no answer \"in\" time\n\xff")
	s := r.Begin()
	s.Context, _ = ParseParent([]byte(sampleParent))
	s.Parent = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	s.Kind, s.Start = Client, c.Start
	s.Role, s.Service, s.Group, s.Application = "client-agent", "com.example.Echo", "g", "app"
	s.Method.SetString("hello")
	s.Peer.SetString("10.0.0.1:8002")
	s.RequestID.SetString("7")
	if change != nil {
		change(s)
	}
	r.End(s, c)
}

// line is the part of a request that tests look at.
type line struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes []attribute }
		ScopeSpans []struct {
			Scope struct{ Name, Version string }
			Spans []jsonSpan
		}
	}
}

type jsonSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	StartTimeUnixNano, EndTimeUnixNano  string
	Attributes                          []attribute
	Status                              struct {
		Code    int
		Message string
	}
}

type attribute struct {
	Key   string
	Value struct{ StringValue, IntValue string }
}

func attributes(all []attribute) string {
	var text []string
	for _, a := range all {
		text = append(text, a.Key+"="+a.Value.StringValue+a.Value.IntValue)
	}
	return strings.Join(text, " ")
}

// spansOf are the spans of lines.
func spansOf(t *testing.T, text string) (all []jsonSpan) {
	t.Helper()
	for l := range strings.Lines(text) {
		var x line
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatalf("%v in %s", err, l)
		}
		all = append(all, x.ResourceSpans[0].ScopeSpans[0].Spans...)
	}
	return all
}

// A file gets a line for each batch, in OTLP's words.
func TestFile(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(Options{File: &out, Service: "agent", Host: "h1", Version: "1.2"})
	r.Start()
	ended(r, nil)
	ended(r, func(s *Span) { s.Kind, s.Attempts, s.Parent = Internal, 2, [8]byte{} })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var x line
	if err := json.Unmarshal(out.Bytes(), &x); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("want one line of JSON: %v\n%s", err, out.String())
	}
	if got, want := attributes(x.ResourceSpans[0].Resource.Attributes), "service.name=agent host.name=h1"; got != want {
		t.Errorf("resource: got %s, want %s", got, want)
	}
	spans := spansOf(t, out.String())
	if len(spans) != 2 {
		t.Fatalf("got %d spans, want 2", len(spans))
	}
	s := spans[0]
	if s.TraceID+" "+s.SpanID+" "+s.ParentSpanID+" "+s.Name != "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 0102030405060708 com.example.Echo.hello" {
		t.Errorf("got %+v", s)
	}
	const common = "rpc.system=motan rpc.service=com.example.Echo rpc.method=hello motan.role=client-agent motan.group=g motan.application=app motan.request_id=7 "
	if got, want := attributes(s.Attributes), common+"server.address=10.0.0.1 server.port=8002 motan.outcome=timeout motan.errcode=400"; got != want {
		t.Errorf("attempt:\n got %s\nwant %s", got, want)
	}
	if got, want := attributes(spans[1].Attributes), common+"client.address=10.0.0.1:8002 motan.attempts=2 motan.outcome=timeout motan.errcode=400"; got != want {
		t.Errorf("call:\n got %s\nwant %s", got, want)
	}
	if s.Kind != 3 || spans[1].Kind != 1 || spans[1].ParentSpanID != "" || s.Status.Code != 2 || s.Status.Message != "no answer \"in\" time\n\ufffd" {
		t.Errorf("got %+v and %+v", s, spans[1])
	}
	if s.EndTimeUnixNano < s.StartTimeUnixNano || len(s.StartTimeUnixNano) != 19 {
		t.Errorf("times: got %s to %s", s.StartTimeUnixNano, s.EndTimeUnixNano)
	}
}

// A collector gets spans by HTTP with the headers that were asked for, and once more after an answer that may pass.
func TestCollector(t *testing.T) {
	var mu sync.Mutex
	var got []string
	tries := 0
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got = append(got, q.Method+" "+q.URL.Path+" "+q.Header.Get("Content-Type")+" "+q.Header.Get("Authorization"), string(body))
	}))
	defer collector.Close()
	r := NewRecorder(Options{URL: collector.URL + "/v1/traces", Headers: http.Header{"Authorization": {"Bearer x"}}})
	r.Start()
	for range maxBatch {
		ended(r, nil)
	}
	await(t, "the batch", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 2 })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got[0] != "POST /v1/traces application/json Bearer x" || len(spansOf(t, got[1])) != maxBatch {
		t.Errorf("got %s with %d spans", got[0], len(spansOf(t, got[1])))
	}
	if r.exported.Load() != maxBatch || r.lost.Load() != 0 {
		t.Errorf("got %d exported, %d lost", r.exported.Load(), r.lost.Load())
	}
}

func TestCollectorOverTLS(t *testing.T) {
	collector := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	var shown []string // of one goroutine, which has ended when it is read
	r := NewRecorder(Options{URL: collector.URL, Seen: func(server string, c *x509.Certificate) { shown = append(shown, server+" "+c.SerialNumber.String()) }})
	r.client.Transport = collector.Client().Transport
	r.Start()
	ended(r, nil)
	await(t, "the span", func() bool { return r.exported.Load() == 1 })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if want := collector.Listener.Addr().String() + " " + collector.Certificate().SerialNumber.String(); len(shown) != 1 || shown[0] != want {
		t.Errorf("got certificates %q, want %q", shown, want)
	}
}

// A collector that takes connections and says nothing costs no caller time, and memory only up to the queue.
func TestSilentCollector(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, reads never
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := NewRecorder(Options{URL: "http://" + l.Addr().String() + "/v1/traces", Queue: 100})
	r.Start()
	for range 10_000 {
		ended(r, nil)
	}
	if n := r.dropped.Load(); n < 10_000-100-maxBatch {
		t.Errorf("got %d spans dropped of 10000 with a queue of 100", n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// What a collector refuses is lost, counted, and told once.
func TestLost(t *testing.T) {
	collector := httptest.NewServer(http.NotFoundHandler())
	defer collector.Close()
	var log bytes.Buffer
	r := NewRecorder(Options{URL: collector.URL, Headers: http.Header{"Authorization": {"secret"}}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 * maxBatch {
		ended(r, nil)
	}
	r.Start()
	await(t, "all to be lost", func() bool { return r.lost.Load() == 3*maxBatch })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "spans are lost") != 1 || !strings.Contains(log.String(), "404") || strings.Contains(log.String(), "secret") {
		t.Errorf("want it told once, with the status and without the headers:\n%s", log.String())
	}
}

// Spans do not wait for a full batch.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := NewRecorder(Options{File: &out})
		r.Start()
		ended(r, nil)
		time.Sleep(flushPause + time.Millisecond) // of the bubble's clock
		synctest.Wait()
		if len(spansOf(t, out.String())) != 1 {
			t.Errorf("got %q after a flush's time, want the span", out.String())
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A recorder that goes nowhere, and none, are not active and have no figures.
func TestInactive(t *testing.T) {
	for name, r := range map[string]*Recorder{"none": nil, "nowhere": NewRecorder(Options{})} {
		if r.Active() || r.Figures() != nil {
			t.Errorf("%s: is active", name)
		}
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
		<-time.After(5 * time.Millisecond) // until the condition holds
	}
}

// Text is written as the standard library writes it.
func TestText(t *testing.T) {
	for _, text := range []string{"", "plain", "\"\\\x00\x1f\x7f\n", "你好", "\xff\xc0\x80", "a\xe4\xbd"} {
		std, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var got, want string
		if err := errors.Join(json.Unmarshal(appendText(nil, text), &got), json.Unmarshal(std, &want)); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}
