package agent

import (
	"os"

	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/conf"
)

// openSpans makes what takes the spans of traced calls to where the configuration says.
func (l *logs) openSpans(a *conf.Agent, x *certificates) error {
	if a.TraceEndpoint == "" && a.TraceFile == "" {
		return nil
	}
	o := trace.Options{URL: a.TraceEndpoint, Headers: a.TraceHeaders, Queue: a.TraceQueueSize, Service: a.Application, Version: Version, Log: l.log, Seen: x.seen(traceEntry)}
	o.Host, _ = os.Hostname() // unnamed, if it has none
	if a.TraceFile != "" {
		t := logTargetsOf(a).main // rotated as the log is
		t.path = a.TraceFile
		if err := t.try(); err != nil {
			return err
		}
		l.traces = t.open()
		o.File = l.traces
		l.close = append([]func() error{l.traces.Close}, l.close...)
	}
	l.spans = trace.NewRecorder(o)
	l.close = append([]func() error{l.spans.Close}, l.close...)
	return nil
}
