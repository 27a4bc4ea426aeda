package motan

import (
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// restTick is how often connections are looked at, at the most seldom.
	restTick = time.Second
	// restBatch is how many are sent to rest in one go, so that ten thousand do not wake up at once to do so.
	restBatch = 4096
)

// errResting is why a reader has ended whose connection rests: it may not touch the connection any more.
var errResting = errors.New("motan: connection rests")

// restRoom is where a server's connections are that rest: nothing has come in over them for RestAfter, so that they
// have given up their reader, whose stack is most of what an idle connection takes. One goroutine waits for all of
// them and starts the reader of one again when there is something to read. It lives while the server has connections.
// Where the system has no way to wait for many, or a connection no descriptor, readers stay.
type restRoom struct {
	waits *waiting

	mu     sync.Mutex
	conns  map[int32]*serverConn // guarded by mu; those that rest, by descriptor
	closed bool                  // guarded by mu; nobody can come in any more
}

// enterRoom has c looked at from now on. The caller holds s.mu and has counted c.
func (s *Server) enterRoom(c *serverConn) {
	if s.rests == nil && c.raw != nil && s.RestAfter >= 0 {
		waits, err := newWaiting()
		if err != nil {
			return
		}
		s.rests = &restRoom{waits: waits, conns: make(map[int32]*serverConn)}
		s.readers.Add(1)
		go s.keepRoom(s.rests) // ends a moment after the last connection, or with Close and Shutdown
	}
	c.rests = s.rests
}

// closeRoom ends the goroutine of the room.
func (s *Server) closeRoom() {
	s.mu.Lock()
	room := s.rests
	s.mu.Unlock()
	if room != nil {
		room.waits.close()
	}
}

// keepRoom sends connections to rest and rouses them.
func (s *Server) keepRoom(room *restRoom) {
	defer s.readers.Done()
	idle := s.RestAfter
	if idle == 0 {
		idle = defaultRestAfter
	}
	tick := min(max(idle/2, time.Millisecond), restTick)
	next := time.Now().Add(tick)
	for {
		ready, err := room.waits.wait(next)
		for _, fd := range ready {
			room.rouse(fd)
		}
		if err != nil || !time.Now().Before(next) && !s.sendToRest(idle) {
			break
		}
		if now := time.Now(); !now.Before(next) {
			next = now.Add(tick)
		}
	}
	s.mu.Lock()
	if s.rests == room {
		s.rests = nil
	}
	s.mu.Unlock()
	room.close()
}

// sendToRest asks connections that have been idle to rest; false when there is no connection at all.
func (s *Server) sendToRest(idle time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, asked := Now(), 0
	for c := range s.conns {
		if c.lull(now - int64(idle)) {
			if asked++; asked == restBatch {
				break
			}
		}
	}
	if len(s.conns) == 0 {
		s.rests = nil // under mu, so that the next connection opens another one
		return false
	}
	return true
}

// lull asks the connection's reader to rest, where it has read nothing since the time given and nothing is going on.
func (c *serverConn) lull(since int64) bool {
	if c.resting.Load() || c.partial.Load() || c.inFlight.Load() != 0 || c.lastRead.Load() > since {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil || c.raw == nil || c.rests == nil || c.stopped.Load() || c.writing || c.queued() > 0 {
		return false
	}
	c.asked.Store(true)
	return c.conn.SetReadDeadline(time.Unix(1, 0)) == nil
}

// more is r.more for a connection that may be asked to rest meanwhile. On errResting it rests.
func (c *serverConn) more(r *reader) error {
	err := r.more()
	for err != nil && errors.Is(err, os.ErrDeadlineExceeded) && c.asked.Swap(false) && !c.stopped.Load() {
		if !r.begun() && c.rest() {
			return errResting
		}
		err = r.resume()
	}
	return err
}

// rest gives the connection into the room. From then on it belongs to who rouses it; false when it does not rest.
func (c *serverConn) rest() bool {
	c.mu.Lock()
	raw, ok := c.raw, c.broken == nil && !c.stopped.Load() && c.inFlight.Load() == 0
	ok = ok && c.conn.SetReadDeadline(time.Time{}) == nil
	c.mu.Unlock()
	if !ok || raw == nil {
		return false
	}
	c.batch.touched = nil
	if !c.rests.add(c, raw) {
		return false
	}
	c.mu.Lock()
	gone := c.broken != nil || c.stopped.Load() // who did that may have come before there was anything to rouse
	c.mu.Unlock()
	if gone {
		c.rouse()
	}
	return true
}

// rouse starts the reader of a connection that rests.
func (c *serverConn) rouse() {
	if c.resting.CompareAndSwap(true, false) {
		c.rests.remove(c)
		go c.server.run(c) // ends with the connection, or when it rests again
	}
}

// add has c roused when there is something to read, or its end. It reports whether that will be.
func (r *restRoom) add(c *serverConn, raw syscall.RawConn) bool {
	added := false
	err := raw.Control(func(fd uintptr) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.closed {
			return
		}
		if added = r.waits.add(int32(fd)) == nil; added {
			c.restsAs = int32(fd)
			r.conns[c.restsAs] = c
			c.resting.Store(true) // under mu, which who rouses it takes
			c.server.Stats.Resting.Add(1)
		}
	})
	return err == nil && added
}

// remove has c roused no more. Its descriptor may have been closed and be another's by now, who is left alone.
func (r *restRoom) remove(c *serverConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns[c.restsAs] == c {
		delete(r.conns, c.restsAs)
		r.waits.remove(c.restsAs)
		c.server.Stats.Resting.Add(-1)
	}
}

// rouse rouses the connection of a descriptor that has something to read.
func (r *restRoom) rouse(fd int32) {
	r.mu.Lock()
	c := r.conns[fd]
	r.mu.Unlock()
	if c != nil {
		c.rouse()
	}
}

// close rouses all and takes nobody in any more.
func (r *restRoom) close() {
	r.mu.Lock()
	r.closed = true
	conns := slices.Collect(maps.Values(r.conns))
	r.mu.Unlock()
	for _, c := range conns {
		c.rouse()
	}
	r.waits.close()
}
