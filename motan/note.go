package motan

import "slices"

// note is what a filter has noted with a call.
type note struct {
	of    Filter
	value any
}

// Note keeps value with the call until the same filter, which must be a pointer, asks for it with
// [Call.Noted]: what Request knows and Reply needs. A pointer is kept without an allocation. A
// filter may note several values.
func (c *Call) Note(of Filter, value any) { c.notes = append(c.notes, note{of, value}) }

// Noted takes the value that the filter has noted last; nil where there is none.
func (c *Call) Noted(of Filter) any {
	if len(c.notes) == 0 {
		return nil
	}
	return c.noted(of)
}

func (c *Call) noted(of Filter) any {
	for i, n := range slices.Backward(c.notes) {
		if n.of == of {
			last := len(c.notes) - 1
			copy(c.notes[i:], c.notes[i+1:])
			c.notes[last] = note{}
			c.notes = c.notes[:last]
			return n.value
		}
	}
	return nil
}

// Keep is called by a filter in its Reply to stop the call on its way back after that filter: h
// gets the call, and with it the ownership, and ends it later, which goes on with the filters outside.
func (c *Call) Keep(h Handler) { c.keeper = h }

// kept hands the call to who keeps it, where a filter of h has said so; the filters below i have
// not seen the call's end.
func (c *Call) kept(h *Chain, i int) bool {
	keeper := c.keeper
	if keeper == nil {
		return false
	}
	c.keeper = nil
	c.Push(h, i)
	keeper.Handle(c)
	return true
}
