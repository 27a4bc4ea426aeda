package motan

import (
	"errors"
	"net"
	"os"
	"slices"
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

	inFlight  atomic.Int64 // calls that were read and whose answers are not queued, see oneCall
	answered  int64        // guarded by mu; calls whose answers were queued, not yet told to the server's statistics
	watched   atomic.Bool  // the reader waits for inFlight to fall, or share counts it
	share     share        // of the server's room
	parked    []parked     // guarded by mu; answers that are not queued yet, oldest first
	parkedSum int          // guarded by mu; their bytes
	parkedFor atomic.Int64 // written under mu; the bytes of the requests that they answer, of those in flight
	held      int64        // guarded by mu; what share counts of answers
	lastRead  atomic.Int64
	partial   atomic.Bool // a frame has begun
	stopped   atomic.Bool // no further frame is read
	finishing bool        // guarded by mu; the reader waits for the client to close
	rests     *restRoom   // where the connection can rest; nil for nowhere; set once
	restsAs   int32       // guarded by rests.mu
	asked     atomic.Bool // the reader is to rest, and was given a deadline that is over
	resting   atomic.Bool // there is no reader; who takes this back has to start one
	batch     Batch       // the reader's

	unread    []byte                   // what another server has read of the connection; the reader's
	dismissed atomic.Pointer[handOver] // to which the connection is to be given; nil for none
	leaving   atomic.Bool              // the reader has noticed that
}

// parked is an ended call whose answer waits for the client to read others.
type parked struct {
	call         *Call
	requestBytes int
}

// answerLimit is how many bytes of answers may wait for a client.
const answerLimit = 256 << 20

var _ Returner = (*serverConn)(nil)

func newServerConn(s *Server, conn net.Conn) *serverConn {
	c := &serverConn{server: s, conn: conn, remote: hostOf(conn.RemoteAddr())}
	c.share.room, c.share.conn, c.share.eased = s.Room, c, make(chan struct{}, 1)
	c.fail = func(err error) {
		if errors.Is(err, errQueueFull) || errors.Is(err, os.ErrDeadlineExceeded) {
			c.server.ended(c, err)
		}
		c.close()
	}
	c.refill = c.unpark
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

// serve reads until the connection ends, then waits for what is in flight. It reports true where the connection rests
// instead, and is not the caller's any more.
func (c *serverConn) serve() (rests bool) {
	patient := c.server.FrameTimeout
	if patient == 0 {
		patient = defaultFrameTimeout
	}
	r := newReader(c.conn, c.server.MaxContentLength, patient)
	if c.share.room != nil {
		r.share = &c.share
	}
	if r.preload(c.unread); r.claimed > 0 {
		c.share.read(r.claimed)
	}
	c.unread = nil
	err := c.read(r)
	for c.mayLeave(err) {
		if c.leave(r) {
			err = errGivenUp
		} else if c.stay(r) {
			err = c.read(r)
		} else {
			break
		}
	}
	r.drop()
	if errors.Is(err, errResting) {
		return true
	}
	c.share.read(0)
	if errors.Is(err, errGivenUp) {
		return false
	}
	c.server.ended(c, err)
	if c.stopped.Load() {
		c.finish()
	}
	c.close()
	return false
}

func (c *serverConn) read(r *reader) error {
	for {
		c.batch.Now = Now()
		c.lastRead.Store(c.batch.Now)
		if err := c.acceptAll(r); err != nil {
			c.batch.flush()
			return err
		}
		c.batch.yield()
		c.batch.flush()
		c.awaitRoom(r.claimed)
		if c.stopped.Load() {
			return errServerGone
		}
		if err := c.more(r); err != nil {
			return err
		}
	}
}

// acceptAll begins the calls that have arrived. The server's statistics hear of them once for all.
func (c *serverConn) acceptAll(r *reader) error {
	n := int64(0)
	frame, err := r.next()
	for ; frame != nil; frame, err = r.next() {
		if frame[2]&FlagHeartbeat != 0 {
			c.heartbeat(frame)
			continue
		}
		c.accept(r, frame)
		n++
	}
	if partial := r.to > r.from; partial != c.partial.Load() {
		c.partial.Store(partial)
	}
	if n > 0 {
		c.server.Stats.Calls.Add(n)
		c.server.Stats.InFlight.Add(n)
	}
	return err
}

// accept begins the call that frame asks for.
func (c *serverConn) accept(r *reader, frame []byte) {
	call := newCall(c.batch.Now)
	r.fill(&call.Request, frame)
	call.Remote = c.remote
	call.Batch = &c.batch
	call.Push(c, len(frame))
	c.inFlight.Add(oneCall + int64(len(frame)))
	c.server.Handler.Handle(call)
}

// heartbeat answers in motan-go's form, with the id of the request and nothing else of it.
func (c *serverConn) heartbeat(frame []byte) {
	c.server.Stats.Heartbeats.Add(1)
	beat := Frame{Serialize: SerializeSimple << 3}
	c.mu.Lock()
	flush := c.broken == nil && !c.full() && c.add(&beat, frameID(frame), FlagHeartbeat|FlagProxy|FlagResponse)
	c.mu.Unlock()
	if flush {
		c.batch.touch(&c.outbox)
	}
}

// Return writes the answer and releases the call, which is its end.
func (c *serverConn) Return(call *Call, requestBytes int) bool {
	if call.Reply.metaSize() > metadataLimit { // the caller would close the connection, which others may share
		call.Reply.Reset()
		call.Err = Errorf(KindOversize, CodeInternal, "the metadata of the answer takes more than %d bytes", metadataLimit)
	}
	if call.Err != nil {
		call.Reply.SetException(call.Err.Exception())
		call.Reply.SetInt("M_pt", (call.Now()-call.Start)/int64(time.Millisecond))
	}
	batch, flush := call.Batch, false
	c.mu.Lock()
	if c.broken == nil && (len(c.parked) > 0 || c.full()) {
		call.Batch = nil
		c.parked = append(c.parked, parked{call, requestBytes})
		c.parkedSum += call.Reply.Size()
		c.parkedFor.Add(int64(requestBytes))
		over := c.parkedSum > answerLimit
		victims := c.hold()
		c.mu.Unlock()
		if over && !slices.Contains(victims, c) {
			c.fail(errQueueFull)
		}
		if evict(victims); c.watched.Load() {
			c.share.settle()
		}
		return false
	}
	open := c.broken == nil
	var victims []*serverConn
	if open {
		flush = c.answer(call)
		if c.queued() > ownBytes {
			victims = c.hold()
		}
	}
	c.mu.Unlock()
	evict(victims)
	if !open {
		c.server.Stats.InFlight.Add(-1)
	}
	call.Release()
	if flush {
		if batch != nil {
			batch.touch(&c.outbox)
		} else {
			c.flush()
		}
	}
	// Last, so that whoever sees nothing in flight sees the answer in the queue.
	c.done(requestBytes)
	return false
}

// answer queues the call's reply. Caller holds mu.
func (c *serverConn) answer(call *Call) (flush bool) {
	c.answered++
	return c.add(&call.Reply, call.Request.ID, call.Reply.Type&^(FlagHeartbeat|FlagOneway)|FlagResponse|FlagProxy)
}

// unpark queues answers that had to wait, as many as there is room for. Caller holds mu. It is called before each write,
// so it tells the server's statistics of the answers that the write is for.
func (c *serverConn) unpark() {
	n := 0
	for ; n < len(c.parked) && !c.full(); n++ {
		p := c.parked[n]
		c.parkedSum -= p.call.Reply.Size()
		c.parkedFor.Add(-int64(p.requestBytes))
		c.answer(p.call)
		p.call.Release()
		c.done(p.requestBytes)
	}
	c.parked = c.parked[n:]
	if len(c.parked) == 0 {
		c.parked = nil
	}
	c.tell()
	if c.held > 0 || c.queued() > ownBytes {
		c.held = beyondOwn(c.backlog())
		c.share.keep(c.held, true)
	}
}

// tell lets the server's statistics know what was answered since. Caller holds mu.
func (c *serverConn) tell() {
	if c.answered > 0 {
		c.server.Stats.Answers.Add(c.answered)
		c.server.Stats.InFlight.Add(-c.answered)
		c.answered = 0
	}
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
	c.share.wake()
	c.rouse()
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
	c.tell()
	c.shut(errServerGone)
	left := c.parked
	c.parked, c.parkedSum = nil, 0
	if c.held > 0 {
		c.held = 0
		c.share.keep(0, true)
	}
	c.mu.Unlock()
	c.share.wake()
	c.server.Stats.InFlight.Add(-int64(len(left)))
	for _, p := range left {
		c.parkedFor.Add(-int64(p.requestBytes))
		p.call.Release()
		c.done(p.requestBytes)
	}
	c.rouse()
	_ = c.conn.Close() // nothing can be done about a connection that does not close
}
