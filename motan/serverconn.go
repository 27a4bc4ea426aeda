package motan

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// quietTime is how long a draining connection must have been silent to be closed.
const quietTime = 100 * time.Millisecond

// lingerTime is how long the last answers may take to be read by the client at the end.
const lingerTime = time.Second

var errServerGone = errors.New("motan: connection is closed")

// serverConn is one client's connection. Its reader goroutine runs serve; answers are queued
// by whoever ends a call.
type serverConn struct {
	outbox
	server *Server
	conn   net.Conn
	remote string // the client's IP

	inFlight  atomic.Int32
	waiting   atomic.Bool   // the reader waits for inFlight to fall
	room      chan struct{} // of one: inFlight fell while waiting
	lastRead  atomic.Int64
	partial   atomic.Bool // a frame has begun
	stopped   atomic.Bool // no further frame is read
	finishing bool        // guarded by mu; the reader waits for the client to close
	batch     Batch       // the reader's
}

var _ Returner = (*serverConn)(nil)

func newServerConn(s *Server, conn net.Conn) *serverConn {
	c := &serverConn{server: s, conn: conn, remote: hostOf(conn.RemoteAddr()), room: make(chan struct{}, 1)}
	c.fail = func(err error) {
		if errors.Is(err, errQueueFull) || errors.Is(err, os.ErrDeadlineExceeded) {
			c.server.ended(c, err)
		}
		c.close()
	}
	c.lastRead.Store(Now())
	c.mu.Lock()
	c.open(conn)
	c.mu.Unlock()
	return c
}

func hostOf(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return ""
	}
	return host
}

// serve reads until the connection ends, then waits for what is in flight.
func (c *serverConn) serve() {
	patient := c.server.FrameTimeout
	if patient == 0 {
		patient = defaultFrameTimeout
	}
	r := newReader(c.conn, c.server.MaxContentLength, patient)
	err := c.read(r)
	r.drop()
	c.server.ended(c, err)
	if c.stopped.Load() {
		c.finish()
	}
	c.close()
}

func (c *serverConn) read(r *reader) error {
	for {
		c.batch.Now = Now()
		c.lastRead.Store(c.batch.Now)
		for {
			frame, err := r.next()
			if err != nil {
				c.batch.flush()
				return err
			}
			if frame == nil {
				break
			}
			c.accept(r, frame)
		}
		c.partial.Store(r.to > r.from)
		c.batch.flushAndHold()
		c.awaitRoom()
		if c.stopped.Load() {
			return errServerGone
		}
		if err := r.more(); err != nil {
			return err
		}
	}
}

// accept begins the call that frame asks for, or answers a heartbeat.
func (c *serverConn) accept(r *reader, frame []byte) {
	if frame[2]&FlagHeartbeat != 0 {
		c.heartbeat(frame)
		return
	}
	call := NewCall()
	r.fill(&call.Request, frame)
	call.Start, call.AttemptStart = c.batch.Now, c.batch.Now
	call.Remote = c.remote
	call.Batch = &c.batch
	call.Push(c, 0)
	c.inFlight.Add(1)
	c.server.Stats.Calls.Add(1)
	c.server.Stats.InFlight.Add(1)
	c.server.Handler.Handle(call)
}

// heartbeat answers in motan-go's form, with the id of the request and nothing else of it.
func (c *serverConn) heartbeat(frame []byte) {
	c.server.Stats.Heartbeats.Add(1)
	beat := Frame{Serialize: SerializeSimple << 3}
	c.mu.Lock()
	flush := c.broken == nil && c.add(&beat, frameID(frame), FlagHeartbeat|FlagProxy|FlagResponse)
	c.mu.Unlock()
	if flush {
		c.batch.touch(&c.outbox)
	}
}

// Return writes the answer and releases the call, which is its end.
func (c *serverConn) Return(call *Call, _ int) bool {
	if call.Err != nil {
		call.Reply.SetException(call.Err.Exception())
		call.Reply.SetInt("M_pt", (call.Now()-call.Start)/int64(time.Millisecond))
	}
	batch, full := call.Batch, false
	c.mu.Lock()
	flush := false
	if c.broken == nil {
		if full = c.queued()+call.Reply.Size() > queueLimit; !full {
			flush = c.add(&call.Reply, call.Request.ID, call.Reply.Type&^(FlagHeartbeat|FlagOneway)|FlagResponse|FlagProxy)
			c.server.Stats.Answers.Add(1)
		}
	}
	c.mu.Unlock()
	call.Release()
	c.server.Stats.InFlight.Add(-1)
	if full {
		c.fail(errQueueFull)
	}
	if flush {
		if batch != nil {
			batch.touch(&c.outbox)
		} else {
			c.flush()
		}
	}
	// Last, so that whoever sees nothing in flight sees the answer in the queue.
	c.inFlight.Add(-1)
	if c.waiting.Load() {
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
	return false
}

// awaitRoom holds the client back that has too much in flight or does not read its answers.
func (c *serverConn) awaitRoom() {
	limit := int32(c.server.MaxInFlight)
	if limit == 0 {
		limit = defaultMaxInFlight
	}
	if c.inFlight.Load() >= limit {
		c.waiting.Store(true)
		for c.inFlight.Load() >= limit {
			<-c.room // every call ends, if only by its deadline
		}
		c.waiting.Store(false)
	}
	c.awaitQueue()
}

// quiet tells whether closing the connection now loses nothing that was begun.
func (c *serverConn) quiet() bool {
	if c.inFlight.Load() > 0 || c.partial.Load() || Now()-c.lastRead.Load() < int64(quietTime) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued() == 0 && !c.writing && !unread(c.conn)
}

// stopReading makes the reader finish and end. It may be called again: the reader could have
// set a deadline of its own in between.
func (c *serverConn) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped.Store(true)
	if !c.finishing {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // an error means that the connection is gone
	}
}

// finish waits until everything in flight is answered and read by the client, as far as that
// can be known: our end is closed first, then the client's end is awaited.
func (c *serverConn) finish() {
	for {
		c.mu.Lock()
		done := c.broken != nil || c.inFlight.Load() == 0 && c.queued() == 0 && !c.writing
		c.mu.Unlock()
		if done {
			break
		}
		time.Sleep(time.Millisecond) // at the end of the process only
	}
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	c.finishing = true
	err := c.conn.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	if err != nil {
		return
	}
	buf := getBuffer(readBytes)
	defer putBuffer(buf)
	for {
		if _, err := c.conn.Read(buf[:cap(buf)]); err != nil {
			return
		}
	}
}

// close ends the connection at once. The reader and a writer that waits notice.
func (c *serverConn) close() {
	c.mu.Lock()
	c.shut(errServerGone)
	c.mu.Unlock()
	_ = c.conn.Close() // nothing can be done about a connection that does not close
}
