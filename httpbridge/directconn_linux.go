package httpbridge

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// directConn is a connection that was accepted and is read and written without the runtime's poller as long as nothing has to
// be waited for. A client that connects for one call, as PHP does, has sent its request by then and takes the answer
// at once: it costs four system calls, and none of them wakes the thread that watches the scheduler, which the usual ones do.
// The first time that there is something to wait for, the connection goes to the poller for good.
//
// One goroutine at a time may read and one may write; the other methods may be called at once.
type directConn struct {
	local, remote net.Addr

	mu               sync.Mutex
	fd               int       // guarded by mu; -1 once it is closed or the poller has it
	reading, writing time.Time // guarded by mu; deadlines, for the poller
	closed           bool      // guarded by mu

	polled atomic.Pointer[polledSocket] // set under mu; nil before the poller has it
}

// polledSocket is a connection that the poller has.
type polledSocket struct {
	socket // without a Conn: it has a descriptor
	file   *os.File
}

// Read reads what there is, or waits until there is something.
func (c *directConn) Read(b []byte) (int, error) {
	p, n, err := c.attempt("read", b)
	if p == nil {
		return n, err
	}
	n, err = p.Read(b)
	return n, c.reason(err)
}

// Write writes all of b.
func (c *directConn) Write(b []byte) (int, error) {
	p, done, err := c.attempt("write", b)
	if p == nil {
		return done, err
	}
	n, err := p.Write(b[done:])
	return done + n, c.reason(err)
}

// attempt reads or writes directly. Where that is not all, p is who waits for the rest, behind the n bytes that are done.
func (c *directConn) attempt(op string, b []byte) (p *polledSocket, n int, err error) {
	if len(b) == 0 {
		return nil, 0, nil
	}
	if p = c.polled.Load(); p != nil {
		return p, 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		t, done := transfer{b: b}, false
		if op == "write" {
			done = t.write(uintptr(c.fd))
		} else {
			done = t.read(uintptr(c.fd))
		}
		if done {
			n, err = t.end(op, nil)
			return nil, n, err
		}
		n = t.n
	}
	p, err = c.poll()
	return p, n, err
}

// reason is err of the poller, which says in its own words that the connection was closed.
func (c *directConn) reason(err error) error {
	if err != nil && c.isClosed() {
		return net.ErrClosed
	}
	return err
}

// poll gives the connection to the poller, if it has not got it. Caller holds mu.
func (c *directConn) poll() (*polledSocket, error) {
	if p := c.polled.Load(); p != nil || c.closed {
		if c.closed {
			return nil, net.ErrClosed
		}
		return p, nil
	}
	p := &polledSocket{file: os.NewFile(uintptr(c.fd), "connection")}
	c.fd = -1
	var err error
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(c.reading)
	}
	if err == nil {
		err = p.file.SetWriteDeadline(c.writing)
	}
	c.polled.Store(p) // also if that failed: it is the file that is to be closed
	if err != nil {
		return nil, fmt.Errorf("httpbridge: the system's poller does not take the connection: %w", err)
	}
	return p, nil
}

func (c *directConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Close closes the connection; what waits in Read or Write ends.
func (c *directConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if p := c.polled.Load(); p != nil {
		return p.file.Close()
	}
	fd := c.fd
	c.fd = -1
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return os.NewSyscallError("close", errno)
	}
	return nil
}

// CloseWrite ends what is sent, as that of *net.TCPConn.
func (c *directConn) CloseWrite() error {
	return c.control("shutdown", func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_WR) })
}

// SetLinger is that of *net.TCPConn.
func (c *directConn) SetLinger(seconds int) error {
	l := syscall.Linger{Onoff: 1, Linger: int32(seconds)}
	if seconds < 0 {
		l = syscall.Linger{}
	}
	return c.control("setsockopt", func(fd int) error { return syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &l) })
}

// control calls f with the descriptor.
func (c *directConn) control(op string, f func(fd int) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	p := c.polled.Load()
	if p == nil {
		return os.NewSyscallError(op, f(c.fd))
	}
	var failed error
	err := p.raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	if err == nil {
		err = os.NewSyscallError(op, failed)
	}
	return err
}

// SyscallConn is for who gives the descriptor to another process.
func (c *directConn) SyscallConn() (syscall.RawConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.poll()
	if err != nil {
		return nil, err
	}
	return p.raw, nil
}

// LocalAddr is that of the listener, on whatever address the client has reached it.
func (c *directConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the client's address.
func (c *directConn) RemoteAddr() net.Addr { return c.remote }

// SetReadDeadline sets when a Read fails that waits or begins later.
func (c *directConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = t
	if p := c.polled.Load(); p != nil {
		return p.file.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline sets when a Write fails that waits or begins later.
func (c *directConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = t
	if p := c.polled.Load(); p != nil {
		return p.file.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline sets both.
func (c *directConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// isDirect tells whether conn is a directConn, which finds by itself when it needs more than one attempt.
func isDirect(conn net.Conn) bool {
	_, ok := conn.(*directConn)
	return ok
}
