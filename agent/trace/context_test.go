package trace

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

const (
	sampleParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" // of W3C Trace Context
	traceOfB3    = "80f198ee56343ba864fe8b2a57d3eff7"                        // of B3's description
	spanOfB3     = "e457b5a2e4d86bd1"
)

func TestParseParent(t *testing.T) {
	tests := []struct {
		name, text string
		want       Decision // Undecided: it cannot be read
	}{
		{"recorded", sampleParent, Yes},
		{"not recorded", strings.TrimSuffix(sampleParent, "01") + "00", No},
		{"other flags", strings.TrimSuffix(sampleParent, "01") + "fe", No},
		{"other flags as well", strings.TrimSuffix(sampleParent, "01") + "ff", Yes},
		{"a version to come", "cc" + sampleParent[2:] + "-what-comes", Yes},
		{"a version to come without more", "cc" + sampleParent[2:], Yes},
		{"empty", "", Undecided},
		{"short", sampleParent[:54], Undecided},
		{"version 00 with more", sampleParent + "-x", Undecided},
		{"a version to come run together", "cc" + sampleParent[2:] + "x", Undecided},
		{"no version", "ff" + sampleParent[2:], Undecided},
		{"no hexadecimal version", "0x" + sampleParent[2:], Undecided},
		{"upper case", strings.ToUpper(sampleParent), Undecided},
		{"no trace", "00-00000000000000000000000000000000-b7ad6b7169203331-01", Undecided},
		{"no span", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", Undecided},
		{"other separators", strings.ReplaceAll(sampleParent, "-", "_"), Undecided},
		{"no hexadecimal flags", sampleParent[:53] + "0g", Undecided},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := ParseParent([]byte(tt.text))
			if ok != (tt.want != Undecided) || c.Recorded != tt.want {
				t.Fatalf("got %v, %v, want %v", c, ok, tt.want)
			}
			if ok && (hex.EncodeToString(c.Trace[:]) != sampleParent[3:35] || hex.EncodeToString(c.Span[:]) != sampleParent[36:52]) {
				t.Errorf("got %x %x", c.Trace, c.Span)
			}
			if !ok && c != (Context{}) {
				t.Errorf("what cannot be read gives %v, want nothing", c)
			}
		})
	}
}

func TestParent(t *testing.T) {
	c, _ := ParseParent([]byte(sampleParent))
	if text := c.Parent(); string(text[:]) != sampleParent {
		t.Errorf("got %s, want %s", text, sampleParent)
	}
	child := c.Child()
	if child.Trace != c.Trace || child.Span == c.Span || !child.Valid() || child.Recorded != Yes {
		t.Errorf("child: got %v of %v", child, c)
	}
	begun := NewContext()
	if begun.Valid() || begun.Child().Trace != begun.Trace || begun.Trace == NewContext().Trace {
		t.Errorf("a beginning: got %v, want a trace of its own without a span", begun)
	}
}

func TestRead(t *testing.T) {
	tests := []struct {
		name     string
		metadata []string
		trace    string
		recorded Decision
	}{
		{"nothing", []string{"M_p", "x", "bb", "1", "x-b3-nothing", "2"}, "", Undecided},
		{"W3C", []string{"traceparent", sampleParent}, sampleParent[3:35], Yes},
		{"W3C as a header", []string{"Traceparent", sampleParent}, sampleParent[3:35], Yes},
		{"W3C before B3", []string{"b3", "0", "traceparent", sampleParent, "X-B3-Sampled", "0"}, sampleParent[3:35], Yes},
		{"W3C that cannot be read", []string{"traceparent", "00-nonsense", "b3", traceOfB3 + "-" + spanOfB3 + "-1"}, traceOfB3, Yes},
		{"B3", []string{"b3", traceOfB3 + "-" + spanOfB3 + "-1-05e3ac9a4f6e3b90"}, traceOfB3, Yes},
		{"B3 for debugging", []string{"b3", traceOfB3 + "-" + spanOfB3 + "-d"}, traceOfB3, Yes},
		{"B3 not recorded", []string{"b3", traceOfB3 + "-" + spanOfB3 + "-0"}, traceOfB3, No},
		{"B3 undecided", []string{"b3", traceOfB3 + "-" + spanOfB3}, traceOfB3, Undecided},
		{"B3 decided alone", []string{"b3", "0"}, "", No},
		{"B3 with a short trace", []string{"b3", "64fe8b2a57d3eff7-" + spanOfB3 + "-1"}, "0000000000000000" + "64fe8b2a57d3eff7", Yes},
		{"B3 with nonsense", []string{"b3", "x-y-z"}, "", Undecided},
		{"B3 in several", []string{"X-B3-TraceId", traceOfB3, "X-B3-SpanId", spanOfB3, "X-B3-Sampled", "1"}, traceOfB3, Yes},
		{"B3 in several, lower case", []string{"x-b3-traceid", traceOfB3, "x-b3-spanid", spanOfB3, "x-b3-sampled", "0"}, traceOfB3, No},
		{"B3 flags", []string{"x-b3-traceid", traceOfB3, "x-b3-spanid", spanOfB3, "x-b3-flags", "1"}, traceOfB3, Yes},
		{"B3 decided alone in several", []string{"x-b3-sampled", "0"}, "", No},
		{"B3 without a span", []string{"x-b3-traceid", traceOfB3}, "", Undecided},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f motan.Frame
			for i := 0; i < len(tt.metadata); i += 2 {
				f.Set(tt.metadata[i], tt.metadata[i+1])
			}
			c := Read(&f)
			got := ""
			if c.Valid() {
				got = hex.EncodeToString(c.Trace[:])
			}
			if got != tt.trace || c.Recorded != tt.recorded {
				t.Errorf("got trace %q, recorded %v, want %q, %v", got, c.Recorded, tt.trace, tt.recorded)
			}
		})
	}
}

func TestRatio(t *testing.T) {
	for _, share := range []float64{0, 0.01, 0.5, 1} {
		const traces = 20_000
		n, larger := 0, NewRatio(min(1, share*2))
		for range traces {
			c := NewContext()
			if NewRatio(share).Has(&c) {
				n++
				if !larger.Has(&c) {
					t.Errorf("a larger share lacks %x", c.Trace)
				}
			}
		}
		// Five times the deviation of so many throws.
		if off := math.Abs(float64(n) - share*traces); off > 5*math.Sqrt(traces*share*(1-share)) {
			t.Errorf("share %v: got %d of %d", share, n, traces)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("traceparent"), []byte(sampleParent))
	f.Add([]byte("b3"), []byte(traceOfB3+"-"+spanOfB3+"-1-05e3ac9a4f6e3b90"))
	f.Add([]byte("B3"), []byte("-"))
	f.Fuzz(func(t *testing.T, name, value []byte) {
		var frame motan.Frame
		frame.SetBytes(string(name), value)
		c := Read(&frame)
		if !c.Valid() {
			if c.Trace != [16]byte{} || c.Span != [8]byte{} {
				t.Fatalf("half a context: %v", c)
			}
			return
		}
		text := c.Parent()
		again, ok := ParseParent(text[:])
		if c.Recorded == Undecided {
			c.Recorded = No
		}
		if !ok || again != c {
			t.Fatalf("got %v, %v when written and read, want %v", again, ok, c)
		}
	})
}
