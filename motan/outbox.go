package motan

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// highWater is how many bytes are queued at most, and one frame more; further frames wait in
	// their calls, where they take no memory that they did not take before.
	highWater = 1 << 20
	// writeTimeout is how long a peer may take to read what a full socket holds up.
	writeTimeout = 5 * time.Second
	// writeChunk is what a peer must read within writeTimeout for the connection to live.
	writeChunk = 64 << 10
)

var errQueueFull = errors.New("motan: peer does not read what is meant for it")

// outbox gathers what is to be written to one connection and writes it in few, large pieces.
// Appending never blocks and flushing never does either: what the socket does not take at
// once is written by a goroutine that lives until the queue is empty.
type outbox struct {
	mu      sync.Mutex
	conn    net.Conn        // guarded by mu; nil while there is no connection
	raw     syscall.RawConn // guarded by mu; nil where conn has no descriptor
	queue   []byte          // guarded by mu; what nobody has begun to write
	writing bool            // guarded by mu; somebody writes, and will write queue as well
	rest    int             // guarded by mu; bytes of a piece that the socket did not take yet
	added   int64           // guarded by mu; bytes ever queued
	sent    int64           // guarded by mu; bytes that the socket has taken or may be taking now
	broken  error           // guarded by mu; why nothing can be written any more

	fail   func(error) // called without mu when a write fails; set once
	refill func()      // called with mu when there is room again: adds the frames that wait; set once

	// Of whoever is writing:
	piece   []byte
	wrote   int
	failure error
	try     func(fd uintptr) bool // tryWrite, made once so that a flush allocates nothing
}

// open begins writing to conn. Caller holds mu.
func (o *outbox) open(conn net.Conn) {
	o.conn, o.raw, o.broken = conn, nil, nil
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			o.raw = raw
		}
	}
	if o.try == nil {
		o.try = o.tryWrite
	}
}

// shut forgets what is queued; later appends are dropped. Caller holds mu.
func (o *outbox) shut(err error) {
	o.broken = err
	o.conn, o.raw = nil, nil
	if o.queue != nil {
		putBuffer(o.queue)
		o.queue = nil
	}
}

// full tells whether a frame has to wait. Whoever writes calls refill later. Caller holds mu.
func (o *outbox) full() bool { return o.queued() >= highWater }

// next lets the frames that wait move up and takes the queue as the piece to write; false when
// there is nothing. Caller holds mu; the last piece is written.
func (o *outbox) next() bool {
	o.refill()
	o.piece, o.wrote, o.failure = o.queue, 0, nil
	o.queue = nil
	o.rest = len(o.piece)
	return o.rest > 0
}

// add appends f and tells whether the caller has to flush: the one who finds the queue empty
// does. Caller holds mu.
func (o *outbox) add(f *Frame, id uint64, typ byte) (flush bool) {
	before := len(o.queue)
	o.queue = f.append(o.queue, id, typ)
	o.added += int64(len(o.queue) - before)
	return before == 0 && !o.writing
}

// flush writes what is queued as far as the socket takes it without waiting.
func (o *outbox) flush() {
	o.mu.Lock()
	if o.writing || len(o.queue) == 0 || o.conn == nil {
		o.mu.Unlock()
		return
	}
	o.writing = true
	for o.conn != nil && o.next() {
		o.sent += int64(len(o.piece)) // until it is known better: the peer can be faster than we
		raw, conn := o.raw, o.conn
		o.mu.Unlock()

		if raw != nil {
			if err := raw.Write(o.try); err != nil && o.failure == nil {
				o.failure = err
			}
		}
		o.mu.Lock()
		o.rest = len(o.piece) - o.wrote
		o.sent -= int64(o.rest)
		if o.failure != nil {
			err := o.failure
			o.mu.Unlock()
			o.breakOff(err)
			return
		}
		if o.rest > 0 {
			go o.drain(conn) // ends when the queue is empty, by writeTimeout, or when the connection is closed
			o.mu.Unlock()
			return
		}
		putBuffer(o.piece)
		o.piece = nil
	}
	o.writing = false
	o.mu.Unlock()
}

// tryWrite writes what the socket takes; true tells the poller not to wait for more room.
func (o *outbox) tryWrite(fd uintptr) bool {
	for o.wrote < len(o.piece) {
		n, err := TryWrite(fd, o.piece[o.wrote:])
		switch {
		case err == 0:
			o.wrote += n
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return true
		default:
			o.failure = err
			return true
		}
	}
	return true
}

// drain writes the rest of the piece and then the queue, waiting for the peer to read.
func (o *outbox) drain(conn net.Conn) {
	for {
		for o.wrote < len(o.piece) {
			if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				o.breakOff(err)
				return
			}
			chunk := o.piece[o.wrote:min(o.wrote+writeChunk, len(o.piece))]
			o.offer(len(chunk))
			n, err := conn.Write(chunk)
			o.wrote += n
			o.progress(n, len(chunk))
			if err != nil {
				o.breakOff(err)
				return
			}
		}
		o.mu.Lock()
		putBuffer(o.piece)
		o.piece, o.rest = nil, 0
		if o.conn != conn || !o.next() {
			_ = conn.SetWriteDeadline(time.Time{}) // it would fail a flush later on; an error means that the connection is gone
			o.writing = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
	}
}

// offer notes that the socket may take n bytes from now on.
func (o *outbox) offer(n int) {
	o.mu.Lock()
	o.sent += int64(n)
	o.mu.Unlock()
}

// progress notes that the socket has taken n of the bytes offered.
func (o *outbox) progress(n, offered int) {
	o.mu.Lock()
	o.sent -= int64(offered - n)
	o.rest = len(o.piece) - o.wrote
	o.mu.Unlock()
}

// breakOff ends writing after a failure. Nobody may write any more, as part of a frame may
// have gone out: writing stays true.
func (o *outbox) breakOff(err error) {
	o.mu.Lock()
	o.piece, o.rest = nil, 0
	o.mu.Unlock()
	o.fail(err)
}

// queued is how many bytes wait to be written. Caller holds mu.
func (o *outbox) queued() int { return len(o.queue) + o.rest }
