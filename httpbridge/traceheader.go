package httpbridge

import "github.com/motand/motand/motan"

// traceValueBytes bounds the value of a header that carries a trace, as W3C Trace Context asks of tracestate.
const traceValueBytes = 512

// traceKeys are the headers that carry a trace (W3C Trace Context and B3), as the metadata that they are.
var traceKeys = [...]string{
	"traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
}

// traceKey is the metadata that a header with a trace is, whatever its case; empty for all other headers.
func traceKey(name []byte) string {
	if len(name) < 2 || len(name) > len("x-b3-parentspanid") {
		return ""
	}
	switch name[0] | 0x20 {
	case 't', 'b', 'x':
	default:
		return ""
	}
	var lower [len("x-b3-parentspanid")]byte
	text := toLower(lower[:0], name)
	for _, key := range traceKeys {
		if string(text) == key {
			return key
		}
	}
	return ""
}

// setTrace takes over a header if it carries a trace, and tells whether it does. What cannot be right is left out, as
// W3C Trace Context has it: the call is made all the same.
func setTrace(f *motan.Frame, name, value []byte) bool {
	key := traceKey(name)
	if key == "" {
		return false
	}
	if len(value) <= traceValueBytes && isVisible(value) {
		f.SetBytes(key, value)
	}
	return true
}
