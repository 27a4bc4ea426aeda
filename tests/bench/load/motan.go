package load

import (
	"context"
	"fmt"
	"net"
	"time"
)

const (
	readBuffer = 256 << 10
	// inlineBytes is how much may be in flight on a connection for requests to be written by the goroutine that reads: what
	// the buffers of sockets take at any rate. More could make both sides wait for the other one to read.
	inlineBytes = 64 << 10
	slotBits    = 16
)

// Motan is a closed loop over Motan2: Conns connections, each with InFlight calls at any time.
type Motan struct {
	Target   Target
	Request  Request
	Conns    int
	InFlight int // 65,536 at most
	Duration time.Duration
}

// Run makes calls for the time of Duration and returns when all are answered. Its error says why it could not: the
// target cannot be reached, has closed a connection or answers something else than what was asked.
func (m Motan) Run(ctx context.Context) (*Result, error) {
	if m.InFlight < 1 || m.InFlight > 1<<slotBits {
		return nil, fmt.Errorf("load: %d calls in flight on a connection; 1 to %d are possible", m.InFlight, 1<<slotBits)
	}
	end := time.Now().Add(m.Duration)
	return parallel(ctx, m.Conns, m.Duration, func(ctx context.Context, _ int, r *Result) error {
		conn, done, err := dial(ctx, m.Target)
		if err != nil {
			return err
		}
		defer done()
		l := &motanLoop{conn: conn, request: &m.Request, replies: replies{want: m.Request.body}, slots: make([]slot, m.InFlight), end: end, result: r}
		if err := l.run(); err != nil {
			return failed(ctx, m.Target.String(), err)
		}
		return nil
	})
}

// slot is one of the calls that a connection has in flight.
type slot struct {
	id    uint64 // of the call that is in flight: its turn, then the slot's index
	since time.Time
}

// motanLoop is one connection.
type motanLoop struct {
	conn    net.Conn
	request *Request
	replies replies
	slots   []slot
	end     time.Time
	result  *Result

	out      []byte
	inFlight int
	queue    chan uint64 // ids for the goroutine that writes; nil where the one that reads does
}

func (l *motanLoop) run() error {
	if (len(l.request.head)+len(l.request.body))*len(l.slots) <= inlineBytes {
		return l.loop()
	}
	l.queue = make(chan uint64, len(l.slots))
	var failure error
	written := make(chan struct{})
	go func() { // ends when queue is closed or the connection is
		defer close(written)
		failure = l.write()
	}()
	err := l.loop()
	close(l.queue)
	if err != nil {
		l.conn.Close() // what write says then comes of it
	}
	<-written
	if err != nil {
		return err
	}
	return failure
}

// loop begins a call in each slot, and then, as calls are answered, the next ones.
func (l *motanLoop) loop() error {
	now := time.Now()
	for i := range l.slots {
		l.begin(i, now)
	}
	if err := l.flush(); err != nil {
		return err
	}
	buf := make([]byte, readBuffer)
	to := 0
	for l.inFlight > 0 {
		n, err := l.conn.Read(buf[to:])
		if err != nil {
			return fmt.Errorf("read with %d calls in flight: %w", l.inFlight, err)
		}
		to += n
		used, err := l.take(buf[:to])
		if err != nil {
			return err
		}
		to = copy(buf, buf[used:to])
		if err := l.flush(); err != nil {
			return err
		}
	}
	return nil
}

// take handles the replies in data.
func (l *motanLoop) take(data []byte) (used int, err error) {
	now := time.Now()
	for used < len(data) {
		n, id, ok, done, err := l.replies.next(data[used:])
		if err != nil {
			return used, err
		}
		used += n
		if !done {
			if n == 0 || used == len(data) {
				return used, nil
			}
			continue
		}
		if err := l.answered(id, ok, now); err != nil {
			return used, err
		}
	}
	return used, nil
}

// answered counts the reply to id and begins the next call of its slot.
func (l *motanLoop) answered(id uint64, ok bool, now time.Time) error {
	i := int(id & (1<<slotBits - 1))
	if i >= len(l.slots) || l.slots[i].id != id || id == 0 {
		return fmt.Errorf("a reply to %#x, which is not in flight", id)
	}
	l.inFlight--
	if ok {
		l.result.Calls++
		l.result.Latency.Add(now.Sub(l.slots[i].since))
	} else if l.result.Errors++; l.result.Errors > tooManyErrors {
		return fmt.Errorf("over %d calls were answered with an exception", tooManyErrors)
	}
	if now.Before(l.end) {
		l.begin(i, now)
	} else {
		l.slots[i].id = 0
	}
	return nil
}

// begin makes a call in slot i. It is on its way after the next flush.
func (l *motanLoop) begin(i int, now time.Time) {
	s := &l.slots[i]
	s.id = (s.id>>slotBits+1)<<slotBits | uint64(i)
	s.since = now
	l.inFlight++
	if l.queue != nil {
		l.queue <- s.id // has room for every slot
		return
	}
	l.out = append(l.request.appendHead(l.out, s.id), l.request.body...)
}

func (l *motanLoop) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.conn.Write(l.out)
	l.out = l.out[:0]
	return err
}

// write writes the requests of queue until it is closed; those that wait are written at once.
func (l *motanLoop) write() error {
	heads := make([]byte, 0, len(l.slots)*len(l.request.head))
	var pieces [][]byte
	for id := range l.queue {
		heads, pieces = heads[:0], pieces[:0]
		for more := true; more; {
			at := len(heads)
			heads = l.request.appendHead(heads, id)
			pieces = append(pieces, heads[at:], l.request.body)
			select {
			case id, more = <-l.queue:
			default:
				more = false
			}
		}
		buffers := net.Buffers(pieces)
		if _, err := buffers.WriteTo(l.conn); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}
