package motan

import (
	"slices"
	"sync/atomic"
)

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
	// Reply sees it on its way back, in reverse order, if Request returned Next or Held. It must
	// not block either; see [Call.Keep] for what takes time.
	Reply(c *Call)
}

// Guard is a filter that may be anybody's, with what is done when it panics. A Chain calls the
// filter itself: a guard costs a few nanoseconds for each chain that has any, and others nothing.
type Guard interface {
	Filter
	// Unguarded is the filter.
	Unguarded() Filter
	// Caught is told what the filter has panicked with: err is what the call ends with. From
	// then on instead, unless it is nil, takes the filter's place in the chain.
	Caught(value any) (err *Error, instead Filter)
}

// Chain is a Handler that leads calls through filters to the next Handler. Once it is built only
// a filter that panics is ever changed for another.
type Chain struct {
	plain   []Filter // where there are no guards
	filters atomic.Pointer[[]Filter]
	guards  []Guard // of the filters with the same index, nil where one has none; nil for no guards
	next    Handler
}

// NewChain returns next behind the filters, the first one outermost. Without filters it is
// next itself.
func NewChain(next Handler, filters ...Filter) Handler {
	if len(filters) == 0 {
		return next
	}
	own := slices.Clone(filters)
	if !slices.ContainsFunc(own, func(f Filter) bool { _, ok := f.(Guard); return ok }) {
		return &Chain{plain: own, next: next}
	}
	h := &Chain{guards: make([]Guard, len(own)), next: next}
	for i, f := range own {
		if g, ok := f.(Guard); ok {
			own[i], h.guards[i] = g.Unguarded(), g
		}
	}
	h.filters.Store(&own)
	return h
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
	if h.guards != nil {
		h.fromGuarded(c, top, i)
		return
	}
	for ; i < len(h.plain); i++ {
		c.stack[top].mark = i + 1 // before the filter can hold the call and resume it elsewhere
		switch h.plain[i].Request(c) {
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

func (h *Chain) fromGuarded(c *Call, top, i int) {
	switch i, v := h.request(c, top, i); v {
	case Next:
		h.next.Handle(c)
	case Answered:
		c.stack[top].mark = i - 1
		c.End()
	case Held:
	}
}

// request leads c through the filters from i on; end is behind the one that decided.
func (h *Chain) request(c *Call, top, i int) (end int, v Verdict) {
	end = i
	whole := false // recover is asked only where it has something to tell: it costs more than a filter
	defer func() {
		if !whole {
			h.caught(c, end, recover())
			end, v = end+1, Answered
		}
	}()
	filters := *h.filters.Load()
	for v = Next; v == Next && end < len(filters); end++ {
		c.stack[top].mark = end + 1
		v = filters[end].Request(c)
	}
	whole = true
	return end, v
}

// Return leads c back through the filters.
func (h *Chain) Return(c *Call, mark int) bool {
	if h.guards == nil {
		for i := mark - 1; i >= 0; i-- {
			h.plain[i].Reply(c)
			if c.keeper != nil && c.kept(h, i) {
				return false
			}
		}
		return true
	}
	for mark > 0 { // once, and once more for each that panics or keeps the call
		if mark = h.reply(c, mark); c.keeper != nil && c.kept(h, mark) {
			return false
		}
	}
	return true
}

// reply leads c back through the filters below i; left is how many have not seen it.
func (h *Chain) reply(c *Call, i int) (left int) {
	left = i
	whole := false
	defer func() {
		if !whole {
			h.caught(c, left, recover())
		}
	}()
	for filters := *h.filters.Load(); left > 0; {
		left--
		if filters[left].Reply(c); c.keeper != nil {
			break
		}
	}
	whole = true
	return left
}

// caught makes c fail because filter i has panicked with x. Without a guard the panic goes on.
func (h *Chain) caught(c *Call, i int, x any) {
	if h.guards[i] == nil {
		panic(x)
	}
	err, instead := h.guards[i].Caught(x)
	c.Err, c.keeper = err, nil
	if instead == nil {
		return
	}
	for {
		old := h.filters.Load()
		next := slices.Clone(*old)
		next[i] = instead
		if h.filters.CompareAndSwap(old, &next) {
			return
		}
	}
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
