package httpbridge

import (
	"errors"
	"net"
	"syscall"

	"github.com/motand/motand/motan"
)

// errStale is the error of a write that was not begun, because the other side had closed the connection.
var errStale = errors.New("the kept connection was closed by the web service")

// keptConn is a connection to a web service. Before the first byte of each further request it looks whether the
// other side has closed it meanwhile: a request written to such a connection fails only when the answer is awaited, and
// then nobody can tell whether it was executed.
type keptConn struct {
	patientConn
	secure   bool // TLS speaks by itself between two requests
	answered bool // something was read since the last write
}

func newKeptConn(conn net.Conn, secure bool) *keptConn {
	return &keptConn{patientConn: newPatientConn(conn), secure: secure}
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
		if c.secure {
			n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			stale = n <= 0 && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
			return
		}
		_, err := motan.TryRead(fd, b[:]) // a byte that is read is one too many
		stale = err != syscall.EAGAIN && err != syscall.EINTR
	})
	return err != nil || stale
}
