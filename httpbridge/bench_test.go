package httpbridge

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/motand/motand/motan"
)

// BenchmarkRPC is a call over a connection in memory, with a handler that answers at once.
func BenchmarkRPC(b *testing.B) {
	benchmarkRPC(b, post("/rpc/com.example.HelloService/hello", `["`+strings.Repeat("x", 120)+`"]`))
}

// BenchmarkRPCHeaders is one with a few headers more.
func BenchmarkRPCHeaders(b *testing.B) {
	benchmarkRPC(b, post("/rpc/com.example.HelloService/hello", `["`+strings.Repeat("x", 120)+`"]`,
		"User-Agent: bench", "Accept: */*", "MOTAN-g: group", "MOTAN-tmo: 500", "Motan-Meta-traceId: 12345"))
}

func benchmarkRPC(b *testing.B, raw string) {
	b.Helper()
	s := &Server{Handler: motan.HandlerFunc(echo), Logger: slog.New(slog.DiscardHandler)}
	l := fasthttputil.NewInmemoryListener()
	serveOn(b, s, l)
	conn, err := l.Dial()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request, buf := []byte(raw), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if n, err := conn.Read(buf); err != nil || n < 12 || string(buf[9:12]) != "200" {
			b.Fatalf("got %q, %v", buf[:n], err)
		}
	}
}

// TestRPCAllocations holds what a call may allocate.
func TestRPCAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	s := &Server{Handler: motan.HandlerFunc(echo), Logger: slog.New(slog.DiscardHandler)}
	l := fasthttputil.NewInmemoryListener()
	serveOn(t, s, l)
	conn, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request, buf := []byte(post("/rpc/s/m", `["abc"]`, "MOTAN-g: g")), make([]byte, 4096)
	got := testing.AllocsPerRun(1000, func() {
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(buf); err != nil || n == 0 {
			t.Fatal(err)
		}
	})
	if got > 4 && !raceEnabled {
		t.Errorf("a call allocates %v times, want at most 4", got)
	}
}

// BenchmarkProvider is a call in mode proxy to a web service of Go's on loopback, both in this process.
func BenchmarkProvider(b *testing.B) {
	w := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(out, "webbody") }))
	defer w.Close()
	p := newProvider(b, ProviderSettings{Domain: "d", ProxyAddress: w.Listener.Addr().String()})
	body := simpleMap(b, "uid", "1")
	b.ReportAllocs()
	for b.Loop() {
		c := motan.NewCall()
		c.Request.SetSerialization(motan.SerializeSimple)
		c.Request.SetBody(body)
		c.Request.Set("M_p", "web")
		c.Request.Set("M_m", "/api/show")
		c.Request.Set("M_g", "g")
		motan.Do(p, c)
		if c.Err != nil {
			b.Fatal(c.Err)
		}
		c.Release()
	}
}

// BenchmarkWebServiceAlone is what the other side and the socket cost of BenchmarkProvider.
func BenchmarkWebServiceAlone(b *testing.B) {
	w := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(out, "webbody") }))
	defer w.Close()
	u, err := newProxyUpstream(ProviderSettings{ProxySchema: "http", MaxConnections: 1}, w.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	conn, err := u.dial(patience)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	request := []byte("GET /api/show?uid=1 HTTP/1.1\r\nHost: d\r\n\r\n")
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}
