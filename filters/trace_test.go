package filters

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/motan"
)

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
	unrecorded    = "00-" + callersTrace + "-" + callersSpan + "-00"
)

// span is what tests look at of a span that was recorded.
type span struct {
	TraceID, SpanID, ParentSpanID string
	Kind                          int
	Attributes                    []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

func (s *span) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// traced gives calls a filter trace and returns the spans that they left.
func traced(t *testing.T, role string, params map[string]string, next motan.Handler, do func(motan.Handler)) []span {
	t.Helper()
	var out bytes.Buffer
	r := trace.NewRecorder(trace.Options{File: &out})
	r.Start()
	s := settings(params)
	s.Role, s.Spans = role, r
	f := build(t, "trace", s)
	if role == ClientAgent {
		next = motan.NewChain(next, f.(Attempter).Attempts())
	}
	do(motan.NewChain(twice{next}, f))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var all []span
	for l := range strings.Lines(out.String()) {
		var x struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []span } }
		}
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x.ResourceSpans[0].ScopeSpans[0].Spans...)
	}
	if n := counted(s.States, "recorded"); (n > 0) != (len(all) > 0) {
		t.Errorf("got %v calls counted as recorded and %d spans", n, len(all))
	}
	return all
}

// twice is a cluster that makes a second attempt when the first has failed.
type twice struct{ to motan.Handler }

func (h twice) Handle(c *motan.Call) {
	c.Attempts, c.Endpoint = c.Attempts+1, "10.0.0.1:80"
	c.Push(h, 0)
	h.to.Handle(c)
}

func (h twice) Return(c *motan.Call, _ int) bool {
	if c.Err == nil || c.Attempts > 1 {
		return true
	}
	c.Retry()
	h.Handle(c)
	return false
}

// A call that is tried twice has a span below its caller's, and below that one for each attempt, whose id the node is
// told.
func TestTraceOfCaller(t *testing.T) {
	var told []string
	node := answer(func(c *motan.Call) {
		told = append(told, string(c.Request.Get("traceparent")))
		if len(told) == 1 {
			c.Err = motan.Errorf(motan.KindBroken, 400, "gone")
		}
	})
	spans := traced(t, ClientAgent, nil, node, func(h motan.Handler) {
		c := arrived(t, call("hello", "traceparent", callersParent, "M_s", "shop", "M_rid", "9"))
		if got := outcomeOf(t, h, c); got != "ok" {
			t.Fatalf("got %s", got)
		}
	})
	if len(spans) != 3 || len(told) != 2 {
		t.Fatalf("got %d spans of %d attempts, want 3 of 2", len(spans), len(told))
	}
	first, second, whole := spans[0], spans[1], spans[2]
	if whole.TraceID != callersTrace || whole.ParentSpanID != callersSpan || whole.Kind != 1 || whole.attribute("motan.attempts") != "2" || whole.attribute("motan.outcome") != "ok" {
		t.Errorf("call: got %+v", whole)
	}
	for i, s := range []span{first, second} {
		if s.TraceID != callersTrace || s.ParentSpanID != whole.SpanID || s.Kind != 3 || told[i] != "00-"+callersTrace+"-"+s.SpanID+"-01" {
			t.Errorf("attempt %d: got %+v, and the node was told %s", i, s, told[i])
		}
	}
	if first.attribute("motan.outcome") != "broken" || second.attribute("motan.outcome") != "ok" || second.attribute("server.address") != "10.0.0.1" || second.attribute("motan.source") != "shop" || second.attribute("motan.request_id") != "9" {
		t.Errorf("attempts: got %+v and %+v", first, second)
	}
}

// On the serving side there is one span, below the attempt's.
func TestTraceOfProvider(t *testing.T) {
	told := ""
	provider := answer(func(c *motan.Call) { told = string(c.Request.Get("traceparent")) })
	spans := traced(t, ServerAgent, nil, provider, func(h motan.Handler) {
		c := arrived(t, call("hello", "traceparent", callersParent))
		c.Remote = "10.1.2.3"
		outcomeOf(t, h, c)
	})
	if len(spans) != 1 {
		t.Fatalf("got %d spans, want 1", len(spans))
	}
	if s := spans[0]; s.ParentSpanID != callersSpan || s.Kind != 2 || s.attribute("client.address") != "10.1.2.3" || told != "00-"+callersTrace+"-"+s.SpanID+"-01" {
		t.Errorf("got %+v, and the provider was told %s", s, told)
	}
}

// Which calls are recorded, and what those who are called are told.
func TestTraceSampling(t *testing.T) {
	tests := []struct {
		name, params string
		in           []string
		spans        int
		told         string // traceparent; * stands for an id
	}{
		{"all", "trace.percent=100", nil, 1, "00-*-*-01"},
		{"none", "trace.percent=0", nil, 0, "00-*-*-00"},
		{"the caller wants it", "trace.percent=0", []string{"traceparent", callersParent}, 1, "00-" + callersTrace + "-*-01"},
		{"the caller does not", "trace.percent=100", []string{"traceparent", unrecorded}, 0, unrecorded},
		{"nobody asks the caller", "trace.percent=0 trace.parent=false", []string{"traceparent", callersParent}, 0, "00-" + callersTrace + "-*-00"},
		{"nobody asks the caller who does not", "trace.percent=100 trace.parent=false", []string{"traceparent", unrecorded}, 1, "00-" + callersTrace + "-*-01"},
		{"B3", "trace.percent=0", []string{"b3", callersTrace + "-" + callersSpan + "-1"}, 1, "00-" + callersTrace + "-*-01"},
		{"B3 says no", "trace.percent=100", []string{"b3", "0"}, 0, "00-*-*-00"},
		{"B3 is undecided", "trace.percent=100", []string{"b3", callersTrace + "-" + callersSpan}, 1, "00-" + callersTrace + "-*-01"},
		{"nonsense", "trace.percent=100", []string{"traceparent", "00-x"}, 1, "00-*-*-01"},
		{"of the method", "trace.percent=0 hello().trace.percent=100", nil, 1, "00-*-*-01"},
		{"of another method", "trace.percent=0 bye().trace.percent=100", nil, 0, "00-*-*-00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var told, state string
			provider := answer(func(c *motan.Call) {
				told, state = string(c.Request.Get("traceparent")), string(c.Request.Get("tracestate"))
			})
			spans := traced(t, ServerAgent, textParams(tt.params), provider, func(h motan.Handler) {
				outcomeOf(t, h, arrived(t, call("hello", append(tt.in, "tracestate", "a=b")...)))
			})
			if len(spans) != tt.spans || !like(told, tt.told) || state != "a=b" {
				t.Errorf("got %d spans, told %q and state %q, want %d and %q", len(spans), told, state, tt.spans, tt.told)
			}
		})
	}
}

// like compares field by field; * stands for an id that is not zero.
func like(got, want string) bool {
	a, b := strings.Split(got, "-"), strings.Split(want, "-")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if b[i] == "*" && strings.Trim(a[i], "0") != "" {
			continue
		}
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Without a place for spans calls are left as they are.
func TestTraceNowhere(t *testing.T) {
	h, _ := behind(t, answer(func(c *motan.Call) {
		if got := c.Request.Get("traceparent"); got != nil {
			t.Errorf("got traceparent %s, want none", got)
		}
	}), "trace", settings(textParams("trace.percent=100")))
	if got := outcomeOf(t, h, call("hello")); got != "ok" {
		t.Errorf("got %s", got)
	}
}

func TestTraceMistakes(t *testing.T) {
	_, err := NewTrace(settings(textParams("trace.percent=101 trace.parent=perhaps x().trace.percent=-1")))
	for _, key := range []string{"trace.percent: ", "trace.parent: ", "x().trace.percent: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %s among them", err, key)
		}
	}
}

// Calls that pass allocate nothing: not recorded, recorded, and where there is nowhere to record.
func TestTraceAllocs(t *testing.T) {
	if raced {
		t.Skip("the race detector makes pools drop what they hold")
	}
	r := trace.NewRecorder(trace.Options{File: new(bytes.Buffer), Queue: 1}) // not started: what does not fit is dropped
	for _, params := range []string{"trace.percent=0", "trace.percent=100"} {
		s := settings(textParams(params))
		s.Spans = r
		f := build(t, "trace", s)
		h := motan.NewChain(motan.NewChain(ok, f.(Attempter).Attempts()), f)
		request := arrived(t, call("hello", "M_s", "app"))
		n := testing.AllocsPerRun(500, func() {
			c := motan.NewCall()
			c.Request.CopyFrom(&request.Request)
			motan.Do(h, c)
			c.Release()
		})
		if n != 0 {
			t.Errorf("%s: got %v allocations, want 0", params, n)
		}
	}
	passesFree(t, "trace", nil)
}
