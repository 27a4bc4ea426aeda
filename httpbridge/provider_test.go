package httpbridge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func newProvider(t testing.TB, s ProviderSettings) *Provider {
	t.Helper()
	if s.RequestTimeout == 0 {
		s.RequestTimeout = patience
	}
	p, err := NewProvider(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// newCall is a call with the metadata given and the arguments in the simple serialization.
func newCall(t testing.TB, body []byte, meta ...string) *motan.Call {
	t.Helper()
	c := motan.NewCall()
	c.Request.SetSerialization(motan.SerializeSimple)
	c.Request.SetBody(body)
	for i := 0; i < len(meta); i += 2 {
		c.Request.Set(meta[i], meta[i+1])
	}
	t.Cleanup(c.Release)
	return c
}

// checkReply checks that a call ended with body.
func checkReply(t *testing.T, c *motan.Call, body []byte) {
	t.Helper()
	if c.Err != nil {
		t.Fatalf("the call failed: %v", c.Err)
	}
	if got := c.Reply.Body(); string(got) != string(body) {
		t.Errorf("body: got %q, want %q", got, body)
	}
}

// checkFailed checks that a call ended with an error.
func checkFailed(t *testing.T, c *motan.Call, kind motan.Kind, code int, message string) {
	t.Helper()
	if c.Err == nil {
		t.Fatalf("the call did not fail; reply %v %q", metadata(&c.Reply), c.Reply.Body())
	}
	if c.Err.Kind != kind || c.Err.Code != code || !strings.Contains(c.Err.Message, message) {
		t.Errorf("got %v %d %q, want %v %d and %q", c.Err.Kind, c.Err.Code, c.Err.Message, kind, code, message)
	}
	if c.Reply.Size() != new(motan.Frame).Size() {
		t.Errorf("a reply is left: %v", metadata(&c.Reply))
	}
}

func TestNewProviderErrors(t *testing.T) {
	tests := []struct {
		name string
		s    ProviderSettings
		want string
	}{
		{"nothing", ProviderSettings{}, "neither proxyAddress nor URL_FORMAT"},
		{"address", ProviderSettings{ProxyAddress: "localhost"}, "proxyAddress"},
		{"socket", ProviderSettings{ProxyAddress: "unix://"}, "unix:///path"},
		{"schema", ProviderSettings{ProxyAddress: "a:1", ProxySchema: "ftp"}, "ftp"},
		{"verb", ProviderSettings{ProxyAddress: "a:1", HTTPRequestMethod: "GE T"}, "HTTP_REQUEST_METHOD"},
		{"connect", ProviderSettings{ProxyAddress: "a:1", HTTPRequestMethod: "CONNECT"}, "CONNECT"},
		{"location", ProviderSettings{ProxyAddress: "a:1", Locations: []Location{{Match: "/", Type: "x"}}}, "location 1"},
		{"two places", ProviderSettings{URLFormat: "http://a/%s/%s"}, "at most one"},
		{"no scheme", ProviderSettings{URLFormat: "a.b/%s"}, "http://host"},
		{"host by name", ProviderSettings{URLFormat: "http://%s/x"}, "host"},
		{"user", ProviderSettings{URLFormat: "http://u:p@a/x"}, "user"},
		{"of a method", ProviderSettings{URLFormat: "http://a/", Methods: map[string]MethodSettings{"m": {URLFormat: "x"}}}, "method m"},
		{"verb of a method", ProviderSettings{URLFormat: "http://a/", Methods: map[string]MethodSettings{"m": {HTTPRequestMethod: "("}}}, "method m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewProvider(tt.s)
			if p != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", p, err, tt.want)
			}
		})
	}
}

// TestProviderFailures checks what becomes of a web service that does not answer.
func TestProviderFailures(t *testing.T) {
	silent := newWeb(t, func(out http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	closing := newWeb(t, func(out http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	large := newWeb(t, func(out http.ResponseWriter, r *http.Request) { _, _ = out.Write(make([]byte, 5000)) })
	head := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("X", strings.Repeat("x", 2*headBytes))
	})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	tests := []struct {
		name, address string
		timeout       time.Duration
		kind          motan.Kind
		message       string
	}{
		{"nobody listens", gone.Addr().String(), patience, motan.KindUnavailable, "cannot be reached"},
		{"no socket", "unix://" + filepath.Join(t.TempDir(), "none"), patience, motan.KindUnavailable, "cannot be reached"},
		{"silence", silent.host(), 20 * time.Millisecond, motan.KindTimeout, "in time"},
		{"closes", closing.host(), patience, motan.KindBroken, "no whole answer"},
		{"too large", large.host(), patience, motan.KindOversize, "maxContentLength, 4096 bytes"},
		{"head too large", head.host(), patience, motan.KindOversize, "head of the response"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: tt.address, RequestTimeout: tt.timeout, MaxContentLength: 4096})
			c := newCall(t, nil, "M_m", "/")
			motan.Do(p, c)
			checkFailed(t, c, tt.kind, 503, tt.message)
			if c.Err.Type != motan.TypeBiz {
				t.Errorf("type: got %d, want %d", c.Err.Type, motan.TypeBiz)
			}
		})
	}
	t.Run("deadline of the call", func(t *testing.T) {
		p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: silent.host()})
		c := newCall(t, nil, "M_m", "/")
		c.Deadline = c.Start + int64(20*time.Millisecond)
		motan.Do(p, c)
		checkFailed(t, c, motan.KindTimeout, 503, "in time")
	})
	t.Run("deadline is over", func(t *testing.T) {
		p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: silent.host()})
		c := newCall(t, nil, "M_m", "/")
		c.Deadline = 1
		motan.Do(p, c)
		checkFailed(t, c, motan.KindTimeout, 503, "in time")
	})
}

// TestProviderLimit checks that calls beyond MaxConnections are refused at once, and that there is room afterwards.
func TestProviderLimit(t *testing.T) {
	open := make(chan struct{})
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) { <-open })
	p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: w.host(), MaxConnections: 2})
	ended := make(chan *motan.Call, 2)
	for range 2 {
		c := newCall(t, nil, "M_m", "/")
		go func() {
			motan.Do(p, c)
			ended <- c
		}()
	}
	wait(t, "both calls wait", func() bool { return len(w.asked) == 2 })
	over := newCall(t, nil, "M_m", "/")
	motan.Do(p, over)
	checkFailed(t, over, motan.KindRefused, 503, "maxConnections")
	if over.Err.Type != motan.TypeService {
		t.Errorf("type: got %d, want %d, so that it may go elsewhere", over.Err.Type, motan.TypeService)
	}
	close(open)
	for range 2 {
		if c := <-ended; c.Err != nil {
			t.Errorf("a call within the limit failed: %v", c.Err)
		}
	}
	again := newCall(t, nil, "M_m", "/")
	motan.Do(p, again)
	if again.Err != nil {
		t.Errorf("afterwards: %v", again.Err)
	}
}

// TestProviderWorkers checks that workers are used again and that few of them stay when they have no call.
func TestProviderWorkers(t *testing.T) {
	const calls = idleWorkers + 30
	open := make(chan struct{})
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) { <-open })
	w.asked = make(chan string, 4*calls)
	p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: w.host()})
	workers := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.workers
	}
	var ended sync.WaitGroup
	for range calls {
		c := newCall(t, nil, "M_m", "/")
		ended.Go(func() {
			motan.Do(p, c)
			if c.Err != nil {
				t.Error(c.Err)
			}
		})
	}
	wait(t, "all calls wait", func() bool { return len(w.asked) == calls })
	if got := workers(); got != calls {
		t.Errorf("with %d calls: got %d workers", calls, got)
	}
	close(open)
	ended.Wait()
	if got := workers(); got > idleWorkers {
		t.Errorf("without a call: got %d workers, want %d at most", got, idleWorkers)
	}
	for range calls {
		c := newCall(t, nil, "M_m", "/")
		motan.Do(p, c)
		if c.Err != nil {
			t.Error(c.Err)
		}
		if got := workers(); got > idleWorkers {
			t.Errorf("calls one by one: got %d workers, want %d at most", got, idleWorkers)
		}
	}
}

func TestProviderClose(t *testing.T) {
	w := newWeb(t, nil)
	p, err := NewProvider(ProviderSettings{Domain: "d", ProxyAddress: w.host()})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	c := newCall(t, nil, "M_m", "/")
	motan.Do(p, c)
	checkFailed(t, c, motan.KindUnavailable, 503, "closed")
}

// TestProviderUnixSocket checks the three forms of a reply's way over a unix socket and that connections are kept.
func TestProviderUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := &web{asked: make(chan string, 100)}
	fresh := make(chan struct{}, 100)
	w.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: w, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			fresh <- struct{}{}
		}
	}}}
	w.Start()
	defer w.Close()
	p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: "unix://" + path})
	for range 3 {
		c := newCall(t, nil, "M_m", "/x")
		motan.Do(p, c)
		checkReply(t, c, must(t, []byte("webbody")))
	}
	if len(fresh) != 1 {
		t.Errorf("%d connections were made for three calls in turn, want 1", len(fresh))
	}
}

func TestProviderArguments(t *testing.T) {
	w := newWeb(t, nil)
	proxy := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: w.host(), MaxContentLength: 1000})
	format := newProvider(t, ProviderSettings{URLFormat: "http://" + w.host() + "/%s"})
	list := must(t, []any{int64(1)})
	tests := []struct {
		name    string
		body    []byte
		change  func(f *motan.Frame)
		message string
	}{
		{"two", must(t, "a", "b"), nil, "http rpc only support one parameter"},
		{"three", must(t, "a", "b", "c"), nil, "http rpc only support one parameter"},
		{"list", list, nil, "unsupported parameter type: "},
		{"number", must(t, int64(1)), nil, "unsupported parameter type: "},
		{"cut off", []byte{1, 0, 0}, nil, "arguments: "},
		{"cut off within the map", []byte{2, 0, 0, 0, 5, 0, 0, 0, 1, 'k'}, nil, "arguments: "},
		{"breeze", []byte{1}, func(f *motan.Frame) { f.SetSerialization(motan.SerializeBreeze) }, "serialization 8"},
		{"broken gzip", []byte("x"), func(f *motan.Frame) { f.Type |= motan.FlagGzip }, "inflate"},
		{"verb", nil, func(f *motan.Frame) { f.Set("HTTP_Method", "GET / HTTP/1.1\r") }, "HTTP_Method"},
		{"connect", nil, func(f *motan.Frame) { f.Set("HTTP_Method", "CONNECT") }, "CONNECT"},
		{"too many attachments", nil, func(f *motan.Frame) {
			for i := range sentPairs {
				f.Set("k"+strconv.Itoa(i), "v")
			}
		}, "do not fit"},
		{"too large attachments", nil, func(f *motan.Frame) { f.Set("k", strings.Repeat("v", sentBytes)) }, "do not fit"},
	}
	for _, p := range []*Provider{proxy, format} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c := newCall(t, tt.body, "M_m", "m")
				if tt.change != nil {
					tt.change(&c.Request)
				}
				motan.Do(p, c)
				checkFailed(t, c, motan.KindBadRequest, 400, tt.message)
			})
		}
	}
	if len(w.asked) > 0 {
		t.Errorf("the web service was asked: %q", <-w.asked)
	}
	t.Run("gzip", func(t *testing.T) {
		c := newCall(t, must(t, strings.Repeat("x", 500)), "M_m", "m", "HTTP_Method", "POST")
		if err := c.Request.Deflate(1); err != nil {
			t.Fatal(err)
		}
		motan.Do(proxy, c)
		checkReply(t, c, must(t, []byte("webbody")))
		if got := w.last(t); !strings.HasSuffix(got, "\r\n\r\n"+strings.Repeat("x", 500)) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("null", func(t *testing.T) {
		c := newCall(t, must(t, nil), "M_m", "m")
		motan.Do(proxy, c)
		checkReply(t, c, must(t, []byte("webbody")))
		if got := w.last(t); !strings.HasPrefix(got, "GET /m HTTP/1.1") || !strings.HasSuffix(got, "\r\n\r\n") {
			t.Errorf("got %q", got)
		}
	})
}

// TestHTTPException checks the three modes with enableHttpException and without.
func TestHTTPException(t *testing.T) {
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
		out.WriteHeader(418)
		_, _ = io.WriteString(out, strings.Repeat("t", 2*exceptionBytes))
	})
	raw := must(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte(nil))
	tests := []struct {
		name string
		s    ProviderSettings
		body []byte
		meta []string
	}{
		{"proxy", ProviderSettings{Domain: "d", ProxyAddress: w.host()}, nil, nil},
		{"transparent", ProviderSettings{Domain: "d", ProxyAddress: w.host()}, raw, []string{"HTTP_PROXY", "true"}},
		{"URL format", ProviderSettings{URLFormat: w.URL}, nil, nil},
	}
	for _, tt := range tests {
		for _, enabled := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s=%t", tt.name, enabled), func(t *testing.T) {
				tt.s.EnableHTTPException = enabled
				c := newCall(t, tt.body, append(tt.meta, "M_m", "/")...)
				motan.Do(newProvider(t, tt.s), c)
				if c.Err != nil {
					t.Fatalf("the call failed: %v", c.Err)
				}
				x, failed := c.Reply.Exception()
				want := motan.Exception{Code: 418, Message: strings.Repeat("t", exceptionBytes), Type: motan.TypeBiz}
				if enabled && (x != want || len(c.Reply.Body()) > 0) {
					t.Errorf("got %.80v, want %.80v", x, want)
				}
				if !enabled && (failed || string(c.Reply.Get("upstreamCode")) != "418") {
					t.Errorf("got %v %v, want a reply with upstreamCode 418", x, metadata(&c.Reply))
				}
				if len(c.Reply.Get("M_pt")) == 0 {
					t.Error("no M_pt")
				}
			})
		}
	}
}
