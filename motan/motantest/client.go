package motantest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// ErrNotMotan2 is what ReadFrame returns for bytes that do not begin a Motan2 frame, and for one
// that is too large.
var ErrNotMotan2 = errors.New("motantest: not a Motan2 frame")

// ReadFrame reads one frame's bytes, of at most 64 MiB of metadata and of body.
func ReadFrame(r io.Reader) ([]byte, error) {
	raw := make([]byte, 17, 256)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	if raw[0] != 0xf1 || raw[1] != 0xf1 || raw[3]>>3 != 1 {
		return raw, ErrNotMotan2
	}
	raw, err := readPart(r, raw, 4)
	if err != nil {
		return raw, err
	}
	return readPart(r, raw, 0)
}

// readPart reads as many bytes as the last four of raw say, and then the more that belong to
// the next length.
func readPart(r io.Reader, raw []byte, more int) ([]byte, error) {
	n := binary.BigEndian.Uint32(raw[len(raw)-4:])
	if n > 64<<20 {
		return raw, ErrNotMotan2
	}
	from := len(raw)
	raw = append(raw, make([]byte, int(n)+more)...)
	_, err := io.ReadFull(r, raw[from:])
	return raw, err
}

// Client is a caller that knows nothing of calls: it writes bytes and reads frames. It is
// for one goroutine that sends and one that receives.
type Client struct {
	// Conn is the connection, for what the methods do not offer.
	Conn net.Conn

	t      testing.TB
	in     *bufio.Reader
	lastID uint64
}

// Dial connects to addr ("host:port" or "unix:///path") until the test ends.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	network, address := motan.SplitAddr(addr)
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		t.Fatalf("motantest: %v", err)
	}
	return NewClient(t, conn)
}

// Pour connects to addr and writes data, as far as the server takes it, on a goroutine that ends with the connection or with the
// test. The answers are for the caller to receive.
func Pour(t testing.TB, addr string, data []byte) *Client {
	t.Helper()
	c := Dial(t, addr)
	if tcp, ok := c.Conn.(*net.TCPConn); ok { // so that little of it lies in the socket
		if err := tcp.SetWriteBuffer(64 << 10); err != nil {
			t.Fatalf("motantest: %v", err)
		}
	}
	done := make(chan struct{})
	go func() { // ends when the connection is closed, below at the latest
		defer close(done)
		_, _ = c.Conn.Write(data)
	}()
	t.Cleanup(func() {
		_ = c.Conn.Close()
		<-done
	})
	return c
}

// NewClient makes conn, which it closes when the test ends, a client.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	return &Client{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

// Write writes bytes as they are.
func (c *Client) Write(data []byte) {
	c.t.Helper()
	if err := c.Conn.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		c.t.Fatalf("motantest: write: %v", err)
	}
	if _, err := c.Conn.Write(data); err != nil {
		c.t.Fatalf("motantest: write: %v", err)
	}
}

// Send writes f with its own ID and Type.
func (c *Client) Send(f *motan.Frame) {
	c.t.Helper()
	c.Write(Bytes(f, f.ID))
}

// ReceiveBytes reads the next frame as it came.
func (c *Client) ReceiveBytes() []byte {
	c.t.Helper()
	if err := c.Conn.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		c.t.Fatalf("motantest: receive: %v", err)
	}
	raw, err := ReadFrame(c.in)
	if err != nil {
		c.t.Fatalf("motantest: receive: %v", err)
	}
	return raw
}

// Receive reads the next frame.
func (c *Client) Receive() *motan.Frame {
	c.t.Helper()
	raw := c.ReceiveBytes()
	f := new(motan.Frame)
	if _, err := f.Decode(raw, len(raw)); err != nil {
		c.t.Fatalf("motantest: receive: %v", err)
	}
	return f
}

// Call sends f with an id of its own and returns the next frame, which must be the answer.
func (c *Client) Call(f *motan.Frame) *motan.Frame {
	c.t.Helper()
	c.lastID++
	f.ID = c.lastID
	c.Send(f)
	reply := c.Receive()
	if reply.ID != f.ID || reply.Type&motan.FlagResponse == 0 {
		c.t.Fatalf("motantest: answer to call %d has id %d and type %#02x", f.ID, reply.ID, reply.Type)
	}
	return reply
}

// AwaitClose reads until the peer has closed the connection, and returns what came before.
func (c *Client) AwaitClose() []byte {
	c.t.Helper()
	if err := c.Conn.SetReadDeadline(time.Now().Add(Patience)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		c.t.Fatalf("motantest: await close: %v", err)
	}
	data, err := io.ReadAll(c.in)
	switch {
	case err == nil, errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrClosedPipe):
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.t.Fatalf("motantest: connection is still open after %s, got % x", Patience, data[:min(len(data), 64)])
	default:
		c.t.Fatalf("motantest: await close: %v", err)
	}
	return data
}
