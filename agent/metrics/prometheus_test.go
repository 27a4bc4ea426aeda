package metrics

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape asks r's handler and reads the answer as Prometheus does.
func scrape(t *testing.T, r *Registry) map[string]*dto.MetricFamily {
	t.Helper()
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("got status %d: %s", answer.Code, answer.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatalf("parse the answer: %v", err)
	}
	return families
}

// labels are those of m, as one text.
func labels(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(pairs, " ")
}

func TestScrape(t *testing.T) {
	r := New(Options{Kinds: []string{"other", "timeout"}, MaxSeries: 77, Version: "v1.2.3"})
	m := r.Service(echo).Method([]byte("hello\n\"é"))
	m.Count(50*time.Millisecond, OK)
	m.Count(time.Second, Kind(1))
	cluster := echo
	cluster.Cluster = true
	r.Service(cluster).Method([]byte("x")).Count(time.Minute, OK)
	r.Service(echo).Method([]byte("never called"))
	families := scrape(t, r)

	calls := map[string]float64{}
	for _, m := range families["motand_calls_total"].GetMetric() {
		calls[labels(m)] = m.GetCounter().GetValue()
	}
	const of = "application=app group=g method=%s outcome=%s role=motan-client-agent scope=%s service=com.example.Echo"
	want := map[string]float64{
		fmt.Sprintf(of, "hello\n\"é", "ok", "endpoint"):      1,
		fmt.Sprintf(of, "hello\n\"é", "timeout", "endpoint"): 1,
		fmt.Sprintf(of, "x", "ok", "cluster"):                1,
	}
	if !maps.Equal(calls, want) {
		t.Errorf("got motand_calls_total %v, want %v", calls, want)
	}
	for _, m := range families["motand_call_duration_seconds"].GetMetric() {
		if !strings.Contains(labels(m), "endpoint") {
			continue
		}
		h := m.GetHistogram()
		if h.GetSampleCount() != 2 || h.GetSampleSum() != 1.05 {
			t.Errorf("got count %d, sum %v, want 2 and 1.05", h.GetSampleCount(), h.GetSampleSum())
		}
		below := map[float64]uint64{}
		for _, b := range h.GetBucket() {
			below[b.GetUpperBound()] = b.GetCumulativeCount()
		}
		for le, want := range map[float64]uint64{0.00001: 0, 0.02: 0, 0.05: 1, 0.5: 1, 1: 2, 50: 2} {
			if got, ok := below[le]; !ok || got != want {
				t.Errorf("le=%v: got %d (there: %v), want %d", le, got, ok, want)
			}
		}
		if len(below) != 22 { // with +Inf
			t.Errorf("got %d buckets, want 22: %v", len(below), slices.Sorted(maps.Keys(below)))
		}
	}
	slow := 0.0
	for _, m := range families["motand_slow_calls_total"].GetMetric() {
		slow += m.GetCounter().GetValue()
	}
	if slow != 2 {
		t.Errorf("got %v slow calls, want 2", slow)
	}
	for name, want := range map[string]float64{
		"motand_metrics_series": 3, "motand_metrics_series_limit": 77, "motand_build_info": 1,
	} {
		if got := families[name].GetMetric()[0].GetGauge().GetValue(); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if got := labels(families["motand_build_info"].GetMetric()[0]); !strings.Contains(got, "version=v1.2.3") {
		t.Errorf("motand_build_info has labels %s, want version=v1.2.3", got)
	}
	for _, name := range []string{"go_goroutines", "process_open_fds"} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestScrapeOfHostileNames(t *testing.T) {
	r := New(Options{})
	for _, service := range []string{"a\xff", "", "x{y=\"z\"}", "_other"} {
		for _, method := range []string{"", "\xfe", "_other", "}\n# EOF", strings.Repeat("long", 100)} {
			r.Service(Key{Role: "r\x80", Service: service}).Method([]byte(method)).Count(0, OK)
		}
	}
	total := 0.0
	for _, m := range scrape(t, r)["motand_calls_total"].GetMetric() {
		total += m.GetCounter().GetValue()
	}
	if total != 20 {
		t.Errorf("got %v calls, want 20", total)
	}
}

func TestTwoHandlersOfOneRegistry(t *testing.T) {
	r := New(Options{})
	first := scrape(t, r)
	second := scrape(t, r)
	if len(first) < 10 || len(second) < 10 {
		t.Errorf("got %d and %d families, want all both times", len(first), len(second))
	}
}

func BenchmarkScrape(b *testing.B) {
	r := New(Options{})
	for i := range 1000 {
		r.Service(Key{Service: fmt.Sprint(i / 100)}).Method(fmt.Append(nil, i)).Count(time.Millisecond, OK)
	}
	h := r.Handler()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
}
