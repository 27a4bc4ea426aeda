package httpbridge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// rawParts takes the reply of mode transparent apart.
func rawParts(t *testing.T, c *motan.Call) (head, body string) {
	t.Helper()
	if c.Err != nil {
		t.Fatalf("the call failed: %v", c.Err)
	}
	v, rest, err := simple.Decode(c.Reply.Body())
	list, ok := v.([]any)
	if err != nil || len(rest) > 0 || !ok || len(list) != 2 {
		t.Fatalf("reply %q: %v", c.Reply.Body(), err)
	}
	first, second := list[0].([]byte), list[1].([]byte)
	return string(first), string(second)
}

// TestTransparentRequest checks what the web service gets of a raw request.
func TestTransparentRequest(t *testing.T) {
	w := newWeb(t, nil)
	p := newProvider(t, ProviderSettings{ProxyAddress: w.host(), EnableRewrite: true, Locations: []Location{
		{Match: "/v/", RewriteRules: []string{"regexpVar ^/v ^/v /users/{id}"}},
		{Match: "/", RewriteRules: []string{"start /2/ ^/2/(.*) /two/$1"}},
	}})
	tests := []struct {
		name, method, head, body string
		want                     string // without the headers that each has
	}{
		{"rewritten", "/2/x", "GET /2/x?a=1&b=2 HTTP/1.1\r\nHost: h\r\n", "", "GET /two/x?a=1&b=2 HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"by the query", "/v/x", "GET /v/x?id=7 HTTP/1.1\r\nHost: h\r\n", "", "GET /users/7?id=7 HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"the method counts", "/b", "GET /a HTTP/1.1\r\nHost: h\r\n", "", "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"absolute form", "/a", "GET http://u:p@other/a?q HTTP/1.1\r\nHost: h\r\n", "", "GET /a?q HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"HTTP/1.0", "/a", "GET /a HTTP/1.0\r\nHost: h\r\n", "", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"},
		{
			"hop by hop", "/a", "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop, Host\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\nX-Stays: 1\r\n", "",
			"GET /a HTTP/1.1\r\nHost: h\r\nX-Stays: 1\r\n\r\n",
		},
		{"chunked", "/a", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nContent-Type: a/b\r\n", "abc", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Type: a/b\r\n\r\nabc"},
		{"other length", "/a", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\nContent-Type: a/b\r\nExpect: 100-continue\r\n", "abc", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Type: a/b\r\n\r\nabc"},
		{"no body", "/a", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Type: a/b\r\n", "", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Type: a/b\r\n\r\n"},
		{"cookies", "/a", "GET /a HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=d\r\n", "", "GET /a HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=d\r\n\r\n"},
		{"a second request in the body", "/a", "GET /a HTTP/1.1\r\nHost: h\r\n", "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"a path with a line break", "/a\r X", "GET /a HTTP/1.1\r\nHost: h\r\n", "", "GET /a%0D%20X HTTP/1.1\r\nHost: h\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, must(t, []byte(tt.head+"User-Agent: u\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"), []byte(tt.body)), "M_m", tt.method, "HTTP_PROXY", "true")
			motan.Do(p, c)
			if _, body := rawParts(t, c); body != "webbody" {
				t.Errorf("body: got %q", body)
			}
			var lines []string
			for line := range strings.SplitAfterSeq(w.last(t), "\r\n") {
				if !strings.HasPrefix(line, "Motan-") && !strings.HasPrefix(line, "User-Agent: u") && !strings.HasPrefix(line, "X-Forwarded-For: 1.1.1.1") {
					lines = append(lines, line)
				}
			}
			if got := strings.Join(lines, ""); got != tt.want {
				t.Errorf("the web service got\n%q\nwant\n%q", got, tt.want)
			}
			if len(w.asked) > 0 {
				t.Errorf("it got a second request: %q", <-w.asked)
			}
		})
	}
}

func TestTransparentRefused(t *testing.T) {
	w := newWeb(t, nil)
	p := newProvider(t, ProviderSettings{ProxyAddress: w.host(), EnableRewrite: true, Locations: []Location{{Match: "/x"}}})
	raw := func(head string) []byte { return must(t, []byte(head), []byte(nil)) }
	tests := []struct {
		name string
		body []byte
		kind motan.Kind
		code int
		want string
	}{
		{"no arguments", nil, motan.KindBadRequest, 400, "head and its body"},
		{"one", must(t, []byte("x")), motan.KindBadRequest, 400, "head and its body"},
		{"strings", must(t, "x", "y"), motan.KindBadRequest, 400, "head and its body"},
		{"not HTTP", raw("hello\r\n\r\n"), motan.KindBadRequest, 400, "head of the HTTP request"},
		{"cut off", raw("GET / HTTP/1.1\r\nHost: h\r\n"), motan.KindBadRequest, 400, "head of the HTTP request"},
		{"empty", raw(""), motan.KindBadRequest, 400, "head of the HTTP request"},
		{"no host", raw("GET / HTTP/1.0\r\n\r\n"), motan.KindBadRequest, 400, "no Host"},
		{"two hosts", raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), motan.KindBadRequest, 400, "head of the HTTP request"},
		{"connect", raw("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), motan.KindBadRequest, 400, "CONNECT"},
		{"huge", raw("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", rawHeadBytes) + "\r\n\r\n"), motan.KindBadRequest, 400, "65536"},
		{"no location", raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), motan.KindNotFound, 404, "service not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, tt.body, "M_m", "/", "HTTP_PROXY", "1")
			motan.Do(p, c)
			checkFailed(t, c, tt.kind, tt.code, tt.want)
		})
	}
	t.Run("no address", func(t *testing.T) {
		c := newCall(t, raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "M_m", "/", "HTTP_PROXY", "true")
		motan.Do(newProvider(t, ProviderSettings{URLFormat: w.URL}), c)
		checkFailed(t, c, motan.KindUnavailable, 503, "proxyAddress is not set")
	})
	if len(w.asked) > 0 {
		t.Errorf("the web service was asked: %q", <-w.asked)
	}
}

// TestTransparentResponse checks the head that a response is passed on with.
func TestTransparentResponse(t *testing.T) {
	tests := []struct {
		name, verb string
		answer     http.HandlerFunc
		head, body string
	}{
		{"chunked", "GET", func(out http.ResponseWriter, r *http.Request) {
			out.(http.Flusher).Flush()
			_, _ = io.WriteString(out, "abc")
		}, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc"},
		{"status and cookies", "GET", func(out http.ResponseWriter, r *http.Request) {
			out.Header().Add("Set-Cookie", "a=1")
			out.Header().Add("Set-Cookie", "b=2")
			out.Header().Set("Connection", "close")
			out.Header().Set("Server", "s")
			out.Header().Set("Content-Encoding", "br")
			out.WriteHeader(404)
		}, "HTTP/1.1 404 Not Found\r\nServer: s\r\nContent-Length: 0\r\nContent-Encoding: br\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n", ""},
		{"HEAD", "HEAD", func(out http.ResponseWriter, r *http.Request) { out.Header().Set("Content-Length", "77") }, "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", ""},
		{"no content", "GET", func(out http.ResponseWriter, r *http.Request) { out.WriteHeader(204) }, "HTTP/1.1 204 No Content\r\n\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
				out.Header()["Date"] = nil
				out.Header()["Content-Type"] = nil
				tt.answer(out, r)
			})
			p := newProvider(t, ProviderSettings{ProxyAddress: w.host()})
			c := newCall(t, must(t, []byte(tt.verb+" / HTTP/1.1\r\nHost: h\r\n\r\n"), []byte(nil)), "M_m", "/", "HTTP_PROXY", "true")
			motan.Do(p, c)
			if head, body := rawParts(t, c); head != tt.head || body != tt.body {
				t.Errorf("got %q and %q, want %q and %q", head, body, tt.head, tt.body)
			}
		})
	}
}
