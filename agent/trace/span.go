package trace

import "github.com/motand/motand/motan"

// Kind is what a span stands for, with OTLP's numbers.
type Kind uint8

// The kinds of spans.
const (
	Internal Kind = 1 // a call over all its attempts
	Server   Kind = 2 // a call that is answered on this host
	Client   Kind = 3 // an attempt: a request that goes to a node
)

// Span is a part of a trace: a call, or an attempt of one. Strings are of the configuration, names from the wire are
// copied. Times are those of [motan.Now].
type Span struct {
	Context
	Parent [8]byte // zero: it begins the trace
	Kind   Kind

	Role, Service, Group, Application string

	Method, Source, RequestID, Peer Name

	Start, End int64
	Attempts   int // of a call
	Outcome    string
	Code       int    // errcode; 0 for a good answer
	Message    string // of the error or exception
}

// Name is a copy of a name from the wire, cut after 128 bytes.
type Name struct {
	text [128]byte
	n    uint8
}

// Set makes the name a copy of text.
func (n *Name) Set(text []byte) { n.n = uint8(copy(n.text[:], text)) }

// SetString is [Name.Set].
func (n *Name) SetString(text string) { n.n = uint8(copy(n.text[:], text)) }

// Bytes is the name; it belongs to the span.
func (n *Name) Bytes() []byte { return n.text[:n.n] }

// end notes when the call was over, and how it ended.
func (s *Span) end(c *motan.Call) {
	s.End = c.Now()
	s.Outcome, s.Code, s.Message = outcome(c)
}

func outcome(c *motan.Call) (name string, code int, message string) {
	if c.Err != nil {
		return c.Err.Kind.String(), c.Err.Code, c.Err.Message
	}
	x, failed := c.Reply.Exception()
	switch {
	case !failed:
		return "ok", 0, ""
	case x.Type == motan.TypeBiz:
		return "biz_exception", x.Code, x.Message
	}
	return "exception", x.Code, x.Message
}
