package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// openWindow is how many calls a connection of an open loop may have in flight; a target that falls so far behind
// cannot keep the rate.
const openWindow = 1 << 15

// Open is an open loop over Motan2: calls begin at random moments, Rate of them each second on average, spread over
// Conns connections, whether earlier ones are answered or not. Latencies count from the moment at which a call should
// have begun, so that a stall is felt by all calls that fall into it.
type Open struct {
	Target   Target
	Request  Request
	Conns    int
	Rate     float64 // calls each second
	Duration time.Duration
}

// Run makes calls for the time of Duration and returns when all are answered. Beyond the errors of [Motan] it is one
// when the target falls behind by 32,768 calls on a connection.
func (o Open) Run(ctx context.Context) (*Result, error) {
	if o.Rate <= 0 || o.Rate > 10e6 || o.Conns < 1 {
		return nil, fmt.Errorf("load: open loop of %g calls/s on %d connections; a positive rate of 10 million at most and a connection are needed", o.Rate, o.Conns)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Duration+grace)
	defer cancel()
	conns := make([]*openConn, o.Conns)
	for i := range conns {
		conn, done, err := dial(ctx, o.Target)
		if err != nil {
			return nil, err
		}
		defer done()
		conns[i] = &openConn{conn: conn, request: &o.Request, replies: replies{want: o.Request.body}, result: newResult()}
	}
	start := time.Now()
	errs := make([]error, len(conns)+1)
	var wait sync.WaitGroup
	for i, c := range conns {
		wait.Go(func() { // ends with the last reply, or with the connection when ctx ends
			if errs[i] = c.receive(start); errs[i] != nil {
				errs[i] = failed(ctx, o.Target.String(), errs[i])
				cancel()
			}
		})
	}
	if errs[len(conns)] = o.send(ctx, conns, start); errs[len(conns)] != nil {
		cancel()
	}
	wait.Wait()
	all := newResult()
	all.Elapsed = time.Since(start)
	for _, c := range conns {
		all.add(c.result)
	}
	return all, first(errs)
}

// send begins the calls. It sleeps by the system's own clock: a Go timer comes up to a millisecond late.
func (o Open) send(ctx context.Context, conns []*openConn, start time.Time) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sharpen()
	gap := float64(time.Second) / o.Rate
	random := rand.New(rand.NewPCG(1, 2)) // the same moments for every contender
	due, turn := time.Duration(0), 0
	for due < o.Duration {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := time.Since(start)
		if due > now {
			sleep(due - now)
			continue
		}
		for ; due <= now && due < o.Duration; turn++ {
			if err := conns[turn%len(conns)].begin(due); err != nil {
				return err
			}
			due += time.Duration(random.ExpFloat64() * gap)
		}
		for _, c := range conns {
			if err := c.flush(); err != nil {
				return failed(ctx, o.Target.String(), err)
			}
		}
	}
	for _, c := range conns {
		if err := c.finish(); err != nil {
			return failed(ctx, o.Target.String(), err)
		}
	}
	return nil
}

// openConn is one connection of an open loop: one goroutine sends, one receives.
type openConn struct {
	conn    net.Conn
	request *Request

	out  []byte // of who sends
	sent uint64 // of who sends; ids are 1, 2, 3 …

	due   [openWindow]atomic.Int64 // by id modulo its length: when the call should have begun, in ns since the start, +1; 0 is free
	last  atomic.Uint64            // how many calls there are in all; 0 while that is not known
	ended atomic.Uint64            // calls that were answered

	replies replies // of who receives, as the following
	result  *Result
}

// begin makes a call that should have begun due after the start. It is on its way after the next flush.
func (c *openConn) begin(due time.Duration) error {
	id := c.sent + 1
	s := &c.due[id%openWindow]
	if s.Load() != 0 {
		return fmt.Errorf("load: %d calls are not answered yet, %d were: the target cannot keep the rate", c.sent-c.ended.Load(), c.ended.Load())
	}
	s.Store(int64(due) + 1)
	c.sent = id
	c.out = append(c.request.appendHead(c.out, id), c.request.body...)
	return nil
}

func (c *openConn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// finish makes a last call that only wakes up who receives, and tells that there will be no more.
func (c *openConn) finish() error {
	c.last.Store(c.sent + 1)
	if err := c.begin(-1); err != nil { // -1+1: it is not counted
		return err
	}
	return c.flush()
}

// receive reads replies until all calls are answered.
func (c *openConn) receive(start time.Time) error {
	buf := make([]byte, readBuffer)
	to := 0
	for {
		n, err := c.conn.Read(buf[to:])
		if err != nil {
			return fmt.Errorf("read after %d replies: %w", c.ended.Load(), err)
		}
		to += n
		now := int64(time.Since(start))
		used := 0
		for used < to {
			n, id, ok, done, err := c.replies.next(buf[used:to])
			if err != nil {
				return err
			}
			used += n
			if !done {
				break
			}
			if err := c.answered(id, ok, now); err != nil {
				return err
			}
		}
		to = copy(buf, buf[used:to])
		if last := c.last.Load(); last != 0 && c.ended.Load() == last {
			return nil
		}
	}
}

func (c *openConn) answered(id uint64, ok bool, now int64) error {
	due := c.due[id%openWindow].Swap(0)
	last := c.last.Load()
	c.ended.Add(1)
	switch {
	case last != 0 && id == last:
	case due == 0:
		return fmt.Errorf("a reply to %d, which is not in flight", id)
	case ok:
		c.result.Calls++
		c.result.Latency.Add(time.Duration(now - due + 1))
	default:
		if c.result.Errors++; c.result.Errors > tooManyErrors {
			return fmt.Errorf("over %d calls were answered with an exception", tooManyErrors)
		}
	}
	return nil
}
