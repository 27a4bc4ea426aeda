package filters

import (
	"sync/atomic"

	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/motan"
)

// Trace makes calls part of a trace and records their spans: on the calling host one for the call
// and one for each attempt, on the serving host one for the call. Their parents are, in this order,
// the caller's span, the call, its attempt.
//
// A call that comes with a traceparent (W3C Trace Context; from HTTP callers as a header), or with
// keys of B3, belongs to that trace, and what its caller decided about recording counts. For other
// calls a trace begins here and the share decides. What was decided goes on with the call, also
// where nothing is recorded. tracestate and the keys of B3 go on as they came.
//
// Where spans go is set for the whole agent, in motan-agent, and read at the start:
//
//	traceEndpoint    address of a collector for OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces;
//	                 default from OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT
//	                 (with OTEL_EXPORTER_OTLP_HEADERS, which are sent along)
//	traceFile        a file for the same, as lines of OTLP/JSON
//	traceQueueSize   spans that wait to be sent at most, further ones are dropped; default 4096
//
// Without either the filter leaves calls alone.
//
// Settings, also of one method:
//   - trace.percent: share of the traces that begin here which are recorded; default 1
//   - trace.parent: what the caller decided counts; with false the share decides for every
//     call; default true
//
// Metrics: motand_filter_calls_total with the result recorded; motand_trace_spans_total with
// the results exported, dropped and lost.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "trace"
//	    trace.percent: 0.5
//	    pay().trace.percent: 100
type Trace struct {
	knobs[byMethod[traceSettings]]
	state    *traceState
	spans    *trace.Recorder // nil where spans go nowhere
	settings Settings
	kind     trace.Kind
}

type traceSettings struct {
	share  trace.Ratio
	parent bool
}

type traceState struct {
	override[byMethod[traceSettings]]
	recorded atomic.Int64
}

func (s *traceState) report(count func(string, int64), _ func(string, float64)) {
	count("recorded", s.recorded.Load())
}

var (
	_ motan.Filter = (*Trace)(nil)
	_ Attempter    = (*Trace)(nil)
)

// NewTrace is the filter "trace".
func NewTrace(s Settings) (motan.Filter, error) {
	if err := s.check("trace"); err != nil {
		return nil, err
	}
	f := &Trace{state: shared[traceState](s, "trace"), settings: s, kind: trace.Server}
	if s.Spans.Active() {
		f.spans = s.Spans
	}
	if s.Role == ClientAgent {
		f.kind = trace.Internal
	}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *byMethod[traceSettings] {
		return readMethods(p, func(p *params) traceSettings {
			return traceSettings{
				share:  trace.NewRatio(p.float("trace.percent", 1, 0, 100) / 100),
				parent: p.bool("trace.parent", true),
			}
		}, "trace.percent", "trace.parent")
	})
	return f, err
}

// Attempts is the filter around each attempt that makes its span.
func (f *Trace) Attempts() motan.Filter { return &traceAttempts{f} }

// Request finds the trace of the call, or begins one, and decides whether it is recorded.
func (f *Trace) Request(c *motan.Call) motan.Verdict {
	if f.spans == nil {
		return motan.Next
	}
	x := f.get().of(c)
	from := trace.Read(&c.Request)
	in := from
	if !in.Valid() {
		in = trace.NewContext()
		in.Recorded = from.Recorded
	}
	if !x.parent || in.Recorded == trace.Undecided {
		in.Recorded = trace.No
		if x.share.Has(&in) {
			in.Recorded = trace.Yes
		}
	}
	if in.Recorded != trace.Yes {
		if from.Recorded != in.Recorded || !from.Valid() { // others are not to decide anew
			setParent(c, in.Child())
		}
		return motan.Next
	}
	f.state.recorded.Add(1)
	s := f.begin(c, in, f.kind, c.Start)
	if f.kind == trace.Server {
		s.Peer.SetString(c.Remote)
	}
	c.Note(f, s)
	return motan.Next
}

// begin makes a span below in and tells whom the call goes to of it.
func (f *Trace) begin(c *motan.Call, in trace.Context, kind trace.Kind, start int64) *trace.Span {
	s := f.spans.Begin()
	s.Context, s.Parent, s.Kind, s.Start = in.Child(), in.Span, kind, start
	s.Role, s.Service, s.Group, s.Application = f.settings.Role, f.settings.Service, c.Group, f.settings.Application
	s.Method.Set(c.Request.Method())
	s.Source.Set(c.Request.Source())
	s.RequestID.Set(c.Request.RequestID())
	setParent(c, s.Context)
	return s
}

func setParent(c *motan.Call, to trace.Context) {
	text := to.Parent()
	c.Request.SetBytes(trace.KeyParent, text[:])
}

// Reply ends the call's span.
func (f *Trace) Reply(c *motan.Call) {
	if f.spans == nil {
		return
	}
	if s, ok := c.Noted(f).(*trace.Span); ok {
		s.Attempts = c.Attempts
		if c.Remote != "" {
			s.Peer.SetString(c.Remote)
		}
		f.spans.End(s, c)
	}
}

// traceAttempts is a Trace around each attempt.
type traceAttempts struct{ *Trace }

// Request begins the attempt's span where that of the call is recorded.
func (f *traceAttempts) Request(c *motan.Call) motan.Verdict {
	if f.spans == nil {
		return motan.Next
	}
	call, ok := trace.ParseParent(c.Request.Get(trace.KeyParent))
	if !ok || call.Recorded != trace.Yes {
		return motan.Next
	}
	s := f.begin(c, call, trace.Client, c.AttemptStart)
	s.Peer.SetString(c.Endpoint)
	c.Note(f, s)
	return motan.Next
}

// Reply ends the attempt's span. The next attempt is below the call again.
func (f *traceAttempts) Reply(c *motan.Call) {
	if f.spans == nil {
		return
	}
	if s, ok := c.Noted(f).(*trace.Span); ok {
		setParent(c, trace.Context{Trace: s.Trace, Span: s.Parent, Recorded: trace.Yes})
		f.spans.End(s, c)
	}
}
