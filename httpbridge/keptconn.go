package httpbridge

import (
	"errors"
	"net"
	"syscall"
)

// errStale is the error of a write that was not begun, because the other side had closed the connection.
var errStale = errors.New("the kept connection was closed by the web service")

// keptConn is a connection to a web service. Before the first byte of each further request it looks whether the
// other side has closed it meanwhile: a request written to such a connection fails only when the answer is awaited, and
// then nobody can tell whether it was executed.
type keptConn struct {
	patientConn
	raw      syscall.RawConn // nil if the connection has no descriptor
	secure   bool            // TLS speaks by itself between two requests
	answered bool            // something was read since the last write
}

func newKeptConn(conn net.Conn, secure bool) *keptConn {
	c := &keptConn{patientConn: patientConn{Conn: conn}, secure: secure}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it nothing is looked at
	}
	return c
}

// Read reads from the connection.
func (c *keptConn) Read(b []byte) (int, error) {
	n, err := c.patientConn.Read(b)
	if n > 0 {
		c.answered = true
	}
	return n, err
}

// Write writes to the connection, or returns errStale with nothing written.
func (c *keptConn) Write(b []byte) (int, error) {
	if c.answered {
		c.answered = false
		if c.raw != nil && c.stale() {
			return 0, errStale
		}
	}
	return c.patientConn.Write(b)
}

// stale tells whether the other side has closed the connection, or written what nobody asked for and the next request
// would take for its answer.
func (c *keptConn) stale() bool {
	stale := false
	// Control and not Read, which would refuse because of the deadline of the request before.
	err := c.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		case err != nil || n <= 0:
			stale = true
		default:
			stale = !c.secure
		}
	})
	return err != nil || stale
}
