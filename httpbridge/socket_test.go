package httpbridge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// listenOn listens on a free port of loopback, or on a socket in a folder of its own.
func listenOn(t *testing.T, network string) net.Listener {
	t.Helper()
	addr := map[string]string{"tcp": "127.0.0.1:0", "tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s")}[network]
	l, err := net.Listen(network, addr)
	if network == "tcp6" && err != nil {
		t.Skipf("skipped: there is no IPv6 here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// pair is a connection and its other end.
func pair(t *testing.T, network string) (near *socket, far net.Conn) {
	t.Helper()
	l := listenOn(t, network)
	defer l.Close()
	var err error
	if far, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := newSocket(conn)
	return &s, far
}

// TestSocketTransfer writes more than a socket holds while the other end reads, and reads it all back.
func TestSocketTransfer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			near, far := pair(t, network)
			go func() { // ends when near does
				_, _ = io.Copy(far, far)
				far.Close()
			}()
			want := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
			got := make(chan []byte, 1)
			go func() { // ends when all has come back
				b := make([]byte, len(want))
				n, err := io.ReadFull(near, b)
				if err != nil {
					t.Error(err)
				}
				got <- b[:n]
			}()
			if n, err := near.Write(want); n != len(want) || err != nil {
				t.Errorf("write: got %d, %v, want %d", n, err, len(want))
			}
			if !bytes.Equal(<-got, want) {
				t.Error("what came back is something else")
			}
			if n, err := near.Read(nil); n != 0 || err != nil {
				t.Errorf("a read of nothing: got %d, %v", n, err)
			}
		})
	}
}

func TestSocketEnds(t *testing.T) {
	b := make([]byte, 1)
	read := func(s *socket) (int, error) { return s.Read(b) }
	write := func(s *socket) (int, error) {
		for { // until the socket is full, or closed by the other end
			if n, err := s.Write(make([]byte, 1<<16)); err != nil {
				return n, err
			}
		}
	}
	tests := []struct {
		name   string
		before func(near *socket, far net.Conn) error
		do     func(s *socket) (int, error)
		want   error
	}{
		{"read at the end", func(_ *socket, far net.Conn) error { return far.Close() }, read, io.EOF},
		{"read after a reset", func(_ *socket, far net.Conn) error {
			return errors.Join(far.(*net.TCPConn).SetLinger(0), far.Close())
		}, read, syscall.ECONNRESET},
		{"read when closed", func(near *socket, _ net.Conn) error { return near.Close() }, read, net.ErrClosed},
		{"read until a deadline", func(near *socket, _ net.Conn) error {
			return near.SetReadDeadline(time.Now().Add(time.Millisecond))
		}, read, os.ErrDeadlineExceeded},
		{"write after a reset", func(_ *socket, far net.Conn) error {
			return errors.Join(far.(*net.TCPConn).SetLinger(0), far.Close())
		}, write, nil}, // reset by peer or broken pipe
		{"write when closed", func(near *socket, _ net.Conn) error { return near.Close() }, write, net.ErrClosed},
		{"write until a deadline", func(near *socket, _ net.Conn) error {
			return near.SetWriteDeadline(time.Now().Add(time.Millisecond))
		}, write, os.ErrDeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near, far := pair(t, "tcp")
			if err := tt.before(near, far); err != nil {
				t.Fatal(err)
			}
			_, err := tt.do(near)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
