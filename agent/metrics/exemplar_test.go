package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// ask is a scrape by somebody who accepts those formats.
func ask(r *Registry, accept string) (format, body string) {
	q := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	q.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, q)
	return w.Header().Get("Content-Type"), w.Body.String()
}

// What Prometheus sends.
const prometheusAccepts = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"

func TestExemplars(t *testing.T) {
	r := New(Options{})
	m := r.Service(echo).Method([]byte("hello"))
	for _, d := range []time.Duration{time.Microsecond, 3 * time.Millisecond, 200 * time.Millisecond, time.Hour} {
		m.Count(d, OK)
		m.Exemplify(d, [16]byte{15: byte(d / time.Millisecond)})
	}
	if format, text := ask(r, prometheusAccepts); !strings.HasPrefix(format, "text/plain") || strings.Contains(text, "trace_id") {
		t.Errorf("not asked for: got %s\n%s", format, text)
	}
	r.ShowExemplars(true)
	if format, text := ask(r, "text/plain"); !strings.HasPrefix(format, "text/plain") || strings.Contains(text, "trace_id") {
		t.Errorf("without OpenMetrics: got %s\n%s", format, text)
	}
	format, text := ask(r, prometheusAccepts)
	if !strings.HasPrefix(format, "application/openmetrics-text") || !strings.HasSuffix(text, "# EOF\n") || strings.Count(text, "trace_id") != 4 {
		t.Errorf("got %s\n%s", format, text)
	}
	for _, want := range []string{
		`le="1e-05"} 1 # {trace_id="00000000000000000000000000000000"} 1e-06 `,
		`le="0.005"} 2 # {trace_id="00000000000000000000000000000003"} 0.003 `,
		`le="0.2"} 3 # {trace_id="000000000000000000000000000000c8"} 0.2 `,
		`le="+Inf"} 4 # {trace_id="00000000000000000000000000000080"} 3600.0 `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in\n%s", want, text)
		}
	}
	for i, b := range shownBounds {
		if got, next := shownBucket(b), shownBucket(b+1); got != i || next != i+1 {
			t.Errorf("bucket of %v is %d, of 1 ns more %d, want %d and the next", time.Duration(b), got, next, i)
		}
	}
}

// Many at once, and scrapes among them; a bucket keeps one for a second.
func TestExemplarsAtOnce(t *testing.T) {
	r := New(Options{})
	r.ShowExemplars(true)
	m := r.Service(echo).Method([]byte("hello"))
	m.Count(time.Millisecond, OK)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for range 200 {
				m.Exemplify(time.Millisecond, [16]byte{15: byte(i)})
			}
			ask(r, prometheusAccepts)
		})
	}
	wait.Wait()
	if _, text := ask(r, prometheusAccepts); strings.Count(text, "trace_id") != 1 {
		t.Errorf("want one example in\n%s", text)
	}
	if n := testing.AllocsPerRun(100, func() { m.Exemplify(time.Millisecond, [16]byte{}) }); n > 0.1 {
		t.Errorf("got %v allocations for calls of the same second, want none", n)
	}
}
