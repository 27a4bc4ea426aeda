package motan

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// largeBody is the size from which a body travels on another connection than small ones, so
// that they do not wait behind it.
const largeBody = 64 << 10

// Client is a provider's address and the few connections to it. Small calls share the first
// connection, which makes for large batches; large ones take turns on the others.
//
// An agent may know ten thousand addresses and call a few of them, so a client is little more than
// the address: a Conn is made for the first call that needs it.
type Client struct {
	addr  string
	opts  ConnOptions
	conns []atomic.Pointer[Conn] // nil until needed; stored under mu
	turn  atomic.Uint32

	mu   sync.Mutex
	gone atomic.Bool // set under mu: a Conn that is made now is closed
}

var _ Handler = (*Client)(nil)

// NewClient returns a client with n connections to addr, none of them made yet; n is at least 1.
func NewClient(addr string, n int, opts ConnOptions) *Client {
	return &Client{addr: addr, opts: opts, conns: make([]atomic.Pointer[Conn], max(n, 1))}
}

// Addr is the address as it was given.
func (c *Client) Addr() string { return c.addr }

// Handle sends the call on one of the connections.
func (c *Client) Handle(call *Call) {
	i := 0
	if rest := uint32(len(c.conns) - 1); rest > 0 && len(call.Request.Body()) > largeBody {
		i = 1 + int(c.turn.Add(1)%rest)
	}
	n := c.conns[i].Load()
	if n == nil {
		n = c.make(i)
	}
	n.Handle(call)
}

// make returns connection i, which is made unless another call has done so.
func (c *Client) make(i int) *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.conns[i].Load()
	if n == nil {
		n = NewConn(c.addr, c.opts)
		if c.gone.Load() {
			n.Close() // it has nothing to wait for
		}
		c.conns[i].Store(n)
	}
	return n
}

// Usable tells whether the provider can be reached as far as is known.
func (c *Client) Usable() bool {
	if n := c.conns[0].Load(); n != nil {
		return n.Usable()
	}
	return !c.gone.Load()
}

// Conns are those of the client's connections that calls have asked for.
func (c *Client) Conns() []*Conn {
	var all []*Conn
	for i := range c.conns {
		if n := c.conns[i].Load(); n != nil {
			all = append(all, n)
		}
	}
	return all
}

// InFlight is how many calls wait for a reply.
func (c *Client) InFlight() int {
	n := 0
	for i := range c.conns {
		if conn := c.conns[i].Load(); conn != nil {
			n += conn.InFlight()
		}
	}
	return n
}

// Close ends the connections; calls that wait fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.gone.Store(true)
	c.mu.Unlock()
	for _, n := range c.Conns() {
		n.Close()
	}
}

// waiter lets a goroutine wait for the end of a call.
type waiter struct{ done chan struct{} }

var waiters = sync.Pool{New: func() any { return &waiter{done: make(chan struct{}, 1)} }}

func (w *waiter) Return(*Call, int) bool {
	w.done <- struct{}{}
	return false
}

var batches = sync.Pool{New: func() any { return new(Batch) }}

// Hand does h.Handle(c) for a caller that has a goroutine for each call, such as an HTTP handler. Callers that do so at
// the same moment share the writes, as the calls of one reader do: each lets the others go first and then writes
// what they have left.
func Hand(h Handler, c *Call) {
	b := batches.Get().(*Batch)
	b.Now = Now()
	c.Batch = b
	h.Handle(c)
	b.share()
}

// Settle does c.End() for a caller that has a goroutine for each call; see Hand.
func Settle(c *Call) {
	b := batches.Get().(*Batch)
	b.Now = Now()
	c.Batch = b
	c.End()
	b.share()
}

// share ends the batch of a goroutine.
func (b *Batch) share() {
	b.yield()
	b.flush()
	batches.Put(b)
}

// Do hands c to h and waits until it has ended. Afterwards the caller owns c again. It is for
// callers with a goroutine to spare: HTTP handlers, commands, tests. The call's Deadline has
// to end it; Do does not give up by itself.
func Do(h Handler, c *Call) {
	w := waiters.Get().(*waiter)
	c.Push(w, 0)
	Hand(h, c)
	<-w.done
	c.Batch = nil
	waiters.Put(w)
}

// Ping sends a heartbeat on a connection of its own to addr and waits for the answer.
func Ping(ctx context.Context, addr string, opts ConnOptions) error {
	n := NewConn(addr, opts)
	conn, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	beat := Frame{Serialize: SerializeSimple << 3}
	if _, err := conn.Write(beat.AppendTo(nil, 1, FlagHeartbeat|FlagProxy)); err != nil {
		return err
	}
	r := newReader(conn, 0, 0) // ctx bounds it
	defer r.drop()
	for {
		frame, err := r.next()
		if err != nil || frame != nil {
			return err
		}
		if err := r.more(); err != nil {
			return err
		}
	}
}
