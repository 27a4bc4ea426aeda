package filters

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// shaky panics as it is told.
type shaky struct{ request, reply bool }

func (f *shaky) Request(*motan.Call) motan.Verdict {
	if f.request {
		panic("on the way in")
	}
	return motan.Next
}

func (f *shaky) Reply(*motan.Call) {
	if f.reply {
		panic("on the way back")
	}
}

type essential struct{ *shaky }

func (essential) Essential() {}

// A filter that panics fails that call alone; after the limit it is cut out.
func TestGuard(t *testing.T) {
	failed := "other: filter shaky failed"
	tests := []struct {
		name   string
		filter motan.Filter
		then   string
	}{
		{"request", &shaky{request: true}, "ok"},
		{"reply", &shaky{reply: true}, "ok"},
		{"essential", essential{&shaky{request: true}}, failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(nil)
			var out bytes.Buffer
			g := NewGuard("shaky", tt.filter, s, slog.New(slog.NewTextHandler(&out, nil)))
			inner, outer := 0, 0
			count := func(n *int) motan.Filter { return counting{n} }
			h := motan.NewChain(ok, count(&outer), g, count(&inner))
			for i := range maxPanics {
				if got := outcomeOf(t, h, call("m")); got != failed {
					t.Fatalf("call %d: got %s, want %s", i, got, failed)
				}
			}
			if outer != maxPanics {
				t.Errorf("the filter outside saw %d ends, want %d", outer, maxPanics)
			}
			if got := outcomeOf(t, h, call("m")); got != tt.then {
				t.Errorf("after the limit: got %s, want %s", got, tt.then)
			}
			again := motan.NewChain(ok, NewGuard("shaky", tt.filter, s, nil))
			if got := outcomeOf(t, again, call("m")); got != tt.then {
				t.Errorf("after a reload: got %s, want %s", got, tt.then)
			}
			if counted(s.States, "panicked") != maxPanics || counted(s.States, "cut_out") != 1 {
				t.Errorf("metrics: got %v panics and %v cut out", counted(s.States, "panicked"), counted(s.States, "cut_out"))
			}
			if n := strings.Count(out.String(), "stack="); n != maxPanics || !strings.Contains(out.String(), "cut out until a restart") {
				t.Errorf("got %d stacks in the log, want %d, and that the filter is cut out:\n%s", n, maxPanics, out.String())
			}
		})
	}
}

// counting counts the ends of calls.
type counting struct{ ends *int }

func (counting) Request(*motan.Call) motan.Verdict { return motan.Next }

func (f counting) Reply(*motan.Call) { *f.ends++ }

// A good filter costs nothing more for being guarded but a few nanoseconds.
func BenchmarkGuard(b *testing.B) {
	f := &shaky{}
	for name, h := range map[string]motan.Handler{
		"bare":    motan.NewChain(ok, f),
		"guarded": motan.NewChain(ok, NewGuard("shaky", f, settings(nil), nil)),
	} {
		b.Run(name, func(b *testing.B) {
			c := call("m")
			b.ReportAllocs()
			for b.Loop() {
				h.Handle(c)
			}
		})
	}
}
