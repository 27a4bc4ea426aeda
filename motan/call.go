package motan

import "sync"

// Call is one exchange on its way through the process: the request, and later the reply or
// the reason why there is none. It has one owner at each moment (see the package comment);
// only the owner touches it.
type Call struct {
	Request Frame // read-only once the filters are done, so that it can be sent again
	Reply   Frame // the answer, where Err is nil after the call has ended
	Err     *Error

	// Service, Group and Application are the names that the route gives the call: strings of
	// the configuration, not of the wire. Group is that of the node once one was chosen.
	Service     string
	Group       string
	Application string

	Remote   string  // IP of who sent the call; empty for a unix socket
	Endpoint string  // host:port of the node that was tried last; empty when none was
	Start    int64   // when the call came in, see [Now]
	Deadline int64   // when it must have ended; 0 means nobody has decided yet
	Attempts int     // how often it was sent, or tried to be
	Reached  bool    // an attempt before the present one has reached a provider, or may have
	Target   Handler // whom the present attempt goes to: set by the cluster, for the end of the attempt's chain
	// AttemptStart is when the present attempt began; Start where there are no attempts.
	AttemptStart int64

	// Batch is the batch of whoever runs the call at the moment; nil outside a connection's
	// reader, where what is written is flushed at once. Who takes the call to another
	// goroutine sets it to nil.
	Batch *Batch

	stack [stackDepth]entry
	depth int

	notes  []note
	keeper Handler // who keeps the call on its way back; nil outside a Reply that has called Keep
}

// stackDepth is how many may wait for a call's end: chains around route and endpoint, the
// cluster, the edge, and room for filters that keep state of their own.
const stackDepth = 12

type entry struct {
	to   Returner
	mark int
}

// Returner is told when a call that it pushed itself onto has ended.
type Returner interface {
	// Return is called once, by whoever ended the call, with the mark given to Push. It
	// returns true when it lets the end go on to the one below it, and false when it keeps
	// the call: it then owns it, and ends it again later, hands it to a Handler again, or is
	// the edge and has released it.
	Return(c *Call, mark int) bool
}

// Handler is anything that can answer a call: a route, a chain of filters, a cluster, an
// endpoint, a connection, a provider.
type Handler interface {
	// Handle takes the call and with it the ownership; it returns at once. Whoever has the
	// answer ends the call, then or later, from any goroutine. Handle must not block: what
	// takes time does so on a goroutine of its own.
	Handle(c *Call)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(c *Call)

// Handle calls h.
func (h HandlerFunc) Handle(c *Call) { h(c) }

var calls = sync.Pool{New: func() any { return new(Call) }}

// NewCall returns an empty call that begins now. The edge that made it releases it.
func NewCall() *Call { return newCall(Now()) }

// newCall is NewCall for who knows the time.
func newCall(now int64) *Call {
	c := calls.Get().(*Call)
	c.Start, c.AttemptStart = now, now
	return c
}

// Release gives the call back for reuse. Only the edge may do so, after the call has ended.
func (c *Call) Release() {
	c.Request.Reset()
	c.Reply.Reset()
	c.Err = nil
	c.Service, c.Group, c.Application = "", "", ""
	c.Remote, c.Endpoint = "", ""
	c.Start, c.Deadline, c.Attempts, c.AttemptStart = 0, 0, 0, 0
	c.Batch, c.Target, c.Reached = nil, nil, false
	clear(c.stack[:c.depth]) // what has returned is cleared already
	c.depth = 0
	clear(c.notes) // what a filter noted that was cut out before its Reply
	c.notes, c.keeper = c.notes[:0], nil
	calls.Put(c)
}

// Now is the time at which the running batch began, or the present one outside a batch.
func (c *Call) Now() int64 {
	if c.Batch != nil {
		return c.Batch.Now
	}
	return Now()
}

// Push asks for r to be told when the call ends, with mark.
func (c *Call) Push(r Returner, mark int) {
	c.stack[c.depth] = entry{r, mark}
	c.depth++
}

// End ends the call: with Reply where Err is nil. Whoever calls it must own the call and may
// not touch it afterwards.
func (c *Call) End() {
	for c.depth > 0 {
		c.depth--
		top := c.stack[c.depth]
		c.stack[c.depth].to = nil
		if !top.to.Return(c, top.mark) {
			return
		}
	}
}

// Fail ends the call with err.
func (c *Call) Fail(err *Error) {
	c.Err = err
	c.End()
}

// Retry forgets an outcome, so that the call can be handed to another Handler.
func (c *Call) Retry() {
	c.Err = nil
	c.Reply.Reset()
}

// Unreached tells whether the call, which has ended, has found nobody: no node is known, or none can be connected to, and no byte
// of it was sent in any attempt. Then it may be answered in another way.
func (c *Call) Unreached() bool {
	switch {
	case c.Reached:
		return false
	case c.Err != nil:
		return c.Err.Kind == KindNoEndpoint || c.Err.Kind == KindNotSent && c.Err.Code == CodeNoChannel
	}
	x, failed := c.Reply.Exception()
	return failed && x.Code == CodeNoEndpoints && x.Type != TypeBiz
}

// Failed tells whether the call ended without a good answer: an error, or an exception that
// is not the implementation's own (errtype 2). Such calls count against a node. An attempt that was dropped has not failed.
func (c *Call) Failed() bool {
	if c.Err != nil {
		return c.Err.Kind != KindDropped
	}
	x, ok := c.Reply.Exception()
	return ok && x.Type != TypeBiz
}
