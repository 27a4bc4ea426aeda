package fastcgi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// atOnceBytes is the size up to which a request is written before the answer is read: it fits the buffers of the
	// socket, so that a script which answers before it has read cannot be waited for by us while it waits for us.
	atOnceBytes = 32 << 10
	// readBytes is what a connection buffers; the content of larger records is read past it.
	readBytes = 4 << 10
	// stderrBytes is how much of what one script complains about is kept.
	stderrBytes = 1 << 10
	// lastWords is how long an abort may take to be written.
	lastWords = 10 * time.Millisecond
)

// conn is a connection to the server. One request at a time has it.
type conn struct {
	net.Conn
	in        *bufio.Reader
	kept      bool      // it has answered a request before
	idleSince time.Time // of one that has no request
}

func newConn(c net.Conn) *conn { return &conn{Conn: c, in: bufio.NewReaderSize(c, readBytes)} }

// stale tells whether the server has closed the connection, or written what nobody asked for and the next request would
// take for its answer.
func (x *conn) stale() bool {
	c, ok := x.Conn.(syscall.Conn)
	if !ok || x.in.Buffered() > 0 {
		return x.in.Buffered() > 0
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	var peeked error
	// Control and not Read, which would refuse because of the deadline of the request before.
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, peeked = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err != nil || !errors.Is(peeked, syscall.EAGAIN) && !errors.Is(peeked, syscall.EINTR)
}

// exchange is a request and what came back on its connection.
type exchange struct {
	conn   *conn
	limit  int // of stdout
	stdout []byte
	stderr []byte
	closed bool // stdout has ended

	sent     bool // a byte may have left
	answered bool // a byte has come
	reusable bool // the connection has nothing left of this request
}

// run makes the exchange. It returns when nobody uses the connection any more; unless it is reusable, that is closed.
func (e *exchange) run(r *Request, keep bool, deadline time.Time) error {
	_ = e.conn.SetDeadline(deadline) // on a closed connection, the write says so
	err := e.both(r, keep)
	if err != nil || !e.reusable {
		e.reusable = false
		e.conn.Close()
	}
	return err
}

// both writes and reads: one after the other where the request is small, else at once.
func (e *exchange) both(r *Request, keep bool) error {
	if len(r.Params.encoded)+len(r.Body) <= atOnceBytes {
		err := e.send(r, keep)
		if err == nil {
			err = e.receive()
		}
		e.reusable = err == nil
		if errors.Is(err, os.ErrDeadlineExceeded) {
			e.abort()
		}
		return err
	}
	e.sent = true
	wrote := make(chan error, 1)
	go func() { wrote <- e.send(r, keep) }() // ends with the connection, at the latest
	err := e.receive()
	if err == nil {
		select {
		case failed := <-wrote:
			e.reusable = failed == nil
			return nil
		default: // the script did not want the rest of the body
		}
	}
	e.conn.Close()
	if failed := <-wrote; failed != nil && err != nil && !e.answered {
		return errors.Join(failed, err) // what the server did not take says more than that it said nothing
	}
	return err
}

// writing are buffers for what is sent.
var writing = sync.Pool{New: func() any { return new([]byte) }}

// send writes the request, in pieces of about chunkBytes.
func (e *exchange) send(r *Request, keep bool) error {
	buf := writing.Get().(*[]byte)
	defer writing.Put(buf)
	b := appendBegin((*buf)[:0], keep)
	var err error
	stream := func(typ recordType, rest []byte) {
		for len(rest) > 0 && err == nil {
			n := min(len(rest), chunkBytes)
			b = appendRecord(b, typ, requestID, rest[:n])
			rest = rest[n:]
			if len(rest) > 0 {
				err = e.write(b)
				b = b[:0]
			}
		}
		b = appendRecord(b, typ, requestID, nil)
	}
	stream(typeParams, r.Params.encoded)
	stream(typeStdin, r.Body)
	if err == nil {
		err = e.write(b)
	}
	*buf = b
	return err
}

func (e *exchange) write(b []byte) error {
	n, err := e.conn.Write(b)
	if n > 0 && !e.sent {
		e.sent = true
	}
	if err != nil {
		return fmt.Errorf("fastcgi: send the request: %w", err)
	}
	return nil
}

// receive reads records to the end of the request.
func (e *exchange) receive() error {
	for {
		r, err := readRecord(e.conn.in)
		if err != nil {
			return broken(err)
		}
		e.answered = true
		if r.id != requestID {
			return malformed("a record for request %d, the one that was sent is %d", r.id, requestID)
		}
		switch r.typ {
		case typeStdout:
			err = e.output(r.length)
		case typeStderr:
			err = e.complain(r.length)
		case typeEnd:
			return e.end(r)
		default:
			return malformed("a record of type %d", r.typ)
		}
		if err != nil {
			return err
		}
		if _, err := e.conn.in.Discard(r.padding); err != nil {
			return broken(err)
		}
	}
}

// output reads n bytes that the script has written.
func (e *exchange) output(n int) error {
	if n == 0 {
		e.closed = true
		return nil
	}
	if e.closed {
		return malformed("output behind its end")
	}
	at := len(e.stdout)
	if n > e.limit-at {
		return fmt.Errorf("%w, %d bytes", ErrTooLarge, e.limit)
	}
	e.stdout = slices.Grow(e.stdout, n)[:at+n]
	if _, err := io.ReadFull(e.conn.in, e.stdout[at:]); err != nil {
		return broken(err)
	}
	return nil
}

// complain reads n bytes that the script has written to its standard error, and keeps the first of them.
func (e *exchange) complain(n int) error {
	at := len(e.stderr)
	keep := min(n, stderrBytes-at)
	e.stderr = append(e.stderr, make([]byte, keep)...)
	if _, err := io.ReadFull(e.conn.in, e.stderr[at:]); err != nil {
		e.stderr = e.stderr[:at]
		return broken(err)
	}
	if _, err := e.conn.in.Discard(n - keep); err != nil {
		return broken(err)
	}
	return nil
}

// end reads how the request has ended.
func (e *exchange) end(r record) error {
	if r.length != endBytes {
		return malformed("an end of %d bytes", r.length)
	}
	var content [endBytes]byte
	if _, err := io.ReadFull(e.conn.in, content[:]); err != nil {
		return broken(err)
	}
	if _, err := e.conn.in.Discard(r.padding); err != nil {
		return broken(err)
	}
	switch content[4] {
	case 0:
		return nil
	case 1, 2: // it takes one request on a connection, and has one; it is overloaded
		return ErrOverloaded
	default:
		return malformed("the server says that it does not run scripts (end of request with status %d)", content[4])
	}
}

// abort asks the server to give the request up, as far as that can be said without waiting. The connection is closed next.
func (e *exchange) abort() {
	_ = e.conn.SetWriteDeadline(time.Now().Add(lastWords))
	_, _ = e.conn.Write(appendRecord(nil, typeAbort, requestID, nil)) // closing says the same to most servers
}

// broken tells of an answer that was cut off.
func broken(err error) error {
	if bad := (*MalformedError)(nil); errors.As(err, &bad) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("fastcgi: read the answer: %w", err)
}
