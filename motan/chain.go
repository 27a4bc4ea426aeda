package motan

// Verdict is what a filter decides about a request.
type Verdict uint8

const (
	// Next lets the call go on.
	Next Verdict = iota
	// Answered means that the filter has set Reply or Err: the call ends here. The filters
	// before this one see it on the way back.
	Answered
	// Held means that the filter keeps the call and calls [Call.Resume], or [Call.End] after
	// it has set Batch to nil, later.
	Held
)

// Filter is one concern of governance around a service or around each attempt.
type Filter interface {
	// Request sees the call on its way to the provider. It must not block.
	Request(c *Call) Verdict
	// Reply sees it on its way back, in reverse order, if Request returned Next or Held.
	Reply(c *Call)
}

// Chain is a Handler that leads calls through filters to the next Handler. It is built once
// and never changed.
type Chain struct {
	filters []Filter
	next    Handler
}

// NewChain returns next behind the filters, the first one outermost. Without filters it is
// next itself.
func NewChain(next Handler, filters ...Filter) Handler {
	if len(filters) == 0 {
		return next
	}
	return &Chain{filters: filters, next: next}
}

var (
	_ Handler  = (*Chain)(nil)
	_ Returner = (*Chain)(nil)
)

// Handle leads c through the filters.
func (h *Chain) Handle(c *Call) {
	c.Push(h, 0)
	h.from(c, c.depth-1, 0)
}

// from goes on with filter i. The mark on the call's stack, at top, is how many filters want
// to see the way back.
func (h *Chain) from(c *Call, top, i int) {
	for ; i < len(h.filters); i++ {
		c.stack[top].mark = i + 1 // before the filter can hold the call and resume it elsewhere
		switch h.filters[i].Request(c) {
		case Answered:
			c.stack[top].mark = i
			c.End()
			return
		case Held:
			return
		}
	}
	h.next.Handle(c)
}

// Return leads c back through the filters.
func (h *Chain) Return(c *Call, mark int) bool {
	for i := mark - 1; i >= 0; i-- {
		h.filters[i].Reply(c)
	}
	return true
}

// Resume lets a call go on that a filter has held. The batch in which it was held is over.
func (c *Call) Resume() {
	c.Batch = nil
	for i := c.depth - 1; i >= 0; i-- {
		if h, ok := c.stack[i].to.(*Chain); ok {
			h.from(c, i, c.stack[i].mark)
			return
		}
	}
}
