package filters

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/motan"
)

// costs are the filters whose cost the README tells, as they usually stand: a call passes each there and back.
var costs = []struct {
	name    string
	filters string // with commas between
	params  map[string]string
}{
	{"a filter that does nothing", "", nil},
	{"accessLog", "accessLog", nil},
	{"metrics", "metrics", nil},
	{"metrics and clusterMetrics", "metrics,clusterMetrics", nil},
	{"trace, not recorded", "trace", textParams("trace.percent=0")},
	{"trace, recorded", "trace", textParams("trace.percent=100")},
	{"switcher", "switcher", nil},
	{"switcher of another method", "switcher", map[string]string{"x().switcher.name": "x"}},
	{"rateLimit", "rateLimit", textParams("rateLimit=100000000 capacity=2000000000")},
	{"circuitBreaker", "circuitBreaker", nil},
	{"failfast", "failfast", nil},
	{"concurrency", "concurrency", nil},
	{"concurrency, adaptive", "concurrency", textParams("concurrency.adaptive=true")},
	{"timeout", "timeout", textParams("timeout.limit=60000")},
	{"degrade, automatic", "degrade", textParams("degrade.errorPercent=50")},
	{"faultInjection for others", "faultInjection", map[string]string{"fault.until": "2999-01-01T00:00:00Z", "fault.callers": "x", "fault.error": "503 x"}},
	{"mirror of another method", "mirror", textParams("x().mirror.to=@next")},
	{"mock of another method", "mock", textParams("x().mock.value=1")},
	{"acl", "acl", textParams("acl.allow=app acl.allowIP=10.0.0.0/8")},
	{"header", "header", textParams("header.set=zone=north")},
	{"loadShed", "loadShed", textParams("loadShed.cpu=0")},
	{"acl for some (acl.when)", "acl", textParams("acl.allow=app acl.when=region=eu,M_s=shop-*")},
}

// cost measures a call that passes the filters with their guards and conditions.
func cost(b *testing.B, names string, params map[string]string) {
	b.Helper()
	s := settings(params)
	s.Metrics = metrics.New(metrics.Options{})
	s.AccessLog = NewAccessLogger(io.Discard, AccessLogOptions{})
	s.AccessLog.Start()
	s.Spans = trace.NewRecorder(trace.Options{File: io.Discard})
	s.Spans.Start()
	b.Cleanup(func() {
		if err := errors.Join(s.AccessLog.Close(), s.Spans.Close()); err != nil {
			b.Error(err)
		}
	})
	all := []motan.Filter{NewGuard("none", quiet{}, s, nil)}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		w, err := NewWhen(name, build(b, name, s), s)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, NewGuard(name, w, s, nil))
	}
	if names != "" {
		all = all[1:]
	}
	h := motan.NewChain(ok, all...)
	request := arrived(b, call("hello", "M_s", "app", "M_g", "g", "M_rid", "7"))
	c := motan.NewCall()
	c.Service, c.Group, c.Application, c.Endpoint, c.Remote = request.Service, request.Group, request.Application, "10.0.0.1:80", "10.1.2.3"
	c.Request.CopyFrom(&request.Request)
	batch := &motan.Batch{Now: motan.Now()}
	b.ReportAllocs()
	for b.Loop() {
		c.Batch = batch
		h.Handle(c)
	}
}

// quiet does nothing.
type quiet struct{}

func (quiet) Request(*motan.Call) motan.Verdict { return motan.Next }
func (quiet) Reply(*motan.Call)                 {}

func BenchmarkFilters(b *testing.B) {
	for _, tt := range costs {
		b.Run(tt.name, func(b *testing.B) { cost(b, tt.filters, tt.params) })
	}
}

var measure = flag.Bool("costs", false, "measure what filters cost and write the table of README.md anew")

const costsBegin, costsEnd = "<!-- costs: go test ./filters -run TestCosts -costs -->\n", "<!-- end of costs -->\n"

// TestCosts holds that README.md tells the cost of each of them; with -costs it measures and writes them.
func TestCosts(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(text), costsBegin)
	table, tail, ended := strings.Cut(rest, costsEnd)
	if !begun || !ended {
		t.Fatalf("README.md has no %q and %q", costsBegin, costsEnd)
	}
	if *measure {
		if err := flag.Set("test.benchtime", "50ms"); err != nil {
			t.Fatal(err)
		}
		table = "| filter | ns a call | allocations |\n| --- | --- | --- |\n"
		for _, tt := range costs {
			best := int64(math.MaxInt64)
			var allocs int64
			for range 7 { // the least is what others on the machine have disturbed least
				r := testing.Benchmark(func(b *testing.B) { //nolint:thelper // it is the benchmark
					cost(b, tt.filters, tt.params)
				})
				best, allocs = min(best, r.NsPerOp()), max(allocs, r.AllocsPerOp())
			}
			table += fmt.Sprintf("| %s | %d | %d |\n", tt.name, best, allocs)
		}
		if err := os.WriteFile("README.md", []byte(head+costsBegin+table+costsEnd+tail), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range costs {
		if strings.Count(table, "\n| "+tt.name+" | ") != 1 {
			t.Errorf("README.md does not tell the cost of %q: measure with -costs", tt.name)
		}
	}
}
