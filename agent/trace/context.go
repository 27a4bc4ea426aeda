package trace

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
)

// The metadata that carries a trace from host to host. Agents write the first one and leave the second
// as it is; the others, of B3, are read where there is no traceparent.
const (
	KeyParent  = "traceparent"
	KeyState   = "tracestate"
	keyB3      = "b3"
	keyTraceID = "x-b3-traceid"
	keySpanID  = "x-b3-spanid"
	keySampled = "x-b3-sampled"
	keyFlags   = "x-b3-flags"
)

// Decision is whether the spans of a trace are recorded.
type Decision uint8

// The decisions. Undecided leaves it to who reads it.
const (
	Undecided Decision = iota
	No
	Yes
)

// Context is where a call stands in a trace: its trace, and the span that it is made by. The zero Context
// is that of a call that belongs to no trace.
type Context struct {
	Trace    [16]byte
	Span     [8]byte
	Recorded Decision
}

// Valid tells whether c has a trace and a span.
func (c *Context) Valid() bool { return c.Trace != [16]byte{} && c.Span != [8]byte{} }

// ParentBytes is the length of a traceparent.
const ParentBytes = 55

// Parent is c as a traceparent of W3C Trace Context, version 00.
func (c *Context) Parent() (text [ParentBytes]byte) {
	copy(text[:], "00-................................-................-00")
	hex.Encode(text[3:35], c.Trace[:])
	hex.Encode(text[36:52], c.Span[:])
	if c.Recorded == Yes {
		text[54] = '1'
	}
	return text
}

// ParseParent reads a traceparent. Versions to come, which may be longer, are read as far as they are known.
func ParseParent(text []byte) (c Context, ok bool) {
	if len(text) < ParentBytes || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return Context{}, false
	}
	version, ok := lowerHex(text[0:2])
	flags, flagged := lowerHex(text[53:55])
	if !ok || !flagged || version == 0xff || version == 0 && len(text) > ParentBytes || len(text) > ParentBytes && text[ParentBytes] != '-' {
		return Context{}, false
	}
	if !decodeID(c.Trace[:], text[3:35]) || !decodeID(c.Span[:], text[36:52]) || !c.Valid() {
		return Context{}, false
	}
	c.Recorded = No
	if flags&1 != 0 {
		c.Recorded = Yes
	}
	return c, true
}

// decodeID reads an id in lower case hexadecimal digits.
func decodeID(dst, text []byte) bool {
	if len(text) != 2*len(dst) {
		return false
	}
	for i := range dst {
		b, ok := lowerHex(text[2*i : 2*i+2])
		if !ok {
			return false
		}
		dst[i] = b
	}
	return true
}

func lowerHex(two []byte) (b byte, ok bool) {
	for _, d := range two {
		switch {
		case d >= '0' && d <= '9':
			b = b<<4 | (d - '0')
		case d >= 'a' && d <= 'f':
			b = b<<4 | (d - 'a' + 10)
		default:
			return 0, false
		}
	}
	return b, true
}

// NewContext is the beginning of a trace: a trace of its own and no span.
func NewContext() (c Context) {
	for c.Trace == [16]byte{} {
		fill(c.Trace[:8])
		fill(c.Trace[8:])
	}
	return c
}

// Child is c with a new span in the place of its own.
func (c Context) Child() Context {
	for fill(c.Span[:]); c.Span == [8]byte{}; {
		fill(c.Span[:])
	}
	return c
}

func fill(dst []byte) {
	n := rand.Uint64() // ids must be different, not secret
	for i := range dst {
		dst[i] = byte(n >> (8 * i))
	}
}

// Ratio is a share of traces, from 0 to 1, chosen by the trace so that all agents with the same share choose the same
// ones, and those with a larger share these as well.
type Ratio uint64

// NewRatio is the share.
func NewRatio(share float64) Ratio {
	if share >= 1 {
		return math.MaxInt64
	}
	return Ratio(max(share, 0) * math.MaxInt64)
}

// Has tells whether the trace of c is among the share.
func (r Ratio) Has(c *Context) bool {
	var n uint64
	for _, b := range c.Trace[8:] {
		n = n<<8 | uint64(b)
	}
	return r == math.MaxInt64 || n>>1 < uint64(r)
}
