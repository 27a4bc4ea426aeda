package filters

import (
	"io"
	"testing"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/motan"
)

// BenchmarkChain leads a call there and back through the filters that every refer has: access log and metrics.
func BenchmarkChain(b *testing.B) {
	l := NewAccessLogger(io.Discard, AccessLogOptions{})
	l.Start()
	s := Settings{
		Role: ClientAgent, Application: "app", Group: "g", Service: "com.example.Echo",
		AccessLog: l, Metrics: metrics.New(metrics.Options{}),
	}
	c := arrived(b, newCall("echo"))
	c.Endpoint = "127.0.0.1:8002"
	h := motan.NewChain(motan.HandlerFunc((*motan.Call).End), build(b, "accessLog", s), build(b, "metrics", s))
	b.ReportAllocs()
	for b.Loop() {
		h.Handle(c)
	}
	if err := l.Close(); err != nil {
		b.Error(err)
	}
}
