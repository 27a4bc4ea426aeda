package httpbridge

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// proxy is a server that passes requests on, to this host as well.
func proxy(t testing.TB, s ForwardSettings, allow ...string) (addr string, f *Forward) {
	t.Helper()
	for _, text := range allow {
		p, err := ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Targets.Allow = append(s.Targets.Allow, p)
	}
	s.Logger = slog.New(slog.DiscardHandler)
	f = NewForward(s)
	return serveTCP(t, &Server{Handler: motan.HandlerFunc(echo), Forward: f}), f
}

func dialer(addr string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial("tcp", addr) }
}

// TestForward passes requests on and compares what comes out on both sides.
func TestForward(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := w.Header()
		h.Add("Set-Cookie", "a=1; Path=/a")
		h.Add("Set-Cookie", "a=2; Path=/b")
		h.Set("Connection", "X-Own")
		h.Set("X-Own", "1")
		for _, name := range []string{"X-Two", "X-Mine", "Proxy-Authorization", "Te", "Via", "Cookie", "User-Agent", "Content-Length", "Transfer-Encoding"} {
			h.Set("Got-"+name, strings.Join(r.Header[name], "|"))
		}
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if r.URL.Path == "/flow" {
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.RequestURI+" "+string(body))
	}))
	defer site.Close()
	host := strings.TrimPrefix(site.URL, "http://")
	addr, f := proxy(t, ForwardSettings{Name: "motand-test"}, "127.0.0.1")
	const hop = "Connection: X-Mine\r\nX-Mine: 1\r\nProxy-Authorization: secret\r\nTE: gzip\r\nX-Two: a\r\nX-Two: b\r\nCookie: a=b\r\n"
	tests := []struct {
		name, raw string
		status    int
		body      string
	}{
		{"proxy", "GET http://" + host + "/a%2Fb/../c?x=%20y&z HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "\r\n", 200, "GET " + host + " /a%2Fb/../c?x=%20y&z "},
		{"no path", "GET http://" + host + " HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "\r\n", 200, "GET " + host + " / "},
		{"two slashes", "GET http://" + host + "//x HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "\r\n", 200, "GET " + host + " /x "},
		{"by Host", "POST /p HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "Content-Length: 3\r\n\r\nabc", 200, "POST " + host + " /p abc"},
		{"chunks", "PUT /p HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", 200, "PUT " + host + " /p abc"},
		{"expectation", "PUT /p HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), 200, "PUT " + host + " /p " + strings.Repeat("x", 100000)},
		{"answer in chunks", "GET /flow HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "\r\n", 200, "GET " + host + " /flow "},
		{"no content", "DELETE /gone HTTP/1.1\r\nHost: " + host + "\r\n" + hop + "\r\n", 204, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, dialer(addr), tt.raw)
			if got.status != tt.status || got.body != tt.body {
				t.Fatalf("got %d %.200q, want %d %.200q", got.status, got.body, tt.status, tt.body)
			}
			for name, want := range map[string]string{
				"Got-X-Two": "a|b", "Got-X-Mine": "", "Got-Proxy-Authorization": "", "Got-Te": "", "Got-Cookie": "a=b", "Got-Via": "1.1 motand-test", "Got-User-Agent": "",
				"Set-Cookie": "a=1; Path=/a|a=2; Path=/b", "X-Own": "", "Via": "1.1 motand-test",
			} {
				if value := strings.Join(got.headers[name], "|"); value != want {
					t.Errorf("%s: got %q, want %q", name, value, want)
				}
			}
		})
	}
	if n := f.Passed.Load(); n != int64(len(tests)) {
		t.Errorf("passed on: got %d, want %d", n, len(tests))
	}
}

// TestForwardRefused checks where requests do not go.
func TestForwardRefused(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the site was reached") }))
	defer site.Close()
	port := site.URL[strings.LastIndexByte(site.URL, ':')+1:]
	own := func(a netip.AddrPort) bool { return strconv.Itoa(int(a.Port())) == port }
	get := func(host string) string { return "GET http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }
	tests := []struct {
		name, raw string
		settings  ForwardSettings
		allow     []string
		status    int
		body      string
	}{
		{"loopback", get("127.0.0.1:" + port), ForwardSettings{}, nil, 403, "closed"},
		{"its name", get("localhost:" + port), ForwardSettings{}, nil, 403, "closed"},
		{"any address", get("0.0.0.0:" + port), ForwardSettings{}, nil, 403, "closed"},
		{"IPv4 in IPv6", get("[::ffff:127.0.0.1]:" + port), ForwardSettings{}, nil, 403, "closed"},
		{"metadata", get("169.254.169.254"), ForwardSettings{}, nil, 403, "closed"},
		{"another port is allowed", get("127.0.0.1:" + port), ForwardSettings{}, []string{"127.0.0.1:1"}, 403, "closed"},
		{"the agent", get("127.0.0.1:" + port), ForwardSettings{Targets: Targets{Own: own}}, []string{"127.0.0.1"}, 400, "agent itself"},
		{"listed only", get("127.0.0.1:" + port), ForwardSettings{Targets: Targets{Listed: true}}, []string{"10.0.0.0/8"}, 403, "none of"},
		{"off", get("127.0.0.1:" + port), ForwardSettings{Targets: Targets{Off: true}}, []string{"127.0.0.1"}, 403, "httpProxyForward"},
		{"by Host, this host", "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\n\r\n", ForwardSettings{}, nil, 200, "/rpc/"},
		{"loop", "GET http://127.0.0.1:" + port + "/ HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\nVia: 1.0 a, 1.1 motand\r\n\r\n", ForwardSettings{}, []string{"127.0.0.1"}, 508, "before"},
		{"body over the limit", "POST http://127.0.0.1:" + port + "/ HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\nContent-Length: 11\r\n\r\nabcdefghijk", ForwardSettings{MaxRequestBody: 10}, []string{"127.0.0.1"}, 413, "httpProxyMaxRequestBodySize"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, _ := proxy(t, tt.settings, tt.allow...)
			got := ask(t, dialer(addr), tt.raw)
			if got.status != tt.status || !strings.Contains(got.body, tt.body) {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
			}
		})
	}
}

// TestForwardFailures checks hosts that do not answer as they should.
func TestForwardFailures(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			go func() { // ends with the connection
				buf := make([]byte, 4096)
				n, _ := conn.Read(buf)
				switch path := string(buf[:n]); {
				case strings.HasPrefix(path, "GET /reset"):
					conn.Close()
				case strings.HasPrefix(path, "GET /noise"):
					_, _ = io.WriteString(conn, "hello\r\n\r\n")
				case strings.HasPrefix(path, "GET /cut"):
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
					conn.Close()
				}
			}()
		}
	}()
	host := l.Addr().String()
	addr, f := proxy(t, ForwardSettings{Timeout: 200 * time.Millisecond}, "127.0.0.1")
	for path, want := range map[string]int{"/silent": 504, "/reset": 502, "/noise": 502} {
		if got := ask(t, dialer(addr), "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); got.status != want {
			t.Errorf("%s: got %d %q, want %d", path, got.status, got.body, want)
		}
	}
	if got := ask(t, dialer(addr), "GET http://no.such.invalid/ HTTP/1.1\r\nHost: no.such.invalid\r\n\r\n"); got.status != 502 && got.status != 504 {
		t.Errorf("unknown host: got %d %q", got.status, got.body)
	}
	if n := f.Failed.Load(); n != 4 {
		t.Errorf("failed: got %d, want 4", n)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	write(conn, "GET /cut HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	response, err := http.ReadResponse(newReader(conn), nil)
	if err != nil {
		return // no head of it came: as good
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("a response that breaks off comes as a whole one: %q", body)
	}
}

func TestIsClosed(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "0.0.0.0": true, "0.1.2.3": true, "169.254.169.254": true, "224.0.0.1": true, "255.255.255.255": true,
		"100.100.100.200": true, "::1": true, "::": true, "fe80::1": true, "ff02::1": true, "fd00:ec2::254": true, "64:ff9b::7f00:1": true, "2002:7f00:1::": true,
		"10.0.0.1": false, "192.168.1.1": false, "93.184.216.34": false, "2606:2800::1": false, "64:ff9b::5db8:d822": false, "fd00::1": false,
	} {
		if got := isClosed(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for text, ok := range map[string]bool{
		"a.example.com": true, "a:80": true, "*.example.com": true, "10.0.0.0/8": true, "10.0.0.1:8080": true, "[::1]:80": true, "::1": true, "fd00::/8": true,
		"": false, "*": false, "a*": false, "*a": false, "a b": false, "a:0": false, "a:x": false, "10.0.0.0/99": false, "a/b": false, "*.": true,
	} {
		if _, err := ParseTarget(text); (err == nil) != ok {
			t.Errorf("%q: got %v, want it to be good: %t", text, err, ok)
		}
	}
	p, err := ParseTarget("*.Example.com:80")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a.example.com": true, "example.com": false, "aexample.com": false} {
		if got := p.matches(name, netip.MustParseAddrPort("10.0.0.1:80")); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}

// TestForwardOfDomain passes a request for a domain on when nobody serves it or can be reached, with its body, and no request of
// which something was sent.
func TestForwardOfDomain(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "site "+r.RequestURI+" "+string(body))
	}))
	defer site.Close()
	host := strings.Replace(strings.TrimPrefix(site.URL, "http://"), "127.0.0.1", "localhost", 1)
	locations, err := NewLocations([]Location{{Match: "/api", Upstream: "nobody"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseTarget("localhost")
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]func(c *motan.Call){
		"/api/none": func(c *motan.Call) {
			c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "No refers for request"))
		},
		"/api/refused": func(c *motan.Call) {
			c.Fail(motan.Errorf(motan.KindNotSent, motan.CodeNoChannel, "connection refused"))
		},
		"/api/next-hop": func(c *motan.Call) {
			c.Reply.SetException(motan.Exception{Code: motan.CodeNoEndpoints, Type: 1})
			c.End()
		},
		"/api/sent": func(c *motan.Call) {
			c.Reached = true
			c.Fail(motan.Errorf(motan.KindNotSent, motan.CodeNoChannel, "connection refused"))
		},
		"/api/broken":  func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindBroken, motan.CodeNoChannel, "broken")) },
		"/api/breaker": func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindNotSent, motan.CodeDefault, "circuit open")) },
	}
	nobody := motan.HandlerFunc(func(c *motan.Call) { ends[string(c.Request.Method())](c) })
	domains := NewDomains([]*Domain{{Name: "localhost", Locations: locations, Handler: nobody}}, "")
	addr := serveTCP(t, &Server{
		Handler: motan.HandlerFunc(echo), Domains: func() *Domains { return domains },
		Forward: NewForward(ForwardSettings{Targets: Targets{Allow: []TargetPattern{p}}, Logger: slog.New(slog.DiscardHandler)}),
	})
	for path, passed := range map[string]bool{
		"/api/none": true, "/api/refused": true, "/api/next-hop": true, "/elsewhere": true, "/api/sent": false, "/api/broken": false, "/api/breaker": false,
	} {
		got := ask(t, dialer(addr), "POST "+path+"?y HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 3\r\n\r\nabc")
		if want := "site " + path + "?y abc"; passed != (got.body == want) || !passed && got.status != 502 {
			t.Errorf("%s: got %d %q, passed on: want %t", path, got.status, got.body, passed)
		}
	}
}
