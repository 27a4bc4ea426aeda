package httpbridge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// TestProviderStaleConnection checks that a POST survives the end of kept connections and is sent once.
func TestProviderStaleConnection(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%t", secure), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c := newKeptConn(client, secure)
			buf := make([]byte, 10)
			exchange := func() error {
				if _, err := c.Write([]byte("ask")); err != nil {
					return err
				}
				if _, err := io.ReadFull(server, buf[:3]); err != nil {
					t.Fatal(err)
				}
				if _, err := server.Write([]byte("ok")); err != nil {
					t.Fatal(err)
				}
				_, err := io.ReadFull(c, buf[:2])
				return err
			}
			for range 2 {
				if err := exchange(); err != nil {
					t.Fatalf("a live connection: %v", err)
				}
			}
			server.Close()
			if n, err := writeWhenClosed(t, c); n != 0 || !errors.Is(err, errStale) {
				t.Errorf("a closed connection: got %d, %v, want 0, %v", n, err, errStale)
			}
		})
	}
	t.Run("through the provider", func(t *testing.T) {
		w := newWeb(t, nil)
		p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: w.host(), HTTPRequestMethod: "POST"})
		made := make(chan *keptConn, 10)
		dial := p.proxy.(*upstream).client.DialTimeout
		p.proxy.(*upstream).client.DialTimeout = func(addr string, timeout time.Duration) (net.Conn, error) {
			conn, err := dial(addr, timeout)
			if err == nil {
				made <- conn.(*webConn).Conn.(*keptConn)
			}
			return conn, err
		}
		for range 3 {
			c := newCall(t, must(t, "body"), "M_m", "/x")
			motan.Do(p, c)
			checkReply(t, c, must(t, []byte("webbody")))
			w.CloseClientConnections()
			wait(t, "the end arrives", (<-made).stale)
		}
		if len(w.asked) != 3 {
			t.Errorf("the web service was asked %d times, want 3", len(w.asked))
		}
	})
}

// writeWhenClosed waits until the end that the other side has sent has arrived, then writes.
func writeWhenClosed(t *testing.T, c *keptConn) (int, error) {
	t.Helper()
	wait(t, "the end arrives", c.stale)
	return c.Write([]byte("ask"))
}

// TestProviderUnexpectedBytes checks that what a web service says without having been asked is no answer to the next.
func TestProviderUnexpectedBytes(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if c := newKeptConn(client, false); c.raw != nil {
		t.Error("a pipe has a descriptor?")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	plain, secure := newKeptConn(conn, false), newKeptConn(conn, true)
	if plain.stale() || secure.stale() {
		t.Error("a silent connection is stale")
	}
	if _, err := peer.Write([]byte("HTTP/1.1 200 OK\r\n")); err != nil {
		t.Fatal(err)
	}
	wait(t, "the bytes arrive", plain.stale)
	if secure.stale() {
		t.Error("TLS may speak by itself, but is stale")
	}
}
