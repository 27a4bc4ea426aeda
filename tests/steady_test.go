package tests

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/tests/bench/latency"
)

// steady is callers that together make some calls a second for as long as they are not stopped, whether those before are
// answered or not, and check every answer. Its limit is how many may wait for an answer: what is not sent because of that is
// counted.
type steady struct {
	t       testing.TB
	callers []*steadyCaller
	stop    chan struct{} // closed: nothing further is sent
	wait    sync.WaitGroup
}

// steadyTick is how often calls are sent: all that are due together.
const steadyTick = 10 * time.Millisecond

// steadyLimit is how many calls of one connection may wait for their answer: motand reads no more than 4096.
const steadyLimit = 2000

// tally is what became of calls.
type tally struct {
	sent, good int
	held       int            // due, and not sent since too many waited for their answer
	failed     map[string]int // exceptions by code and message, with numbers left out
	wrong      []string       // what must never happen
	latency    latency.Histogram
}

type steadyCaller struct {
	s        *steady
	pipe     *pipe
	requests func(body []byte) (service string, pairs []string)
	interval time.Duration // between two calls

	mu      sync.Mutex
	waiting map[uint64]sentCall // guarded by mu
	stopped bool                // guarded by mu
	tally   *tally              // guarded by mu
}

type sentCall struct {
	body []byte
	at   time.Time
}

// startSteady makes rate calls a second of com.example.Both at addr, over some connections, until the test ends.
func startSteady(t testing.TB, addr string, rate int) *steady {
	t.Helper()
	return startSteadyOf(t, addr, rate, func([]byte) (string, []string) {
		return "com.example.Both", []string{"M_g", "demo"}
	})
}

// startSteadyOf is startSteady for the service, and with the metadata, that requests returns for a body.
func startSteadyOf(t testing.TB, addr string, rate int, requests func(body []byte) (service string, pairs []string)) *steady {
	t.Helper()
	const connections = 8
	s := &steady{t: t, stop: make(chan struct{})}
	for range connections {
		c := &steadyCaller{
			s: s, pipe: newPipe(t, addr), requests: requests, interval: connections * time.Second / time.Duration(rate),
			waiting: make(map[uint64]sentCall), tally: newTally(),
		}
		s.callers = append(s.callers, c)
		s.wait.Go(c.send)    // ends with stop or the connection
		s.wait.Go(c.receive) // ends with the connection, which is closed after the last answer
	}
	t.Cleanup(func() { s.end(); s.wait.Wait() })
	await(t, "the first answers", func() bool { return s.count().good >= connections })
	return s
}

func newTally() *tally { return &tally{failed: make(map[string]int)} }

// end has nothing further be sent.
func (s *steady) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
}

// take returns what became of the calls answered since take was last called.
func (s *steady) take() *tally { return s.sum(true) }

// count is take without forgetting.
func (s *steady) count() *tally { return s.sum(false) }

func (s *steady) sum(forget bool) *tally {
	all := newTally()
	for _, c := range s.callers {
		c.mu.Lock()
		all.add(c.tally)
		if forget {
			c.tally = newTally()
		}
		c.mu.Unlock()
	}
	return all
}

// answers waits until n more calls have had good answers.
func (s *steady) answers(n int) {
	s.t.Helper()
	from := s.count().good
	await(s.t, strconv.Itoa(n)+" good answers", func() bool { return s.count().good >= from+n })
}

// goOn lets calls be made for some time.
func (s *steady) goOn(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// finish sends nothing further, waits for all answers, and returns what take would. A call without an answer is wrong.
func (s *steady) finish() *tally {
	s.t.Helper()
	s.end()
	s.wait.Wait()
	a := s.take()
	for _, c := range s.callers {
		if n := len(c.waiting); n > 0 {
			a.wrong = append(a.wrong, fmt.Sprintf("%d calls have no answer", n))
		}
	}
	return a
}

func (a *tally) add(b *tally) {
	a.sent, a.good, a.held = a.sent+b.sent, a.good+b.good, a.held+b.held
	for kind, n := range b.failed {
		a.failed[kind] += n
	}
	a.wrong = append(a.wrong, b.wrong...)
	a.latency.Merge(&b.latency)
}

// String tells counts and latencies.
func (a *tally) String() string {
	ms := func(q float64) string {
		return a.latency.Quantile(q).Round(10 * time.Microsecond).String()
	}
	text := fmt.Sprintf("%d good, p50 %s, p99 %s, max %s", a.good, ms(0.5), ms(0.99), a.latency.Max().Round(10*time.Microsecond))
	if len(a.failed) > 0 {
		text += fmt.Sprintf(", failed %v", a.failed)
	}
	if a.held > 0 {
		text += fmt.Sprintf(", %d not sent", a.held)
	}
	return text
}

// failures is how many calls were answered with an exception.
func (a *tally) failures() int {
	n := 0
	for x := range maps.Values(a.failed) {
		n += x
	}
	return n
}

// clean notes what was counted while something happened, and fails the test where calls suffered from it.
func (a *tally) clean(t testing.TB, while string) {
	t.Helper()
	note(t, while, a)
	for _, text := range a.wrong {
		t.Errorf("%s: %s", while, text)
	}
	if a.failures() > 0 {
		t.Errorf("%s: %d of %d calls failed: %v", while, a.failures(), a.failures()+a.good, a.failed)
	}
	if a.good == 0 {
		t.Errorf("%s: no call was answered", while)
	}
}

func (c *steadyCaller) send() {
	tick := time.NewTicker(steadyTick)
	defer tick.Stop()
	bodies := newRandomBytes(64 << 10)
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	id := uint64(0)
	for due := time.Now(); ; {
		select {
		case <-c.s.stop:
			c.mu.Lock()
			c.stopped = true
			c.closeWhenDone()
			c.mu.Unlock()
			return
		case <-tick.C:
		}
		now := time.Now()
		for ; due.Before(now); due = due.Add(c.interval) {
			id++
			c.queue(id, bodies.cut(r, 2<<10), now)
		}
		if c.pipe.flush() != nil { // the other end has gone, which receive notices as well
			return
		}
	}
}

// queue adds a call to what is sent next, unless too many wait.
func (c *steadyCaller) queue(id uint64, body []byte, now time.Time) {
	c.mu.Lock()
	room := len(c.waiting) < steadyLimit
	if room {
		c.waiting[id] = sentCall{body, now}
		c.tally.sent++
	} else {
		c.tally.held++
	}
	c.mu.Unlock()
	if room {
		service, pairs := c.requests(body)
		c.pipe.queue(motantest.Request(service, "echo", body, pairs...), id)
	}
}

// closeWhenDone ends the connection once nothing is sent and nothing is waited for. Caller holds mu.
func (c *steadyCaller) closeWhenDone() {
	if c.stopped && len(c.waiting) == 0 {
		c.pipe.conn.Close()
	}
}

var numbers = regexp.MustCompile(`[0-9]+`)

func (c *steadyCaller) receive() {
	defer c.pipe.conn.Close()
	for {
		reply, err := c.pipe.receive()
		if err != nil {
			return
		}
		c.mu.Lock()
		call, ok := c.waiting[reply.ID]
		delete(c.waiting, reply.ID)
		x, failed := reply.Exception()
		switch {
		case !ok:
			c.tally.wrong = append(c.tally.wrong, "an answer that nobody waits for")
		case failed:
			c.tally.failed[strconv.Itoa(x.Code)+" "+numbers.ReplaceAllString(x.Message, "N")]++
		case !bytes.Equal(reply.Body(), call.body):
			c.tally.wrong = append(c.tally.wrong, "an answer that is not what was sent")
		default:
			c.tally.good++
			c.tally.latency.Add(time.Since(call.at))
		}
		c.closeWhenDone()
		c.mu.Unlock()
	}
}
