package motan

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// ownBytes is what each connection may hold of a frame that arrives, of requests in flight, and of answers, without asking for
// room: who makes small calls never does.
const ownBytes = readBytes

// defaultRoom is the limit of a Room that has none.
const defaultRoom = 1 << 30

var (
	errNoRoom  = errors.New("motan: no room for a large frame: what all callers have sent takes all that maxBytesInFlight allows; raise it, or send fewer at once")
	errEvicted = fmt.Errorf("%w, and all that is not read takes more than maxBytesInFlight allows", errQueueFull)
)

// Room bounds the bytes that callers make the servers which share it hold, beside 64 KiB of each kind for each connection. One
// half is for requests, from when they arrive until their answers are ready: who has none waits in turn, and what his client sends
// waits in the socket. The other half is for answers, which come whether there is room for them or not: where they take more, the
// connection whose client takes longest to read is closed. Thus neither half can use up the other.
//
// What it does not bound: buffers are up to twice as large as what is in them; replies of providers before their calls have ended,
// of which each connection to a provider reads one at a time; what filters and providers in this process keep for themselves.
//
// Servers of which one calls the other must not share a room: a request would wait for what it holds itself.
//
// The zero Room has the default limit, 1 GiB. A Room must not be copied.
type Room struct {
	Limit  int64        // bytes; 0 means 1 GiB; set before the first server uses it
	Waited atomic.Int64 // how often a connection had to wait before it read on
	Closed atomic.Int64 // connections closed because there was no room for what they hold

	waiting atomic.Int32 // claims in queue

	mu       sync.Mutex
	requests int64               // guarded by mu
	answers  int64               // guarded by mu
	queue    []*claim            // guarded by mu; large frames that wait, oldest first
	paused   []*claim            // guarded by mu; connections that read on when others hold less
	slow     map[*share]struct{} // guarded by mu; those that hold answers
}

// Held is how many bytes of requests and of answers are held now.
func (r *Room) Held() (requests, answers int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests, r.answers
}

// half is what requests may take, and answers.
func (r *Room) half() int64 {
	if r.Limit == 0 {
		return defaultRoom / 2
	}
	return r.Limit / 2
}

// fits tells whether s may hold more for requests. Who is alone may always, so that a frame larger than all of the room gets
// through by itself. Caller holds mu.
func (r *Room) fits(s *share, more int64) bool {
	return r.requests+more <= r.half() || r.requests == s.frame+s.requests.Load()
}

// take is what a frame that arrives asks for: at once, or not at all while others wait. Caller holds mu.
func (r *Room) take(s *share, frame int64) bool {
	if len(r.queue) > 0 || !r.fits(s, frame-s.frame) {
		return false
	}
	r.requests += frame - s.frame
	s.frame = frame
	return true
}

// grant lets in who waits, as far as there is room. Caller holds mu and has given some back.
func (r *Room) grant() {
	n := 0
	for ; n < len(r.queue) && r.fits(r.queue[n].share, r.queue[n].frame-r.queue[n].share.frame); n++ {
		c := r.queue[n]
		r.requests += c.frame - c.share.frame
		c.share.frame = c.frame
		c.granted = true
		c.share.wake()
	}
	if n > 0 {
		r.queue = slices.Delete(r.queue, 0, n)
		r.waiting.Add(-int32(n))
	}
	r.paused = slices.DeleteFunc(r.paused, func(c *claim) bool {
		if c.granted = r.fits(c.share, 0); c.granted {
			c.share.wake()
		}
		return c.granted
	})
}

// withdraw takes back a claim that was not granted; false for one that was.
func (r *Room) withdraw(c *claim) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.granted {
		return false
	}
	if i := slices.Index(r.queue, c); i >= 0 {
		r.queue = slices.Delete(r.queue, i, i+1)
		r.waiting.Add(-1)
	} else if i := slices.Index(r.paused, c); i >= 0 {
		r.paused = slices.Delete(r.paused, i, i+1)
	}
	r.grant() // it may have been in the way of others
	return true
}

// evict takes answers out of the account until the others fit, those first that have been in writing for longest, and returns whose
// they are: connections that the caller closes when it holds no lock. One alone may hold what a connection may. Caller holds mu.
func (r *Room) evict() (victims []*serverConn) {
	for r.answers > r.half() && len(r.slow) > 1 {
		var oldest *share
		for s := range r.slow {
			if oldest == nil || s.since < oldest.since {
				oldest = s
			}
		}
		r.keepAnswers(oldest, 0)
		oldest.evicted = true
		victims = append(victims, oldest.conn)
	}
	r.Closed.Add(int64(len(victims)))
	return victims
}

// keepAnswers makes s hold n bytes of answers. Caller holds mu.
func (r *Room) keepAnswers(s *share, n int64) {
	if s.evicted {
		return
	}
	r.answers += n - s.answers
	switch {
	case n == 0:
		delete(r.slow, s)
	case s.answers == 0:
		if r.slow == nil {
			r.slow = make(map[*share]struct{})
		}
		r.slow[s] = struct{}{}
	}
	s.answers = n
}
