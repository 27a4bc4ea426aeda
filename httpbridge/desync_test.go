package httpbridge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// A hostile caller, who has read RFC 9110 and 9112 and not this code, sends what somebody on the way may understand in another way:
// every name that frames or routes a message, in every spelling that readers take for it, with every value. Each is refused, or
// comes out behind the provider as the one request that it is.

var hostileNames = []string{
	"Content-Length", "content-length", "Content_Length", "CONTENT-LENGTH ", " Content-Length", "Content-Length\t", "Content-Length\x00", "\xefContent-Length", "Content\xadLength", "Content--Length",
	"Transfer-Encoding", "transfer-encoding", "Transfer_Encoding", "Transfer-Encoding\x0b", "Transfer-Encodin\xc7", "TE", "Trailer", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade",
	"HTTP2-Settings", "Expect", "Host", "host", "X-Forwarded-Host", "X_Forwarded_For", "Forwarded", "X-Original-URL", "X-HTTP-Method-Override",
	"MOTAN-s", "MOTAN_s", "Motan_G", "M_p", "M_g", "HTTP_PROXY", "Proxy", "Range", "Content-Range", "Content-Encoding", "Content-Type", "Cookie", "Set-Cookie", "X\r\nY", "X\nY", "X\rY", ":", "", "(x)", "x/y",
}

var hostileValues = []string{
	"0", "5", "6", " 5 ", "+5", "5;5", "5, 5", "0x5", "00005", "-1", "5\x00", "5\nX: y", "5\rX: y", "5\r\n X: y", "5\r\n\tX: y", "99999999999999999999", "1e1", "٥",
	"chunked", "Chunked", "chunked,", ",chunked", "chunked, chunked", "gzip, chunked", "chunked;q=1", "\"chunked\"", "identity", "chunked\x0c", "ch\x00unked", "deflate",
	"close", "keep-alive, Content-Length", "Host", "Transfer-Encoding", "upgrade", "100-continue", "100-Continue, x", "h2c", "websocket",
	"shop.example.com", "other.example.com", "shop.example.com:80", "shop.example.com@other", "[::1]", "a b", "a,b", "127.0.0.1:8002",
	"bytes=0-0", "a=b; c=d", "\x7f", "\xff\xfe", "é", "",
}

var hostileLines = []string{
	"POST /api/x HTTP/1.1", "POST /api/x HTTP/1.0", "GET /api/x HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE /api/x HTTP/1.1", "POST http://shop.example.com/api/x HTTP/1.1",
	"POST http://shop.example.com:80/api/x?a=http://b/ HTTP/1.1", "POST HTTP://SHOP.EXAMPLE.COM/api/x HTTP/1.1", "POST http://u:p@shop.example.com/api/x HTTP/1.1", "POST http://shop.example.com HTTP/1.1",
	"POST http://shop.example.com?x HTTP/1.1", "POST /api/x HTTP/1.1\r", "POST /api/x  HTTP/1.1", "POST\t/api/x\tHTTP/1.1", "POST /api/x\x0bHTTP/1.1", "POST /api/%0d%0aX:y HTTP/1.1", "POST /api/x?\xff HTTP/1.1",
	"POST /api/x?a=%0d%0aX:y HTTP/1.1", "POST /api/x HTTP/1.1 HTTP/1.1", "POST /api/x HTTP/01.1", "POST /api/x HTTP/1.10", "POST /api/x HTTP/11", "POST /api/\\..\\x HTTP/1.1", "POST /api/x;/../y HTTP/1.1", "\r\nPOST /api/x HTTP/1.1",
	"\r\n\r\nPOST /api/x HTTP/1.1", "\nPOST /api/x HTTP/1.1", "\x00POST /api/x HTTP/1.1", "POST", "POST /api/x", "{}", "post /api/x HTTP/1.1", "M-SEARCH /api/x HTTP/1.1", "POST /\xc0\xaf HTTP/1.1",
}

var hostileBodies = []string{"abcde", "0\r\n\r\n", "5\r\nabcde\r\n0\r\n\r\n", "5;x\r\nabcde\r\n0\r\nX: y\r\n\r\n", "5\nabcde\n0\n\n", "-1\r\n", ""}

// hostileRequests are all of them: each name and value before and behind an honest framing, each request line, each body.
func hostileRequests() []string {
	var all []string
	for _, name := range hostileNames {
		for i, value := range hostileValues {
			framing, body := "Content-Length: 5", "abcde"
			if i%2 == 1 {
				framing, body = "Transfer-Encoding: chunked", "5\r\nabcde\r\n0\r\n\r\n"
			}
			const head = "POST /api/x HTTP/1.1\r\nHost: shop.example.com\r\n"
			all = append(all, head+name+": "+value+"\r\n"+framing+"\r\n\r\n"+body, head+framing+"\r\n"+name+":"+value+"\r\n\r\n"+body, head+name+": "+value+"\r\n\r\n")
		}
	}
	for _, line := range hostileLines {
		for _, framing := range []string{"Content-Length: 5", "Transfer-Encoding: chunked", "X: y"} {
			for _, body := range hostileBodies {
				all = append(all, line+"\r\nHost: shop.example.com\r\n"+framing+"\r\n\r\n"+body)
			}
		}
	}
	return thinned(all)
}

// thinned is some of all where the race detector makes each take long.
func thinned(all []string) []string {
	if !raceEnabled {
		return all
	}
	var some []string
	for i := 0; i < len(all); i += 7 {
		some = append(some, all[i])
	}
	return some
}

// wire is a web server that keeps what it has read of each connection, and answers every request that it finds in it.
type wire struct {
	net.Listener
	mu    sync.Mutex
	bytes bytes.Buffer // guarded by mu
}

func (w *wire) serve(running *sync.WaitGroup) {
	for {
		conn, err := w.Accept()
		if err != nil {
			return
		}
		running.Go(func() { // ends with the connection
			defer conn.Close()
			in := bufio.NewReader(io.TeeReader(conn, w))
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
	}
}

// Write keeps what was read.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes.Write(b)
}

// take returns what has come since the last time.
func (w *wire) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.bytes.Reset()
	return w.bytes.String()
}

// bridged is a server for shop.example.com whose calls go to p.
func bridged(t *testing.T, p *Provider) string {
	t.Helper()
	locations, err := NewLocations([]Location{{Match: "/", Upstream: "shop"}})
	if err != nil {
		t.Fatal(err)
	}
	domains := NewDomains([]*Domain{{Name: "shop.example.com", Group: "g", Application: "a", Locations: locations, Handler: p}}, "")
	return serveTCP(t, &Server{Handler: motan.HandlerFunc(func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindNotFound, 404, "no")) }), Domains: func() *Domains { return domains }})
}

// dialPatiently connects to addr for a minute at most. The caller closes the connection.
func dialPatiently(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// exchangeHostile sends a request, and the end, and returns the statuses of all answers.
func exchangeHostile(t *testing.T, addr, raw string) []int {
	t.Helper()
	conn := dialPatiently(t, addr)
	defer conn.Close()
	go func() { // ends when the connection does
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	var all []int
	in := bufio.NewReader(conn)
	for {
		method, _, _ := strings.Cut(strings.TrimSpace(raw), " ")
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return all
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusContinue {
			all = append(all, resp.StatusCode)
		}
	}
}

// TestHostileRequestsOverHTTP sends them through the HTTP port, the raw exchange and the HTTP provider.
func TestHostileRequestsOverHTTP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	w := &wire{Listener: l}
	running.Go(func() { w.serve(&running) }) // ends with the listener
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	addr := bridged(t, newProvider(t, ProviderSettings{ProxyAddress: l.Addr().String(), RequestTimeout: time.Minute}))
	passed := 0
	for _, raw := range hostileRequests() {
		statuses := exchangeHostile(t, addr, raw)
		got := w.take()
		good := 0
		for _, status := range statuses {
			if status == 200 {
				good++
			}
		}
		requests, rest := wholeRequests(got)
		switch {
		case len(statuses) == 0 && got != "":
			t.Errorf("%q: came out without an answer: %q", raw, got)
		case len(requests) != good || rest != "":
			t.Errorf("%q: %d answers of 200, but behind the provider there are %d requests and %q:\n%q", raw, good, len(requests), rest, got)
		}
		for _, r := range requests {
			passed++
			if why := oddRequest(raw, r); why != "" {
				t.Errorf("%q: came out as %q: %s", raw, got, why)
			}
		}
	}
	if passed < 20 {
		t.Errorf("%d requests came out, want those that are good", passed)
	}
}

// seenRequest is a request and its body.
type seenRequest struct {
	*http.Request
	body string
}

// wholeRequests takes apart what has come out.
func wholeRequests(text string) (all []seenRequest, rest string) {
	in := bufio.NewReader(strings.NewReader(text))
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			left, _ := io.ReadAll(in)
			return all, string(left)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return all, "a body that breaks off"
		}
		all = append(all, seenRequest{r, string(body)})
	}
}

// oddRequest tells what is wrong with a request that has come out.
func oddRequest(raw string, r seenRequest) string {
	switch {
	case r.Method == "OPTIONS" && strings.HasPrefix(raw, "OPTIONS *"):
		return "a question about the server has become one about " + r.RequestURI
	case len(r.TransferEncoding) > 0:
		return "it is in chunks"
	case r.body != "" && (len(r.body) != 5 || !strings.Contains(raw, r.body)): // that is how long all say that it is
		return fmt.Sprintf("its body is %q", r.body)
	case r.Host != "shop.example.com" && r.Host != "shop.example.com:80" && r.Host != "SHOP.EXAMPLE.COM":
		return "its Host is " + r.Host
	case strings.Join(r.Header["Motan-S"], ",") != "a" || strings.Join(r.Header["Motan-G"], ",") != "g":
		return fmt.Sprintf("its MOTAN headers are the caller's: %v", r.Header)
	}
	for name := range r.Header {
		for _, reserved := range []string{"CONTENT_LENGTH", "TRANSFER_ENCODING", "X_FORWARDED_FOR", "MOTAN_S", "MOTAN_G", "CONTENT_TYPE", "CONNECTION", "HOST"} {
			alias := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			if alias == reserved && strings.Contains(name, "_") {
				return "programs take " + name + " for another header"
			}
		}
	}
	return ""
}

// TestHostileRequestsOverFastCGI sends them to a FastCGI server likewise: what its variables say is the request that came.
func TestHostileRequestsOverFastCGI(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		method, body, length string
		env                  map[string]string
		header               http.Header
	}
	asked := make(chan seen, 16)
	ended := make(chan struct{})
	go func() { // ends with the listener
		defer close(ended)
		_ = fcgi.Serve(l, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked <- seen{r.Method, string(body), r.Header.Get("Content-Length"), fcgi.ProcessEnv(r), r.Header}
			_, _ = io.WriteString(out, "ok")
		}))
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	p := newProvider(t, ProviderSettings{RequestTimeout: time.Minute, CGI: &CGISettings{
		Address: l.Addr().String(), ScriptFilename: "/srv/index.php", DocumentRoot: "/srv",
	}})
	addr := bridged(t, p)
	for _, raw := range hostileRequests() {
		good := 0
		for _, status := range exchangeHostile(t, addr, raw) {
			if status == 200 {
				good++
			}
		}
		if n := len(asked); n != good {
			t.Errorf("%q: %d answers of 200, but the server was asked %d times", raw, good, n)
		}
		for len(asked) > 0 {
			r := <-asked
			for _, name := range []string{"Content-Length", "Transfer-Encoding", "Proxy", "Connection"} {
				if value := r.header.Get(name); value != "" && (name != "Content-Length" || value != fmt.Sprint(len(r.body))) {
					t.Errorf("%q: the script is told %s: %s with a body of %d bytes", raw, name, value, len(r.body))
				}
			}
			if r.body != "" && (len(r.body) != 5 || !strings.Contains(raw, r.body)) {
				t.Errorf("%q: the script was asked %s %q with %q", raw, r.method, r.env["REQUEST_URI"], r.body)
			}
		}
	}
}
