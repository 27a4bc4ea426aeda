package httpbridge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// FuzzRawExchange reads heads of HTTP requests, as mode transparent gets them, and checks that what is sent is one
// request to another reader, too: with the body given and without headers of the connection.
func FuzzRawExchange(f *testing.F) {
	for _, head := range []string{
		"GET /2/x?a=1 HTTP/1.1\r\nUser-Agent: Go-http-client/1.1\r\nHost: test.domain\r\nAccept-Encoding: gzip\r\n\r\n",
		"POST /t?q=1 HTTP/1.1\r\nHost: h.com\r\nX-B: c\r\nContent-Length: 3\r\n\r\n",
		"POST http://a:b@c/d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: h\r\nCookie: a=b\r\n x\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\n\n",
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		f.Add([]byte(head), []byte("abc"))
		f.Add([]byte(head), []byte("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"))
	}
	f.Fuzz(func(t *testing.T, head, body []byte) {
		req := fasthttp.AcquireRequest()
		defer fasthttp.ReleaseRequest(req)
		req.Header.SetNoDefaultContentType(true)
		if err := readHead(req, head); err != nil {
			return
		}
		req.URI().SetScheme("http")
		req.URI().SetPath("/rewritten")
		if len(body) > 0 {
			req.SetBodyRaw(body)
		}
		var wire bytes.Buffer
		w := bufio.NewWriter(&wire)
		if err := req.Write(w); err != nil {
			return
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(bytes.NewReader(wire.Bytes()))
		got, err := http.ReadRequest(r)
		if err != nil {
			return // the other reader is stricter: it will refuse the whole
		}
		sent, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(sent, body) {
			t.Errorf("head %q: the body arrives as %q, %v, want %q", head, sent, err, body)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("head %q: a second request follows: %q", head, rest)
		}
		if got.Close || got.TransferEncoding != nil || got.Header.Get("Upgrade") != "" || got.Header.Get("Connection") != "" {
			t.Errorf("head %q: sent with headers of the connection: %q", head, wire.Bytes())
		}
	})
}

// FuzzRPC sends requests to a server and checks that whatever comes back is JSON, and that what reaches the handler is
// a sane call.
func FuzzRPC(f *testing.F) {
	f.Add("/rpc/s/m", "Motan-Meta-k: v\r\nMOTAN-tmo: 5", []byte(`["a",{"b":1}]`))
	f.Add("/rpc/a%2Fb/%E4%BD%A0", "Content-Encoding: gzip", []byte(`{"$bytes":"AQI="}`))
	f.Add("/rpc/%00/m", "Motan-Meta-M_p: x", []byte(`[[`))
	f.Add("/rpc//", "MOTAN-g: \x00", []byte(``))
	f.Add("/", "Content-Type: text/json", []byte(`1`))
	f.Add("/rpc/s/m", "Content-Type: application/x-www-form-urlencoded\r\nX-Request-Id: a\r\ngrpc-timeout: 1S", []byte("a=1&b=%ff"))
	f.Add("/rpc/s/m", "MOTAN-md: int,java.util.List\r\nAccept: text/*;q=0.5, */*;q=0\r\nAccept-Encoding: gzip", []byte("[1,[]]"))
	f.Add("/rpc/s/m?x=1#y", "Connection: close\r\nExpect: 100-continue", []byte(`{"$type":"int32","value":7}`))
	s := &Server{MaxBodySize: 1 << 16, ReadTimeout: time.Second, Handler: motan.HandlerFunc(func(c *motan.Call) {
		for _, key := range []string{"M_p", "M_m", "M_pp"} {
			if len(c.Request.Get(key)) == 0 {
				panic("no " + key)
			}
		}
		for key, value := range c.Request.All() {
			if bytes.ContainsAny(key, "\n\r\x00") || bytes.ContainsAny(value, "\n\r\x00") || string(key) == "host" || string(key) == "M_e" {
				panic("metadata " + string(key) + ": " + string(value))
			}
		}
		c.Reply.Set("echo", string(c.Request.Method()))
		echo(c)
	})}
	l := serve(f, s)
	f.Fuzz(func(t *testing.T, path, headers string, body []byte) {
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		raw := post(path, string(body), headers)
		go write(conn, raw)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return // a head that asks for no answer, or for one that Go does not read
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		plain, err := url.PathUnescape(path)
		if err != nil {
			plain = path
		}
		if resp.StatusCode == 100 || strings.Contains(plain+path, "proxy_to_rpc") {
			return // it answers with a text
		}
		if kind := resp.Header.Get("Content-Type"); resp.StatusCode == 200 && (strings.HasPrefix(kind, "text/plain") || kind == "application/octet-stream") {
			return // as Accept asked for
		}
		if !json.Valid(text) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: got %d %v %q, want JSON", raw, resp.StatusCode, resp.Header, text)
		}
	})
}

func write(conn net.Conn, raw string) {
	_, _ = io.WriteString(conn, raw) // the server may close before it has read all
}

// FuzzRewrite compiles rules and applies them.
func FuzzRewrite(f *testing.F) {
	f.Add("regexpVar ^/u ^/(u) /{a}/$1", "/u", "a=1")
	f.Add("!start / (?i)^ ${1}$2", "/a", "%zz")
	f.Add("regexpVar / ^/(.*) /{a}/$1", "%252e%252e", "a=..%5c")
	f.Fuzz(func(t *testing.T, rule, path, query string) {
		l, err := NewLocations([]Location{{Match: "/", RewriteRules: []string{rule}}})
		if err != nil {
			return
		}
		first, ok := l.Rewrite("/"+path, []byte(query))
		again, _ := l.Rewrite("/"+path, []byte(query))
		if decoded := decodeOnce(first); climbs(decoded) && !climbs(first) {
			t.Errorf("%q does not lead up, but %q does", first, decoded)
		}
		if !ok || first != again {
			t.Errorf("rule %q, path %q: got %q, %t, then %q", rule, path, first, ok, again)
		}
	})
}
