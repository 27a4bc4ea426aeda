package httpbridge

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/motand/motand/motan"
)

// socket is a connection that is read and written by [motan.TryRead] and [motan.TryWrite]. One goroutine at a time may
// read and one may write. A connection without a descriptor is used as it is.
type socket struct {
	net.Conn
	raw     syscall.RawConn // nil without a descriptor
	in, out transfer
}

// transfer is one read or write.
type transfer struct {
	b    []byte
	n    int
	err  error
	step func(fd uintptr) bool // read or write, made once so that a transfer allocates nothing
}

func newSocket(conn net.Conn) socket {
	s := socket{Conn: conn}
	if c, ok := conn.(syscall.Conn); ok && !isDirect(conn) {
		s.raw, _ = c.SyscallConn() // on an error it is used as it is
	}
	return s
}

// Read reads what there is, or waits until there is something.
func (s *socket) Read(b []byte) (int, error) {
	if s.raw == nil || len(b) == 0 {
		return s.Conn.Read(b)
	}
	if s.in.step == nil {
		s.in.step = s.in.read
	}
	s.in.b, s.in.n, s.in.err = b, 0, nil
	return s.in.end("read", s.raw.Read(s.in.step))
}

// Write writes all of b.
func (s *socket) Write(b []byte) (int, error) {
	if s.raw == nil {
		return s.Conn.Write(b)
	}
	if s.out.step == nil {
		s.out.step = s.out.write
	}
	s.out.b, s.out.n, s.out.err = b, 0, nil
	return s.out.end("write", s.raw.Write(s.out.step))
}

// end returns the outcome; err is the poller's: of a deadline, or of a connection that is closed.
func (t *transfer) end(op string, err error) (int, error) {
	t.b = nil
	if t.err != nil {
		err = t.err
		if !errors.Is(err, io.EOF) {
			err = os.NewSyscallError(op, err)
		}
	}
	return t.n, err
}

// read is one attempt; false lets the poller wait.
func (t *transfer) read(fd uintptr) bool {
	for {
		n, err := motan.TryRead(fd, t.b)
		switch {
		case err == 0:
			t.n = n
			if n == 0 {
				t.err = io.EOF
			}
			return true
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
}

// write is one attempt at what is left; false lets the poller wait.
func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.b) {
		n, err := motan.TryWrite(fd, t.b[t.n:])
		switch err {
		case 0:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
	return true
}
