package httpbridge

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// shop is a server with the domain shop.example.com, whose locations lead to three services.
func shop(t testing.TB, h motan.Handler) *Server {
	t.Helper()
	locations, err := NewLocations([]Location{
		{Match: "/health", Type: "exact", Upstream: "shop-health"},
		{Match: "^/user/[0-9]+$", Type: "regexp", Upstream: "shop-user"},
		{Match: "/api/", Upstream: "shop-api"},
		{Match: "/chunk", Upstream: "shop-api"},
		{Match: "/b c/", Upstream: "shop-api"},
		{Match: "/head", Upstream: "shop-api"},
	})
	if err != nil {
		t.Fatal(err)
	}
	domains := NewDomains([]*Domain{{Name: "shop.example.com", Group: "web-group", Application: "shop-web", Locations: locations, Handler: h}}, "")
	return &Server{Handler: motan.HandlerFunc(echo), Domains: func() *Domains { return domains }}
}

// rawReply answers each call with the head and the body of a response.
func rawReply(head, body string) func(c *motan.Call) {
	return func(c *motan.Call) {
		list := appendValue(appendValue(nil, simple.TagBytes, []byte(head)), simple.TagBytes, []byte(body))
		c.Reply.SetSerialization(motan.SerializeSimple)
		c.Reply.SetBody(append(binary.BigEndian.AppendUint32([]byte{byte(simple.TagList)}, uint32(len(list))), list...))
		c.End()
	}
}

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n\r\n"

// TestRawExchangeCaptured compares what goes out with what motan-go's agent (v1.2.0) was seen to send for the same requests of
// curl. Two headers of the client's own connection, which that one passes on, are missing.
func TestRawExchangeCaptured(t *testing.T) {
	const curl = "User-Agent: curl/7.88.1\r\nAccept: */*\r\n"
	tests := []struct {
		name, raw  string
		service, m string
		head, body string
	}{
		{
			"proxy", "GET http://shop.example.com/user/1?a=b%20c HTTP/1.1\r\nHost: shop.example.com\r\n" + curl + "Proxy-Connection: Keep-Alive\r\nx-lower: y\r\nCookie: a=1; b=2\r\n\r\n",
			"shop-user", "/user/1",
			"GET /user/1?a=b%20c HTTP/1.1\r\nUser-Agent: curl/7.88.1\r\nHost: shop.example.com\r\nAccept: */*\r\nX-Lower: y\r\nCookie: a=1; b=2\r\n\r\n", "",
		},
		{
			"form", "POST /a/../b%20c/%E4%BD%A0?q=1 HTTP/1.1\r\nHost: shop.example.com\r\n" + curl + "X-A: 1\r\nX-A: 2\r\nContent-Length: 6\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nbody=1",
			"shop-api", "/b c/你",
			"POST /b%20c/%E4%BD%A0?q=1 HTTP/1.1\r\nUser-Agent: curl/7.88.1\r\nHost: shop.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\nAccept: */*\r\nX-A: 1\r\nX-A: 2\r\n\r\n", "body=1",
		},
		{
			"chunks", "POST /chunk HTTP/1.1\r\nHost: shop.example.com\r\n" + curl + "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n6\r\nbody=1\r\n0\r\nX-Trailer: x\r\n\r\n",
			"shop-api", "/chunk",
			"POST /chunk HTTP/1.1\r\nUser-Agent: curl/7.88.1\r\nHost: shop.example.com\r\nContent-Type: application/json\r\nContent-Length: 6\r\nAccept: */*\r\n\r\n", "body=1",
		},
		{
			"HEAD", "HEAD /head HTTP/1.1\r\nHost: shop.example.com\r\n" + curl + "\r\n",
			"shop-api", "/head",
			"HEAD /head HTTP/1.1\r\nUser-Agent: curl/7.88.1\r\nHost: shop.example.com\r\nAccept: */*\r\n\r\n", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := record(rawReply(okHead, ""))
			l := serve(t, shop(t, r))
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go write(conn, tt.raw)
			if got := readAnswerTo(t, newReader(conn), strings.Fields(tt.raw)[0]); got.status != 200 {
				t.Fatalf("got %d %q", got.status, got.body)
			}
			call := r.last(t)
			for key, want := range map[string]string{"HTTP_PROXY": "true", "M_g": "web-group", "M_p": tt.service, "M_s": "shop-web", "M_m": tt.m, "M_pp": "motan2"} {
				if got := call.meta[key]; got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
			if n := len(call.meta); n != 6 {
				t.Errorf("got metadata %v, want those six alone", call.meta)
			}
			want := appendValue(appendValue(nil, simple.TagBytes, []byte(tt.head)), simple.TagBytes, []byte(tt.body))
			if call.body != string(want) {
				t.Errorf("got %q\nwant %q", call.body, want)
			}
		})
	}
}

// TestRawExchangeHeaders checks which headers of a request are passed on.
func TestRawExchangeHeaders(t *testing.T) {
	r := record(rawReply(okHead, ""))
	l := serve(t, shop(t, r))
	raw := "POST /api/x HTTP/1.1\r\nHost: SHOP.example.com:80\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n" +
		"Upgrade: websocket\r\nExpect: 100-continue\r\nProxy-Authorization: secret\r\nAuthorization: mine\r\nX-Two: a\r\nx-two: b\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Length: 3\r\n\r\na\x00b"
	conn, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go write(conn, raw)
	if got := readAnswer(t, newReader(conn)); got.status != 100 {
		t.Fatalf("got %d, want to be told to go on", got.status)
	}
	wait(t, "the call", func() bool { return len(r.got) == 1 })
	got := r.last(t).body
	for _, part := range []string{"Host: SHOP.example.com:80\r\n", "Authorization: mine\r\n", "X-Two: a\r\nX-Two: b\r\n", "Cookie: a=1; b=2\r\n", "\x03\x00\x00\x00\x03a\x00b"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in %q", part, got)
		}
	}
	for _, part := range []string{"Mine", "Keep-Alive", "Te:", "websocket", "Expect", "secret", "Connection"} {
		if strings.Contains(got, part) {
			t.Errorf("%q is passed on: %q", part, got)
		}
	}
}

// TestRawExchangeResponse checks what becomes of responses, good ones and such that would be more than one.
func TestRawExchangeResponse(t *testing.T) {
	tests := []struct {
		name, method, head, body string
		status                   int
		want                     string // of the body; a part of it for 502
		headers                  map[string][]string
	}{
		{"status and headers", "GET", "HTTP/1.1 404 Nope\r\nServer: x\r\nContent-Type: text/a\r\nContent-Length: 3\r\nSet-Cookie: a=1; Path=/a\r\nSet-Cookie: a=2; Path=/b\r\nX-A: 1\r\nX-A: 2\r\nConnection: close, X-Own\r\nX-Own: 1\r\n\r\n", "abc", 404, "abc", map[string][]string{"Server": {"x"}, "Content-Type": {"text/a"}, "Set-Cookie": {"a=1; Path=/a", "a=2; Path=/b"}, "X-A": {"1", "2"}, "X-Own": nil, "Connection": nil}},
		{"binary", "GET", okHead, "\x00\xff\r\n", 200, "\x00\xff\r\n", nil},
		{"chunked at the provider", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n", "abc", 200, "abc", map[string][]string{"Content-Length": {"3"}, "Trailer": nil, "Content-Type": nil}},
		{"a length that is none", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "abc", 200, "abc", map[string][]string{"Content-Length": {"3"}}},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"a\"\r\n\r\n", "", 200, "", map[string][]string{"Content-Length": {"1234"}, "Etag": {`"a"`}}},
		{"HEAD with a body", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc", 200, "", map[string][]string{"Content-Length": {"3"}}},
		{"no content", "DELETE", "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", "", 204, "", map[string][]string{"X-A": {"1"}, "Content-Length": nil}},
		{"no content with a body", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 204, "", nil},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "", 304, "", map[string][]string{"Etag": {`"a"`}}},
		{"redirect", "GET", "HTTP/1.1 302 Found\r\nLocation: http://h/x\r\nContent-Length: 0\r\n\r\n", "", 302, "", map[string][]string{"Location": {"http://h/x"}, "Content-Length": {"0"}}},
		{"own status", "GET", "HTTP/1.1 599 Very Own\r\n\r\n", "x", 599, "x", nil},
		{"second response in a value", "GET", "HTTP/1.1 200 OK\r\nX: a\n\nHTTP/1.1 200 OK\r\n\r\n", "x", 502, "head is malformed", nil},
		{"CR in a value", "GET", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n", "x", 502, "head is malformed", nil},
		{"NUL in a value", "GET", "HTTP/1.1 200 OK\r\nX: a\x00\r\n\r\n", "x", 502, "head is malformed", nil},
		{"more behind the head", "GET", okHead + okHead, "x", 502, "head is malformed", nil},
		{"cut off", "GET", "HTTP/1.1 200 OK\r\nX: a\r\n", "x", 502, "head is malformed", nil},
		{"status 1xx", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "", 502, "head is malformed", nil},
		{"no status", "GET", "HTTP/1.1 2000 OK\r\n\r\n", "", 502, "head is malformed", nil},
		{"large head", "GET", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", rawHeadBytes) + "\r\n\r\n", "", 502, "more than 65536", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, shop(t, motan.HandlerFunc(rawReply(tt.head, tt.body))))
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			in := newReader(conn)
			for range 2 { // the second time shows that the connection is in order
				go write(conn, tt.method+" /api/x HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
				got := readAnswerTo(t, in, tt.method)
				if got.status != tt.status || tt.status != 502 && got.body != tt.want || !strings.Contains(got.body, tt.want) {
					t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.want)
				}
				for name, want := range tt.headers {
					if values := got.headers[name]; strings.Join(values, "|") != strings.Join(want, "|") {
						t.Errorf("%s: got %q, want %q", name, values, want)
					}
				}
			}
		})
	}
}

// TestRawExchangeReplies checks replies that are no responses, and exceptions, in motan-go's words.
func TestRawExchangeReplies(t *testing.T) {
	fail := func(kind motan.Kind, code int) func(c *motan.Call) {
		return func(c *motan.Call) { c.Fail(motan.Errorf(kind, code, "it went wrong")) }
	}
	tests := []struct {
		name   string
		answer func(c *motan.Call)
		status int
		body   string
	}{
		{"a string", reply("x"), 502, "err_msg: the provider's response: is not the head"},
		{"two strings", reply([]any{"a", "b"}), 502, "err_msg: the provider's response: is not the head"},
		{"three parts", reply([]any{[]byte(okHead), []byte("b"), []byte("c")}), 502, "err_msg: the provider's response: is not the head"},
		{"nothing", reply(nil), 502, "err_msg: the provider's response: is not the head"},
		{"two nulls", reply([]any{nil, nil}), 200, ""},
		{"exception", func(c *motan.Call) {
			c.Reply.SetException(motan.Exception{Code: 404, Type: motan.TypeBiz, Message: "service not found"})
			c.End()
		}, 502, "err_msg: service not found"},
		{"time-out", fail(motan.KindTimeout, motan.CodeUnavailable), 502, "err_msg: it went wrong"},
		{"oversize", fail(motan.KindOversize, motan.CodeUnavailable), 413, "err_msg: it went wrong"},
		{"nobody serves it", fail(motan.KindNoEndpoint, motan.CodeNoEndpoints), 502, "err_msg: nobody serves this path of shop.example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, shop(t, motan.HandlerFunc(tt.answer)))
			got := ask(t, l.Dial, "GET /api/x HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
			if got.status != tt.status || !strings.HasPrefix(got.body, tt.body) {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
			}
			if tt.status == 502 && got.headers.Get("Server") != "motan" {
				t.Errorf("got the server %q, want motan", got.headers.Get("Server"))
			}
		})
	}
}

// TestRouteByHost checks whom a request belongs to, and that a path cannot put anything into metadata.
func TestRouteByHost(t *testing.T) {
	r := record(rawReply(okHead, "domain"))
	s := shop(t, r)
	s.Serves = func(service []byte) bool { return string(service) == "com.weibo.X" }
	l := serve(t, s)
	tests := []struct{ name, raw, want string }{
		{"domain", "GET /health HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "domain"},
		{"domain, a path of ours", "POST /api/../api/rpc HTTP/1.1\r\nHost: Shop.Example.Com\r\nContent-Length: 0\r\n\r\n", "domain"},
		{"domain, no location", "GET /none HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "err_msg: nobody serves this path of shop.example.com"},
		{"domain, rpc's path", "POST /rpc/s/m HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 0\r\n\r\n", "err_msg: nobody"},
		{"service", strings.Replace(post("/hello", `["x"]`), "localhost", "com.weibo.X", 1), `"x"`},
		{"line feed in the path", "GET /api/a%0AM_g HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "control character"},
		{"NUL in the path", "GET /api/a%00 HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "control character"},
		{"leads up, encoded twice", "GET /api/%252e%252e/health HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "leads up"},
		{"leads up, behind a backslash", "GET /api/..%5chealth HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "leads up"},
		{"another host", "GET /health HTTP/1.1\r\nHost: other.example.com\r\n\r\n", "nothing is served"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, l.Dial, tt.raw); !strings.Contains(got.body, tt.want) {
				t.Errorf("got %d %q, want %q", got.status, got.body, tt.want)
			}
		})
	}
	if n := s.Stats.Invalid[ReasonTarget].Load(); n != 4 {
		t.Errorf("refused for their path: got %d, want 4", n)
	}
}

// TestDefaultDomain checks httpProxyDefaultDomain: it takes what has no other owner, under its own name.
func TestDefaultDomain(t *testing.T) {
	r := record(rawReply(okHead, "domain"))
	s := shop(t, r)
	domains := NewDomains([]*Domain{s.Domains().Find([]byte("shop.example.com"))}, "Shop.example.com")
	s.Domains = func() *Domains { return domains }
	l := serve(t, s)
	if got := ask(t, l.Dial, "GET /health HTTP/1.1\r\nHost: any.example.com\r\n\r\n"); got.body != "domain" {
		t.Fatalf("got %d %q", got.status, got.body)
	}
	if got := r.last(t).body; !strings.Contains(got, "\r\nHost: shop.example.com\r\n") {
		t.Errorf("got %q, want the domain as Host", got)
	}
	if got := ask(t, l.Dial, post("/rpc/s/m", `["x"]`)); got.body != `"x"` {
		t.Errorf("/rpc: got %d %q", got.status, got.body)
	}
}

// FuzzRawResponse reads heads of responses and checks that what a client gets is one response, with that body.
func FuzzRawResponse(f *testing.F) {
	f.Add("HTTP/1.1 404 Nope\r\nServer: x\r\nContent-Length: 3\r\nSet-Cookie: a=1\r\nConnection: close\r\n\r\n", "abc")
	f.Add("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")
	f.Add("HTTP/1.0 304 \r\nX: \t\xff\r\n\r\n", "")
	var head, body string
	l := serve(f, shop(f, motan.HandlerFunc(func(c *motan.Call) { rawReply(head, body)(c) })))
	f.Fuzz(func(t *testing.T, h, b string) {
		head, body = h, b
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		in := newReader(conn)
		for range 2 {
			go write(conn, "GET /api/x HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
			got := readAnswerTo(t, in, http.MethodGet)
			if strings.HasPrefix(got.body, "err_msg: ") && got.status == 502 {
				continue
			}
			if bodiless := got.status == 204 || got.status == 304; bodiless && got.body != "" || !bodiless && got.body != b {
				t.Fatalf("head %q: got %d %q, want the body %q", h, got.status, got.body, b)
			}
		}
	})
}
