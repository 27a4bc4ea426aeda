package motan

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// readBytes is what one read takes at most, and so the most that a batch holds back.
const readBytes = 64 << 10

// growth is how many times as much memory as what has arrived of a frame is taken for it: more
// means fewer copies, and more memory for peers who announce large frames and do not send them.
const growth = 16

// stashBytes is how much of a frame is kept without a buffer while the rest is awaited, so that
// peers who send a little and then nothing cost little.
const stashBytes = 128

// reader cuts a connection's bytes into frames. While nothing has arrived it holds no buffer.
type reader struct {
	conn    net.Conn
	raw     syscall.RawConn
	limit   int           // maxContentLength
	patient time.Duration // how long a frame that has begun may take; 0 means for ever
	share   *share        // what large frames hold of a room; nil where they need none
	claimed int64         // what the frame that has begun holds of it

	buf      []byte // pooled; data that is not yet consumed is buf[from:to]
	from, to int
	end      int // no byte is read beyond buf[end]: a large frame gets its buffer for itself
	stash    [stashBytes]byte
	stashed  int // bytes of stash that stand for buf while there is none: a frame that has barely begun
	readErr  error
	try      func(fd uintptr) bool

	timed   bool  // a read deadline is set because a frame has begun
	timedAt int64 // when it was set
	timedTo int   // how much of the frame has to be there for the deadline to move on
}

func newReader(conn net.Conn, limit int, patient time.Duration) *reader {
	r := &reader{conn: conn, limit: limit, patient: patient}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			r.raw = raw
		}
	}
	r.try = r.tryRead
	return r
}

// preload has the reader begin with bytes that were read before, by whomever.
func (r *reader) preload(data []byte) {
	if len(data) > 0 {
		b := getBuffer(max(len(data), readBytes))
		r.buf, r.end = b[:cap(b)], cap(b)
		r.to = copy(r.buf, data)
		if r.share != nil {
			r.claimed = int64(cap(b) - ownBytes)
		}
	}
}

// left is a copy of what was read and not used.
func (r *reader) left() []byte {
	if r.buf != nil {
		return bytes.Clone(r.buf[r.from:r.to])
	}
	return bytes.Clone(r.stash[:r.stashed])
}

// again has the reader go on after the deadline was set by somebody else: a frame that has begun gets its time anew.
func (r *reader) again() {
	r.timed, r.timedTo = false, 0
	if r.stashed > 0 {
		r.acquire()
		r.stashed = 0
	}
}

// next returns the next whole frame that has already arrived, as bytes valid until the next
// call of a method; nil when more has to be read.
func (r *reader) next() ([]byte, error) {
	size, err := frameSize(r.buf[r.from:r.to], r.limit)
	if err != nil {
		return nil, err
	}
	if size > r.to-r.from {
		return nil, nil
	}
	frame := r.buf[r.from : r.from+size]
	r.from += size
	r.timedTo, r.claimed = 0, 0
	return frame, nil
}

// fill makes f, which is empty, the frame that next returned: a large one takes the buffer along.
func (r *reader) fill(f *Frame, frame []byte) {
	if len(frame) <= readBytes || r.from != r.to {
		f.read(frame)
		return
	}
	f.take(frame)
	r.buf, r.from, r.to = nil, 0, 0
}

// more waits for more bytes. Before it, next has returned nil.
func (r *reader) more() error {
	left := r.to - r.from
	if left == 0 {
		r.drop()
		if r.timed {
			r.timed = false
			if err := r.conn.SetReadDeadline(time.Time{}); err != nil {
				return err
			}
		}
		return r.read()
	}
	size, err := frameSize(r.buf[r.from:r.to], r.limit)
	if err != nil {
		return err
	}
	if r.from > 0 && size > len(r.buf)-r.from {
		copy(r.buf, r.buf[r.from:r.to])
		r.from, r.to = 0, left
	}
	if r.to == len(r.buf) { // larger than the buffer: grow with what has arrived, not with what was announced
		if err := r.claim(size); err != nil {
			return err
		}
		grown := append(getBuffer(min(size, growth*len(r.buf))), r.buf[:r.to]...)
		putBuffer(r.buf)
		r.buf = grown[:cap(grown)]
	}
	if err := r.hurry(left); err != nil {
		return err
	}
	r.end = len(r.buf)
	if size > readBytes {
		r.end = min(r.from+size, len(r.buf))
	} else if left <= stashBytes && r.raw != nil {
		r.stashed = copy(r.stash[:], r.buf[r.from:r.to])
		r.drop()
	}
	return r.read()
}

// claim waits for room for a frame of that size: for all of it at once, so that no two wait for what the other one holds.
func (r *reader) claim(size int) error {
	bytes := int64(size - ownBytes)
	if r.share == nil || bytes <= r.claimed {
		return nil
	}
	waited, err := r.share.claim(bytes, r.patient)
	if err != nil {
		return err
	}
	r.claimed = bytes
	if waited { // while nothing was read
		r.again()
	}
	return nil
}

// hurry gives a frame that has begun the time patient to arrive, and as much again for each
// further readBytes of it, unless it holds room that others wait for. The time is that of now and not of the batch: the batch may have
// been held back until a deadline set before was over.
func (r *reader) hurry(left int) error {
	now := Now()
	if r.patient == 0 || left < r.timedTo || r.timed && r.timedTo == 0 && now-r.timedAt < int64(r.patient)/8 {
		return nil
	}
	if r.timed && r.claimed > 0 && r.share.pressed() {
		return nil
	}
	r.timed, r.timedAt = true, now
	r.timedTo = left + readBytes
	return r.conn.SetReadDeadline(time.Now().Add(r.patient))
}

// begun tells whether a frame has begun that is not all there.
func (r *reader) begun() bool { return r.to > r.from || r.stashed > 0 }

// resume goes on waiting where more was interrupted by a deadline of somebody else's.
func (r *reader) resume() error {
	var deadline time.Time
	if r.timed {
		left := int64(r.patient) - (Now() - r.timedAt)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		deadline = time.Now().Add(time.Duration(left))
	}
	if err := r.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	return r.read()
}

// read reads once into the free part of the buffer, waiting for the connection to be readable.
func (r *reader) read() error {
	before := r.to + r.stashed
	r.readErr = nil
	if r.raw != nil {
		if err := r.raw.Read(r.try); err != nil {
			return err
		}
		r.stashed = 0 // it is in the buffer
	} else if r.buf == nil { // what comes first is waited for without a buffer
		r.stashed, r.readErr = r.conn.Read(r.stash[:])
		if r.stashed > 0 {
			r.acquire()
		}
		r.stashed = 0
	} else {
		var n int
		n, r.readErr = r.conn.Read(r.buf[r.to:r.end])
		r.to += n
	}
	if r.to > before {
		return nil
	}
	if errors.Is(r.readErr, io.EOF) && r.to > r.from {
		return io.ErrUnexpectedEOF
	}
	return r.readErr
}

// tryRead reads if there is something to be read; false lets the poller wait, without a buffer.
func (r *reader) tryRead(fd uintptr) bool {
	empty := r.buf == nil
	r.acquire()
	for {
		n, err := TryRead(fd, r.buf[r.to:r.end])
		switch {
		case err == 0:
			r.to += n
			if n == 0 {
				r.readErr = io.EOF
			}
			return true
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if empty {
				r.drop()
			}
			return false
		default:
			r.readErr = err
			return true
		}
	}
}

// acquire makes sure that there is a buffer.
func (r *reader) acquire() {
	if r.buf == nil {
		b := getBuffer(readBytes)
		r.buf, r.from, r.end = b[:cap(b)], 0, cap(b)
		r.to = copy(r.buf, r.stash[:r.stashed])
	}
}

// drop gives the buffer back.
func (r *reader) drop() {
	if r.buf != nil {
		putBuffer(r.buf)
		r.buf, r.from, r.to = nil, 0, 0
	}
}
