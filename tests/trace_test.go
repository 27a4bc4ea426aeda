package tests

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// exportedSpan is a span as OTLP/JSON has it.
type exportedSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	Attributes                          []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

func (s *exportedSpan) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// exportedSpans reads lines of OTLP/JSON.
func exportedSpans(t *testing.T, text string) (all []exportedSpan) {
	t.Helper()
	for line := range strings.Lines(text) {
		var x struct {
			ResourceSpans []struct {
				ScopeSpans []struct{ Spans []exportedSpan }
			}
		}
		if !strings.HasSuffix(line, "\n") { // it is being written
			break
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, x.ResourceSpans[0].ScopeSpans[0].Spans...)
	}
	return all
}

// tracedYAML refers to a service on another host, and exports it there from the provider's port.
func tracedYAML(refer bool, port, settings string) string {
	if refer {
		return agentYAML + settings + `
motan-registry:
  there: {protocol: direct, address: "127.0.0.1:` + port + `"}
motan-refer:
  both: {path: com.example.Both, group: demo, registry: there, requestTimeout: 30000, connectTimeout: 10000, filter: trace, trace.percent: 0}
`
	}
	return agentYAML + settings + `
motan-registry:
  none: {protocol: local}
motan-service:
  both: {path: com.example.Both, group: demo, registry: none, proxy: "motan2:` + port + `", export: "motan2:{{.export}}", requestTimeout: 30000, filter: trace, trace.percent: 0}
`
}

// One call from an HTTP client over two agents to a provider is one trace: the client's span, the call, its attempt, the
// call at the other agent, and what the provider is told. One agent writes spans to a file, the other sends them to a
// collector, which the environment names.
func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var collected strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil || q.URL.Path != "/v1/traces" || q.Header.Get("X-Key") != "a b" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		collected.Write(append(body, '\n'))
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
	told := make(chan string, 10)
	p := newProvider(t, "127.0.0.1", func(local string, request, reply *motan.Frame) time.Duration {
		told <- string(request.Get("traceparent")) + " " + string(request.Get("tracestate"))
		return echo(local, request, reply)
	})
	server := startMotand(t, tracedYAML(false, portOf(p.listener.Addr().String()), ""))
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	client := startMotand(t, tracedYAML(true, portOf(server.addr("export")), "  traceFile: {{.dir}}/traces.json\n"))

	const trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	client.rpc("com.example.Both", "hello", `["x"]`, "Traceparent", "00-"+trace+"-"+caller+"-01", "Tracestate", "vendor=1").want(200, `"x"`)
	client.rpc("com.example.Both", "hello", `["y"]`).want(200, `"y"`) // nobody wants a record of this one
	first, second := <-told, <-told

	var spans []exportedSpan
	await(t, "three spans", func() bool {
		text, err := os.ReadFile(filepath.Join(client.dir, "traces.json"))
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		spans = exportedSpans(t, string(text)+collected.String())
		return len(spans) >= 3
	})
	slices.SortFunc(spans, func(a, b exportedSpan) int { return []int{0, 1, 3, 2}[a.Kind] - []int{0, 1, 3, 2}[b.Kind] })
	if len(spans) != 3 {
		t.Fatalf("got %d spans, want those of the call, the attempt, and the call at the server: %+v", len(spans), spans)
	}
	parent := caller
	for i, kind := range []int{1, 3, 2} {
		s := &spans[i]
		if s.Kind != kind || s.TraceID != trace || s.ParentSpanID != parent || s.Name != "com.example.Both.hello" || s.attribute("motan.outcome") != "ok" || s.attribute("motan.group") != "demo" {
			t.Errorf("span %d: got %+v, want kind %d below %s", i, s, kind, parent)
		}
		parent = s.SpanID
	}
	if spans[1].attribute("server.port") != portOf(server.addr("export")) || spans[2].attribute("client.address") != "127.0.0.1" || spans[2].attribute("motan.source") != "test-app" {
		t.Errorf("peers: got %+v and %+v", spans[1].Attributes, spans[2].Attributes)
	}
	if want := "00-" + trace + "-" + parent + "-01 vendor=1"; first != want {
		t.Errorf("the provider was told %s, want %s", first, want)
	}
	if !strings.HasPrefix(second, "00-") || !strings.HasSuffix(second, "-00 ") {
		t.Errorf("of a call that is not recorded the provider was told %s, want a trace that is not", second)
	}
	await(t, "the metrics to show two exported spans", func() bool {
		_, page := client.get("mgmt", "/metrics")
		return strings.Contains(page, `motand_trace_spans_total{result="exported"} 2`)
	})
}

// A collector that takes connections and never answers holds up no call, and what it does not take is counted.
func TestTraceCollectorIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, reads never
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := newProvider(t, "127.0.0.1", echo)
	d := startMotand(t, agentYAML+`  traceEndpoint: http://`+l.Addr().String()+`/v1/traces
  traceQueueSize: 64
motan-registry:
  here: {protocol: direct, address: "`+p.listener.Addr().String()+`"}
motan-refer:
  one: {path: com.example.Both, group: demo, registry: here, requestTimeout: 30000, filter: trace, trace.percent: 100}
`)
	for range 1000 {
		d.rpc("com.example.Both", "hello", `["x"]`).want(200, `"x"`)
	}
	_, page := d.get("mgmt", "/metrics")
	if strings.Contains(page, `motand_trace_spans_total{result="dropped"} 0`) || !strings.Contains(page, `motand_filter_calls_total{filter="trace",group="demo",result="recorded",role="client-agent",service="com.example.Both"} 1000`) {
		t.Errorf("the metrics do not show 1000 recorded calls and dropped spans:\n%s", page)
	}
}
