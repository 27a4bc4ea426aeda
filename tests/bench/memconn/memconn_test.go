package memconn

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns both ends of a connection.
func pair(t *testing.T) (near *Conn, far net.Conn) {
	t.Helper()
	l := Listen()
	accepted := make(chan net.Conn, 1)
	go func() { // ends with the Dial that follows
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	near, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return near, <-accepted
}

func TestExchange(t *testing.T) {
	near, far := pair(t)
	go func() { // ends with Close
		buf := make([]byte, 3)
		for {
			n, err := far.Read(buf)
			if err != nil {
				return
			}
			if string(buf[:n]) == "end" {
				_, _ = far.Write([]byte("answer")) // fails after Close only
			}
		}
	}()
	for range 3 {
		if err := near.Exchange(t.Context(), []byte("in parend")); err != nil {
			t.Error(err)
		}
	}
	if far.LocalAddr().String() != far.RemoteAddr().String() {
		t.Error("the ends have different addresses")
	}
	_ = near.Close()
	if err := near.Exchange(t.Context(), []byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: got %v, want %v", err, net.ErrClosed)
	}
	if _, err := far.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: got %v, want %v", err, net.ErrClosed)
	}
	if _, err := far.Read(nil); !errors.Is(err, io.EOF) {
		t.Errorf("read after Close: got %v, want %v", err, io.EOF)
	}
}

func TestDeadlines(t *testing.T) {
	near, far := pair(t)
	if err := far.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if err := errors.Join(far.SetReadDeadline(time.Time{}), far.SetWriteDeadline(time.Unix(1, 0))); err != nil {
		t.Error(err)
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Errorf("a write waits for nothing: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := near.Exchange(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestListenerEnds(t *testing.T) {
	l := Listen()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody accepts: got %v, want %v", err, context.Canceled)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: got %v, want %v", err, net.ErrClosed)
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial: got %v, want %v", err, net.ErrClosed)
	}
	if l.Addr().Network() != "memory" {
		t.Errorf("got network %s, want memory", l.Addr().Network())
	}
}
