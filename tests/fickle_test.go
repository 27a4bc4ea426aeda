package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// startFickle listens at a unix socket and does what the method of a call says: a number is the status of the answer, "html" is
// one of another program; "leave" ends the other connections; "drop" ends its own without an answer; "stop" so for good.
// Any other is answered with 1. The requests are told when they have come whole.
func startFickle(t *testing.T) (address string, requests chan *http.Request) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "fickle.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	requests = make(chan *http.Request, 100)
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		conns   []*net.UnixConn // guarded by mu
	)
	end := func(but *net.UnixConn) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			if c != but {
				_ = c.CloseWrite() // fails for those that have ended
			}
		}
	}
	serve := func(c *net.UnixConn) { // ends with the connection, which ends with the client
		defer func() { _ = c.Close() }()
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			requests <- r
			status, body := 200, "1"
			switch method := path.Base(r.URL.Path); method {
			case "leave":
				end(c)
			case "drop":
				return
			case "stop":
				_ = l.Close()
				return
			case "html":
				status, body = 502, "<html>"
			default:
				if n, err := strconv.Atoi(method); err == nil {
					status, body = n, `{"errcode":7,"errmsg":"no","errtype":1}`
				}
			}
			_, _ = fmt.Fprintf(c, "HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
		}
	}
	running.Go(func() { // ends with the listener
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // fails when it has stopped
		running.Wait()
	})
	return "unix://" + socket, requests
}
