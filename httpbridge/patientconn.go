package httpbridge

import (
	"errors"
	"net"
	"os"
	"time"
)

// patientConn is a connection whose deadlines cost next to nothing where they are moved on for each message, as
// fasthttp does. The connection itself is left with an earlier one; when that has passed, and not before, it
// gets the one that holds. As with any net.Conn reads end by the deadline and not before; unlike there, setting one
// does not end a read or a write that has begun.
type patientConn struct {
	socket
	reading, writing deadline
}

func newPatientConn(conn net.Conn) patientConn { return patientConn{socket: newSocket(conn)} }

// deadline is a deadline as it was wanted and as the connection has it; none where zero.
type deadline struct{ wanted, set time.Time }

// move notes that t is wanted, and tells whether the connection has to be told: its own deadline is no earlier.
func (d *deadline) move(t time.Time) bool {
	d.wanted = t
	if d.set.IsZero() && t.IsZero() || !d.set.IsZero() && (t.IsZero() || !t.Before(d.set)) {
		return false
	}
	d.set = t
	return true
}

// early tells whether err says that the connection's own deadline has passed, but not the one that is wanted. The
// connection has to be told that.
func (d *deadline) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !d.wanted.IsZero() && !time.Now().Before(d.wanted) {
		return false
	}
	d.set = d.wanted
	return true
}

// SetReadDeadline sets when a Read that begins later fails.
func (c *patientConn) SetReadDeadline(t time.Time) error {
	if !c.reading.move(t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline sets when a Write that begins later fails.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	if !c.writing.move(t) {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both.
func (c *patientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Read reads from the connection.
func (c *patientConn) Read(b []byte) (int, error) {
	for {
		n, err := c.socket.Read(b)
		if err == nil || n > 0 {
			return n, err
		}
		if err := c.patience(err); err != nil {
			return 0, err
		}
	}
}

// patience is nil for the error of a read that came before its time: it is to be tried again. Else it is the error.
func (c *patientConn) patience(err error) error {
	if !c.reading.early(err) {
		return err
	}
	return c.Conn.SetReadDeadline(c.reading.wanted)
}

// Write writes all of b to the connection, or returns an error.
func (c *patientConn) Write(b []byte) (int, error) {
	written := 0
	for {
		n, err := c.socket.Write(b[written:])
		written += n
		if err == nil || !c.writing.early(err) {
			return written, err
		}
		if err := c.Conn.SetWriteDeadline(c.writing.wanted); err != nil {
			return written, err
		}
	}
}
