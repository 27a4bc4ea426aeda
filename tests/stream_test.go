package tests

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// witness is a provider that remembers which calls it has seen, by their metadata "call".
type witness struct {
	*provider
	mu   sync.Mutex
	seen map[string]int // guarded by mu
}

// newWitness answers each call with its body, some after a while so that calls overlap.
func newWitness(t testing.TB) *witness {
	t.Helper()
	w := &witness{seen: make(map[string]int)}
	w.provider = newProvider(t, "127.0.0.1", func(local string, request, reply *motan.Frame) time.Duration {
		w.mu.Lock()
		w.seen[string(request.Get("call"))]++
		n := len(w.seen)
		w.mu.Unlock()
		echo(local, request, reply)
		return time.Duration(n%8) * 20 * time.Millisecond
	})
	return w
}

// sightings is how often each call was seen.
func (w *witness) sightings() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

// stream is a caller that sends without an end, several calls at a time, until it is told to stop or its
// connection ends, and keeps account of every call.
type stream struct {
	name   string
	pipe   *pipe
	bodies randomBytes
	most   int
	room   chan struct{}
	stop   chan struct{} // closed: nothing further is sent
	silent chan struct{} // closed when nothing further is sent
	ended  chan struct{} // closed when nothing is received any more
	done   sync.WaitGroup
	good   atomic.Int64 // answers with what was sent

	mu       sync.Mutex
	stopped  bool              // guarded by mu
	waiting  map[uint64][]byte // guarded by mu; bodies of the calls that have no answer
	answered map[uint64]string // guarded by mu; "" for a good answer, else the exception
	wrong    []string          // guarded by mu; what must never happen
}

// startStream sends bodies of up to most bytes, window calls at a time.
func startStream(t testing.TB, name, addr string, bodies randomBytes, most, window int) *stream {
	t.Helper()
	s := &stream{
		name: name, pipe: newPipe(t, addr), bodies: bodies, most: most,
		room: make(chan struct{}, window), stop: make(chan struct{}), silent: make(chan struct{}), ended: make(chan struct{}),
		waiting: make(map[uint64][]byte), answered: make(map[uint64]string),
	}
	s.done.Go(s.send)    // ends with stop or the connection
	s.done.Go(s.receive) // ends with the connection, which is closed after the last answer
	return s
}

// call names call number id in the accounts of the witness.
func (s *stream) call(id uint64) string { return s.name + "/" + strconv.FormatUint(id, 10) }

func (s *stream) send() {
	defer close(s.silent)
	r := rand.New(rand.NewPCG(uint64(len(s.name)), rand.Uint64()))
	for id := uint64(1); ; id++ {
		select {
		case s.room <- struct{}{}:
		case <-s.stop:
			s.mu.Lock()
			s.stopped = true
			s.closeWhenDone()
			s.mu.Unlock()
			return
		case <-s.ended:
			return
		}
		body := s.bodies.cut(r, s.most)
		s.mu.Lock()
		s.waiting[id] = body
		s.mu.Unlock()
		s.pipe.queue(motantest.Request("com.example.Both", "echo", body, "M_g", "demo", "call", s.call(id)), id)
		if s.pipe.flush() != nil { // the other end has gone, which receive notices as well
			return
		}
	}
}

// closeWhenDone ends the connection once nothing is sent and nothing is waited for. Caller holds mu.
func (s *stream) closeWhenDone() {
	if s.stopped && len(s.waiting) == 0 {
		s.pipe.conn.Close()
	}
}

func (s *stream) receive() {
	defer close(s.ended)
	defer s.pipe.conn.Close()
	for {
		reply, err := s.pipe.receive()
		if err != nil {
			return
		}
		s.take(reply)
		select {
		case <-s.room:
		default:
		}
	}
}

func (s *stream) take(reply *motan.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.waiting[reply.ID]
	if !ok {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: an answer that nobody waits for", s.call(reply.ID)))
		return
	}
	delete(s.waiting, reply.ID)
	s.answered[reply.ID] = ""
	x, failed := reply.Exception()
	switch {
	case failed:
		s.answered[reply.ID] = x.Message
	case !bytes.Equal(reply.Body(), body):
		s.wrong = append(s.wrong, fmt.Sprintf("%s: an answer of %d bytes that is not the %d sent", s.call(reply.ID), len(reply.Body()), len(body)))
	default:
		s.good.Add(1)
	}
	s.closeWhenDone()
}

// account is what became of the calls of several streams. Calls are named as the witness names them.
type account struct {
	good       int
	failed     map[string]string // answered with an exception: its message
	unanswered map[string]bool   // sent, or at least begun to be
	wrong      []string
}

// settle waits until the streams have ended and sums them up.
func settle(streams []*stream) account {
	a := account{failed: make(map[string]string), unanswered: make(map[string]bool)}
	for _, s := range streams {
		s.done.Wait()
		a.good += int(s.good.Load())
		a.wrong = append(a.wrong, s.wrong...)
		for id, message := range s.answered {
			if message != "" {
				a.failed[s.call(id)] = message
			}
		}
		for id := range s.waiting {
			a.unanswered[s.call(id)] = true
		}
	}
	return a
}

// startStreams starts n streams and waits until each has had some answers.
func startStreams(t testing.TB, name, addr string, n int) []*stream {
	t.Helper()
	bodies := newRandomBytes(1 << 20)
	streams := make([]*stream, n)
	for i := range streams {
		most := 16 << 10
		if i%8 == 0 {
			most = 512 << 10
		}
		streams[i] = startStream(t, name+strconv.Itoa(i), addr, bodies, most, 4)
	}
	for _, s := range streams {
		await(t, "answers for "+s.name, func() bool { return s.good.Load() >= 20 })
	}
	return streams
}

// reached tells whether w has seen every call of streams that send nothing further.
func reached(streams []*stream, w *witness) bool {
	seen := w.sightings()
	for _, s := range streams {
		s.mu.Lock()
		all := s.stopped
		for id := range s.waiting {
			all = all && seen[s.call(id)] > 0
		}
		s.mu.Unlock()
		if !all {
			return false
		}
	}
	return true
}

// stopStreams returns when all that the streams have to send has left them: only then may a test say that they had
// stopped before something else happened.
func stopStreams(streams []*stream) {
	for _, s := range streams {
		close(s.stop)
	}
	for _, s := range streams {
		<-s.silent
	}
}
