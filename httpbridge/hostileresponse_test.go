package httpbridge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// hostileHeads are heads of responses likewise, with a body of five bytes behind.
func hostileHeads() []string {
	var all []string
	for _, name := range hostileNames {
		for _, value := range hostileValues {
			all = append(all, "HTTP/1.1 200 OK\r\n"+name+": "+value+"\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"+name+":"+value+"\r\n\r\n")
		}
	}
	for _, line := range []string{
		"HTTP/1.1 204 No Content", "HTTP/1.1 205 Reset Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 100 Continue", "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 199 x", "HTTP/1.1 999 x", "HTTP/1.1 2000 x",
		"HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.1 200 OK\rX: y", "HTTP/1.1 200 OK\nX: y", "HTTP/1.1\t200 OK", "HTTP/2 200 OK", "ICY 200 OK", "HTTP/1.1 200 \x00", "HTTP/1.1 +20 OK", "", "HTTP/1.1 200 \xff",
	} {
		all = append(all, line+"\r\nContent-Length: 5\r\n\r\n", line+"\r\nTransfer-Encoding: chunked\r\n\r\n", line+"\r\nX-A: b\r\n\r\n")
	}
	return thinned(all)
}

// oneAnswer asks twice on one connection, and tells what is wrong with the answers: there must be two, each as any reader sees it, with
// nothing that was hidden in a value.
func oneAnswer(t *testing.T, addr string) string {
	t.Helper()
	conn := dialPatiently(t, addr)
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range 2 {
		if _, err := io.WriteString(conn, "GET /api/x HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"); err != nil {
			return err.Error()
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: "GET"})
		if err != nil {
			return err.Error()
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			return err.Error()
		case len(resp.Header["X"]) > 0:
			return "a value has become a header"
		case len(resp.TransferEncoding) > 0 || resp.StatusCode == 205 && len(body) > 0:
			return fmt.Sprintf("the body %q is framed by %v", body, resp.TransferEncoding)
		case resp.StatusCode == 200 && string(body) != "abcde" && len(body) > 0:
			return fmt.Sprintf("the body is %q", body)
		case resp.Close:
			return ""
		}
	}
	if in.Buffered() > 0 {
		return "there is more behind the second answer"
	}
	return ""
}

// TestHostileResponses has providers send such heads, over the raw exchange and, through the HTTP provider, as a web service.
func TestHostileResponses(t *testing.T) {
	var head atomic.Pointer[string]
	s := shop(t, motan.HandlerFunc(func(c *motan.Call) { rawReply(*head.Load(), "abcde")(c) }))
	raw := serveTCP(t, s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { // ends with the connection
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, *head.Load()+"abcde")
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	web := bridged(t, newProvider(t, ProviderSettings{ProxyAddress: l.Addr().String(), RequestTimeout: time.Minute}))
	for _, text := range hostileHeads() {
		head.Store(&text)
		for way, addr := range map[string]string{"a provider's reply": raw, "a web service": web} {
			if why := oneAnswer(t, addr); why != "" {
				t.Errorf("%s, %q: %s", way, text, why)
			}
		}
	}
}
