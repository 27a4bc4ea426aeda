package trace

import (
	"bytes"

	"github.com/motand/motand/motan"
)

// Read finds the trace in the metadata of f: traceparent, else b3, else the keys x-b3-*. It returns the zero Context
// where there is none. Names count in any case: some peers write them as HTTP headers are written.
func Read(f *motan.Frame) (c Context) {
	var parent Context
	var single, trace, span, sampled, flags []byte
	for name, value := range f.All() {
		if len(name) < len(keyB3) || len(name) > len(keyTraceID) {
			continue
		}
		switch name[0] {
		case 't', 'T', 'b', 'B', 'x', 'X':
		default:
			continue
		}
		switch {
		case is(name, KeyParent):
			if p, ok := ParseParent(value); ok {
				parent = p
			}
		case is(name, keyB3):
			single = value
		case is(name, keyTraceID):
			trace = value
		case is(name, keySpanID):
			span = value
		case is(name, keySampled):
			sampled = value
		case is(name, keyFlags):
			flags = value
		}
	}
	switch {
	case parent.Valid():
		return parent
	case len(single) > 0:
		return parseB3(single)
	}
	c = contextB3(trace, span)
	c.Recorded = decisionB3(sampled)
	if string(flags) == "1" {
		c.Recorded = Yes
	}
	return c
}

func is(name []byte, key string) bool {
	return string(name) == key || len(name) == len(key) && bytes.EqualFold(name, []byte(key))
}

// parseB3 reads the one key b3: trace-span, trace-span-decision, trace-span-decision-parent, or a decision alone.
func parseB3(text []byte) Context {
	trace, rest, more := bytes.Cut(text, []byte("-"))
	if !more {
		return Context{Recorded: decisionB3(text)}
	}
	span, rest, _ := bytes.Cut(rest, []byte("-"))
	sampled, _, _ := bytes.Cut(rest, []byte("-"))
	c := contextB3(trace, span)
	c.Recorded = decisionB3(sampled)
	return c
}

// contextB3 reads the two ids; the trace's may be of 64 bits.
func contextB3(trace, span []byte) (c Context) {
	to := c.Trace[:]
	if len(trace) == 16 {
		to = c.Trace[8:]
	}
	if !decodeID(to, trace) || !decodeID(c.Span[:], span) || !c.Valid() {
		return Context{}
	}
	return c
}

func decisionB3(text []byte) Decision {
	switch string(text) {
	case "1", "d", "true":
		return Yes
	case "0", "false":
		return No
	}
	return Undecided
}
