package motan

import (
	"sync/atomic"
	"time"
)

// share is what one connection holds of a room.
type share struct {
	room    *Room         // nil where there is no bound for all; set once
	conn    *serverConn   // set once
	eased   chan struct{} // of one: something that the reader waits for may have come
	counted bool          // the reader's; something was held when it last looked

	requests atomic.Int64 // written under room.mu; of calls in flight
	frame    int64        // guarded by room.mu; of the frame that arrives
	answers  int64        // guarded by room.mu
	since    int64        // guarded by room.mu; when what is being written was begun
	evicted  bool         // guarded by room.mu; the connection is being closed, its answers count no more
}

// claim is a connection that waits.
type claim struct {
	share   *share
	frame   int64 // what share.frame is to be
	granted bool  // guarded by room.mu
}

// beyondOwn is what so many bytes count: in steps, so that not every call of a busy connection changes it.
func beyondOwn(n int64) int64 {
	if n <= ownBytes {
		return 0
	}
	return (n - 1) / ownBytes * ownBytes
}

// claim makes the frame that arrives hold so many bytes, for which it may wait as long as patient. It tells whether it had to. The
// error is errNoRoom, or errServerGone where nothing more is to be read. The reader calls it.
func (s *share) claim(frame int64, patient time.Duration) (waited bool, err error) {
	if !s.counted {
		s.counted = true
		s.conn.watched.Store(true)
	}
	r := s.room
	r.mu.Lock()
	if r.take(s, frame) {
		r.mu.Unlock()
		return false, nil
	}
	c := &claim{share: s, frame: frame}
	r.queue = append(r.queue, c)
	r.waiting.Add(1)
	r.mu.Unlock()
	r.Waited.Add(1)
	late := time.NewTimer(patient)
	defer late.Stop()
	if s.await(c, late.C) {
		return true, nil
	}
	if s.conn.ending() {
		return true, errServerGone
	}
	r.Closed.Add(1)
	return true, errNoRoom
}

// pause waits while more is held for requests than there is room for, if some of it is held here. The reader calls it.
func (s *share) pause() {
	r := s.room
	r.mu.Lock()
	if s.requests.Load() == 0 || r.fits(s, 0) {
		r.mu.Unlock()
		return
	}
	c := &claim{share: s}
	r.paused = append(r.paused, c)
	r.mu.Unlock()
	r.Waited.Add(1)
	s.await(c, nil)
}

// await waits for the claim to be granted; false where that was too late, or the connection ends.
func (s *share) await(c *claim, late <-chan time.Time) bool {
	for {
		if s.conn.ending() {
			return !s.room.withdraw(c)
		}
		select {
		case <-s.eased:
		case <-late:
			return !s.room.withdraw(c)
		}
		s.room.mu.Lock()
		granted := c.granted
		s.room.mu.Unlock()
		if granted {
			return true
		}
	}
}

// wake has the reader look again at what it waits for.
func (s *share) wake() {
	select {
	case s.eased <- struct{}{}:
	default:
	}
}

// pressed tells whether others wait for room.
func (s *share) pressed() bool { return s.room.waiting.Load() > 0 }

// read makes the connection hold what its calls in flight take, and so many bytes of a frame that arrives: some of it may have
// become a call. The reader calls it.
func (s *share) read(frame int64) {
	if s.room == nil {
		return
	}
	s.conn.watched.Store(true) // first: whoever ends a call from now on settles it
	s.room.mu.Lock()
	s.room.requests += frame - s.frame
	s.frame = frame
	s.recount()
	s.room.mu.Unlock()
	if s.counted = frame > 0 || s.requests.Load() > 0; !s.counted {
		s.conn.watched.Store(false)
	}
}

// settle makes the connection hold what its calls in flight take, after one of them has ended.
func (s *share) settle() {
	if s.room == nil || s.requests.Load() == beyondOwn(s.conn.unanswered()) {
		return // if recount is just about to store what it was before, it finds that out
	}
	s.room.mu.Lock()
	s.recount()
	s.room.mu.Unlock()
}

// recount is settle for who holds room.mu.
func (s *share) recount() {
	for n := beyondOwn(s.conn.unanswered()); n != s.requests.Load(); n = beyondOwn(s.conn.unanswered()) {
		s.room.requests += n - s.requests.Load()
		s.requests.Store(n)
	}
	s.room.grant()
}

// keep makes the connection hold n bytes of answers and returns the connections that have to be closed for it. With begun they are
// being written from now on, and none has.
func (s *share) keep(n int64, begun bool) (victims []*serverConn) {
	if s.room == nil {
		return nil
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if begun || s.answers == 0 {
		s.since = Now()
	}
	s.room.keepAnswers(s, n)
	if begun {
		return nil
	}
	return s.room.evict()
}
