package httpbridge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// directPair returns a directConn and the client's end of it.
func directPair(t *testing.T, network string) (*directConn, net.Conn) {
	t.Helper()
	l := listenOn(t, network)
	d, err := Direct(l)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() // what it has accepted stays
	client, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = conn.Close() // most tests have closed it
	})
	return conn.(*directConn), client //nolint:forcetypeassert // it makes nothing else
}

func (c *directConn) isPolled() bool { return c.polled.Load() != nil }

func TestDirectConnAddresses(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			c, client := directPair(t, network)
			if got, want := c.RemoteAddr(), client.LocalAddr(); network != "unix" && got.String() != want.String() {
				t.Errorf("remote: got %v, want %v", got, want)
			}
			if _, ok := c.RemoteAddr().(*net.UnixAddr); ok != (network == "unix") {
				t.Errorf("remote: got %T", c.RemoteAddr())
			}
			if got, want := c.LocalAddr().String(), client.RemoteAddr().String(); got != want {
				t.Errorf("local: got %v, want %v", got, want)
			}
			if network == "unix" {
				return
			}
			if on, err := syscall.GetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY); err != nil || on != 1 {
				t.Errorf("TCP_NODELAY: got %d, %v; an answer in two pieces would wait for the client's acknowledgement", on, err)
			}
		})
	}
}

// TestDirectConnWithoutPoller: who connects for one call is answered without it.
func TestDirectConnWithoutPoller(t *testing.T) {
	c, client := directPair(t, "tcp4")
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	for got := ""; got != "ping"; { // the first part may come alone
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got += string(b[:n])
	}
	if n, err := c.Write([]byte("pong")); n != 4 || err != nil {
		t.Fatalf("write: got %d, %v", n, err)
	}
	if c.isPolled() {
		t.Error("the poller has the connection, for which there was nothing to wait for")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); string(got) != "pong" || err != nil {
		t.Errorf("the client got %q, %v", got, err)
	}
	if _, err := c.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed connection: got %v", err)
	}
	if _, err := c.Write(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed connection: got %v", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: got %v", err)
	}
}

// TestDirectConnAllocs: what is read and written at once takes no memory, and nothing does where there is nothing to write.
func TestDirectConnAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c, client := directPair(t, "tcp4")
	if _, err := client.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	n := testing.AllocsPerRun(100, func() {
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 || c.isPolled() {
		t.Errorf("got %v allocations, and the poller: %v", n, c.isPolled())
	}
	if _, err := c.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []func([]byte) (int, error){c.Read, c.Write} {
		if n, err := f(nil); n != 0 || err != nil {
			t.Errorf("without bytes: got %d, %v", n, err)
		}
	}
}

// TestDirectConnWaits: what has to wait does, for the bytes, the end, the deadline or the close.
func TestDirectConnWaits(t *testing.T) {
	tests := []struct {
		name string
		then func(c *directConn, client net.Conn) error
		want error
	}{
		{"bytes", func(_ *directConn, client net.Conn) error { _, err := client.Write([]byte("x")); return err }, nil},
		{"end", func(_ *directConn, client net.Conn) error { return client.Close() }, io.EOF},
		{"deadline", func(c *directConn, _ net.Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"close", func(c *directConn, _ net.Conn) error { return c.Close() }, net.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, client := directPair(t, "tcp4")
			read := make(chan error, 1)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
			}()
			wait(t, "the poller has it", c.isPolled)
			if err := tt.then(c, client); err != nil {
				t.Fatal(err)
			}
			if err := <-read; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("deadline of before", func(t *testing.T) {
		c, _ := directPair(t, "tcp4")
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want that its time is over", err)
		}
	})
}

// TestDirectConnLarge: what the socket does not take at once is written as the client reads.
func TestDirectConnLarge(t *testing.T) {
	c, client := directPair(t, "tcp4")
	sent := bytes.Repeat([]byte("0123456789abcdef"), 2<<20)
	written := make(chan error, 1)
	go func() {
		n, err := c.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		written <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes, %v; want the %d sent", len(got), err, len(sent))
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestDirectConnClosedMeanwhile closes connections that are read and written: neither touches a descriptor that has
// become somebody else's.
func TestDirectConnClosedMeanwhile(t *testing.T) {
	for range 200 {
		c, client := directPair(t, "tcp4")
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		var busy sync.WaitGroup
		for _, do := range []func(){
			func() { _, _ = c.Read(make([]byte, 1)) },
			func() { _, _ = c.Write([]byte("y")) },
			func() { _ = c.SetReadDeadline(time.Now()) },
			func() { _, _ = c.SyscallConn() },
			func() { _ = c.CloseWrite() },
			func() { _ = c.Close() },
		} {
			busy.Go(do)
		}
		busy.Wait()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("got %v after Close", err)
		}
	}
}

// TestDirectListenerClosed: who waits is told, and nobody listens any more.
func TestDirectListenerClosed(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listenOn(t, network)
			d, err := Direct(l)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := d.Accept()
				ended <- err
			}()
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want that it is closed", err)
			}
			if conn, err := net.Dial(network, l.Addr().String()); err == nil {
				conn.Close()
				t.Error("somebody still listens")
			}
		})
	}
}
