package motan

import (
	"context"
	"errors"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxPending  = 1 << 16              // calls that wait on one connection; also the range of slots in an id
	expiryGrain = 5 * time.Millisecond // deadlines are kept to this much
	probeWait   = time.Second          // how long a heartbeat may go unanswered after a time-out
	noDeadline  = int64(math.MaxInt64) //
)

var errNoAnswer = errors.New("motan: peer answers neither calls nor a heartbeat")

// link is one TCP or unix connection to a provider from dial to end, and the calls that wait
// for its replies. A broken link is never repaired: its Conn makes another.
type link struct {
	outbox
	owner *Conn
	since int64 // when the dial began

	slots    []slot       // guarded by mu; a call's id is its slot and the slot's generation
	free     int32        // guarded by mu; first free slot, -1 for none
	pending  int          // guarded by mu
	parked   []uint64     // guarded by mu; ids of calls whose frames are not queued yet, oldest first
	armed    int64        // guarded by mu; when timer fires
	timer    *time.Timer  // guarded by mu
	probing  int64        // guarded by mu; when a heartbeat was sent that nothing has followed; 0 for none
	lastRead atomic.Int64 // 0 before the first read, so that calls which waited for the dial can find the peer silent
	batch    Batch        // the reader's
}

type slot struct {
	call       *Call
	deadline   int64
	sentAt     int64
	position   int64 // outbox.added before the frame: not sent while that is not below outbox.sent
	generation uint32
	next       int32
}

func newLink(owner *Conn) *link {
	l := &link{owner: owner, since: Now(), free: -1, armed: noDeadline}
	l.fail, l.refill = l.end, l.unpark
	return l
}

// send queues c's request and notes that c waits. It returns false where the link is broken
// and another one has to be tried. Before the link is open calls wait in its queue.
func (l *link) send(c *Call) bool {
	if c.Request.metaSize() > metadataLimit { // the peer would close the connection, which others share
		c.Fail(Errorf(KindOversize, CodeDefault, "the metadata takes more than %d bytes", metadataLimit))
		return true
	}
	batch := c.Batch
	now := c.Now()
	l.mu.Lock()
	if l.broken != nil {
		l.mu.Unlock()
		return false
	}
	if l.pending >= maxPending {
		l.mu.Unlock()
		c.Fail(&Error{Kind: KindNotSent, Code: CodeUnavailable, Type: TypeService, Message: "too many calls wait for the provider", Cause: errQueueFull})
		return true
	}
	id := l.wait(c, now)
	flush := false
	if len(l.parked) > 0 || l.full() {
		l.parked = append(l.parked, id)
	} else {
		flush = l.addCall(id)
	}
	l.mu.Unlock()
	// From here on c belongs to whoever takes it out of its slot.
	if flush {
		if batch != nil {
			batch.touch(&l.outbox)
		} else {
			l.flush()
		}
	}
	return true
}

// addCall queues the frame of the call that waits for the id. Caller holds mu.
func (l *link) addCall(id uint64) (flush bool) {
	s := &l.slots[id&(maxPending-1)]
	s.position = l.added
	q := &s.call.Request
	return l.add(q, id, q.Type&^(FlagResponse|FlagHeartbeat)|FlagProxy)
}

// unpark queues the frames of calls that had to wait, as many as there is room for; those of
// calls that have been given up are forgotten. Caller holds mu.
func (l *link) unpark() {
	n := 0
	for ; n < len(l.parked) && !l.full(); n++ {
		if l.waits(l.parked[n]) {
			l.addCall(l.parked[n])
		}
	}
	l.parked = l.parked[n:]
	if len(l.parked) == 0 {
		l.parked = nil
	}
}

// waits tells whether a call waits for the id. Caller holds mu.
func (l *link) waits(id uint64) bool {
	i := id & (maxPending - 1)
	return i < uint64(len(l.slots)) && l.slots[i].call != nil && uint64(l.slots[i].generation) == id>>16
}

// wait gives c a slot and returns the id that stands for it. Caller holds mu.
func (l *link) wait(c *Call, now int64) uint64 {
	i := l.free
	if i < 0 {
		i = int32(len(l.slots))
		l.slots = append(l.slots, slot{})
	} else {
		l.free = l.slots[i].next
	}
	s := &l.slots[i]
	s.call, s.deadline, s.sentAt, s.position = c, c.Deadline, now, math.MaxInt64
	if s.deadline == 0 {
		s.deadline = noDeadline
	}
	s.generation++
	l.pending++
	l.arm(s.deadline)
	return uint64(s.generation)<<16 | uint64(i)
}

// take removes the call that waits for the id; nil when it has been given up. Caller holds mu.
func (l *link) take(id uint64) *Call {
	if !l.waits(id) {
		return nil
	}
	return l.vacate(int32(id & (maxPending - 1)))
}

// vacate frees a slot that is taken and returns its call. Caller holds mu.
func (l *link) vacate(i int32) *Call {
	s := &l.slots[i]
	c := s.call
	s.call, s.next = nil, l.free
	l.free = i
	l.pending--
	return c
}

// arm makes the timer fire at the deadline if it would do so later. One timer serves all
// calls of a link; it is moved only when an earlier deadline comes in, which with equal
// time-outs is once per time-out and not once per call. Caller holds mu.
func (l *link) arm(deadline int64) {
	if deadline >= l.armed || deadline == noDeadline {
		return
	}
	l.armed = deadline
	wait := max(time.Duration(deadline-Now()), 0) + expiryGrain
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.expire)
	} else {
		l.timer.Reset(wait)
	}
}

// expire ends the calls whose time is over, and the link when it has been silent through one
// of them and through a heartbeat after it.
func (l *link) expire() {
	now := Now()
	var late []*Call
	silent := false
	l.mu.Lock()
	l.armed = noDeadline
	next := noDeadline
	for i := range l.slots {
		s := &l.slots[i]
		switch {
		case s.call == nil:
		case s.deadline <= now:
			silent = silent || l.lastRead.Load() < s.sentAt
			late = append(late, l.vacate(int32(i)))
		default:
			next = min(next, s.deadline)
		}
	}
	dialling := l.conn == nil && l.broken == nil
	dead := l.probe(now, silent)
	if l.probing != 0 {
		next = min(next, l.probing+int64(probeWait))
	}
	if l.broken == nil {
		l.arm(next)
	}
	l.mu.Unlock()
	if silent {
		l.flush()
	}
	l.owner.stats.Timeouts.Add(int64(len(late)))
	batch := &Batch{Now: now}
	for _, c := range late {
		c.Batch = batch
		if dialling {
			c.Fail(notSent(context.DeadlineExceeded))
			continue
		}
		c.Fail(Errorf(KindTimeout, CodeDefault, "channel call error:timeout err: receive request timeout"))
	}
	batch.flush()
	if dead {
		l.end(errNoAnswer)
	}
}

// probe sends a heartbeat where the peer was silent, and tells whether it stayed so after the
// last one. Caller holds mu.
func (l *link) probe(now int64, silent bool) (dead bool) {
	if l.probing != 0 {
		if l.lastRead.Load() > l.probing {
			l.probing = 0
		} else if now-l.probing >= int64(probeWait) {
			return true
		}
		return false
	}
	if silent && l.conn != nil && l.broken == nil {
		beat := Frame{Serialize: SerializeSimple << 3}
		l.add(&beat, 0, FlagHeartbeat|FlagProxy)
		l.probing = now
	}
	return false
}

// run dials, reads replies until the connection ends, and fails what still waits then. It is
// the link's one goroutine; it ends when ctx does, too. It reports whether the dial succeeded.
func (l *link) run(ctx context.Context) (opened bool) {
	conn, err := l.owner.dial(ctx)
	if err != nil {
		l.owner.setDown(err) // first, so that nobody begins another link meanwhile
		l.end(err)
		return false
	}
	l.mu.Lock()
	if l.broken != nil {
		l.mu.Unlock()
		_ = conn.Close()
		return true
	}
	l.open(conn)
	l.owner.opened(l) // before mu is released: end may follow at once
	l.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { l.end(errClientClosed) })
	defer stop()
	l.flush()
	l.end(l.read(conn))
	return true
}

func (l *link) read(conn net.Conn) error {
	r := newReader(conn, l.owner.opts.MaxContentLength, defaultFrameTimeout)
	defer r.drop()
	defer l.batch.flush()
	for {
		if err := r.more(); err != nil {
			return err
		}
		l.batch.Now = Now()
		l.lastRead.Store(l.batch.Now)
		for {
			frame, err := r.next()
			if err != nil {
				return err
			}
			if frame == nil {
				break
			}
			l.reply(r, frame)
		}
		l.batch.yield()
		l.batch.flush()
	}
}

// reply hands a frame to the call that waits for it. A late one finds none and is dropped.
func (l *link) reply(r *reader, frame []byte) {
	if frame[2]&FlagHeartbeat != 0 {
		return
	}
	l.mu.Lock()
	c := l.take(frameID(frame))
	l.mu.Unlock()
	if c == nil {
		l.owner.stats.Late.Add(1)
		return
	}
	r.fill(&c.Reply, frame)
	c.Reply.normalise()
	c.Batch = &l.batch
	c.End()
}

// end breaks the link: everything that waits fails, as not sent where no byte of it was.
func (l *link) end(err error) {
	l.mu.Lock()
	if l.broken != nil {
		l.mu.Unlock()
		return
	}
	conn, sent := l.conn, l.sent
	l.shut(err)
	if l.timer != nil {
		l.timer.Stop()
	}
	type failed struct {
		call    *Call
		written bool
	}
	var left []failed
	for i := range l.slots {
		if s := &l.slots[i]; s.call != nil {
			left = append(left, failed{s.call, s.position < sent})
			l.vacate(int32(i))
		}
	}
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	l.owner.closed(l, conn != nil)
	batch := &Batch{Now: Now()}
	for _, f := range left {
		f.call.Batch = batch
		if f.written {
			f.call.Fail(&Error{Kind: KindBroken, Code: CodeDefault, Type: TypeService, Message: "channel call error:the channel has been shutdown", Cause: err})
		} else {
			f.call.Fail(notSent(err))
		}
	}
	batch.flush()
}

// notSent is the error of a call for which there was no connection. Its message says why in a
// word or two, without addresses.
func notSent(err error) *Error {
	message := "can not get a channel"
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		message += ": connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		message += ": no route to the provider"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		message += ": connecting took too long"
	}
	return &Error{Kind: KindNotSent, Code: CodeNoChannel, Type: TypeService, Message: message, Cause: err}
}
