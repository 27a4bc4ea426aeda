package tests

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// prometheus is Debian's, scraping one motand each second.
type prometheus struct{ addr string }

func startPrometheus(t testing.TB, d *daemon) prometheus {
	t.Helper()
	exe, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("skipped: prometheus is not installed (Debian: apt-get install prometheus)")
	}
	dir, port := t.TempDir(), freePort(t)
	config := "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: motand, static_configs: [{targets: ['" + d.addr("mgmt") + "']}]}]\n"
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := prometheus{addr: "127.0.0.1:" + strconv.Itoa(port)}
	started := startProcess(t, "prometheus", dir, exe, "--config.file=prometheus.yml", "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.addr, "--enable-feature=exemplar-storage")
	await(t, "prometheus to be ready", func() bool {
		if !started.Running() {
			t.Fatal("prometheus ended")
		}
		status, _, err := fetch(http.MethodGet, "http://"+p.addr+"/-/ready", "")
		return err == nil && status == http.StatusOK
	})
	return p
}

// query is the value of an expression that has one; false where it has none yet.
func (p prometheus) query(t testing.TB, expression string) (float64, bool) {
	t.Helper()
	_, text, err := fetch(http.MethodGet, "http://"+p.addr+"/api/v1/query?query="+url.QueryEscape(expression), "")
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Status != "success" {
		t.Fatalf("prometheus: %s: %v %s", expression, err, text)
	}
	if len(answer.Data.Result) != 1 {
		return 0, false
	}
	value, err := strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value, true
}

// histogramBounds are those of motand_call_duration_seconds.
var histogramBounds = []float64{
	1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50,
}

// bucket is the index of the bucket that so many seconds fall into.
func bucket(seconds float64) int {
	i, _ := slices.BinarySearchFunc(histogramBounds, seconds, func(bound, s float64) int { return cmp.Compare(bound, s) })
	return i
}

// timed is calls whose durations are kept, from when they are made to when their answers are there.
type timed struct {
	calls
	began, took []atomic.Int64 // nanoseconds
}

func newTimed(n int, request func(i int) *motan.Frame) *timed {
	x := &timed{began: make([]atomic.Int64, n), took: make([]atomic.Int64, n)}
	start := time.Now()
	x.calls = calls{
		n: n, window: 16,
		request: func(i int) *motan.Frame {
			x.began[i].Store(int64(time.Since(start)))
			return request(i)
		},
		check: func(i int, _ *motan.Frame) error {
			x.took[i].Store(int64(time.Since(start)) - x.began[i].Load())
			return nil
		},
	}
	return x
}

// TestCountsAgree holds that what Prometheus scrapes and what graphite is sent agree with what the callers have counted:
// every call, every kind of failure, and the time that 999 of 1,000 do not exceed, to within one bucket.
func TestCountsAgree(t *testing.T) {
	const slow = 120 * time.Millisecond // of each 200th call: more than one of 1,000
	p := newProvider(t, "127.0.0.1", func(local string, request, reply *motan.Frame) time.Duration {
		echo(local, request, reply)
		if body := request.Body(); (int(body[1])|int(body[2])<<8)%200 == 0 {
			return slow
		}
		return 0
	})
	g := newGraphite(t)
	d := startMotand(t, outboundYAML("com.example.Counted", "127.0.0.1:"+strconv.Itoa(p.port))+`metrics:
  period: 3600 # the end reports all in one
  graphite:
    - {host: 127.0.0.1, port: `+strconv.Itoa(g.port())+`}
`)
	prom := startPrometheus(t, d)
	const connections, each = 8, 2500
	const want = connections * each
	all, load := make([]*calls, connections), make([]*timed, connections)
	for n := range all {
		load[n] = newTimed(each, func(i int) *motan.Frame {
			return motantest.Request("com.example.Counted", "count", []byte{byte(n), byte(i), byte(i >> 8)}, "M_g", "demo")
		})
		all[n] = &load[n].calls
	}
	runAll(t, d.addr("motan"), all)
	var took []int64
	for _, x := range load {
		for i := range x.took {
			took = append(took, x.took[i].Load())
		}
	}
	slices.Sort(took)
	callers := time.Duration(took[want*999/1000-1]).Seconds()
	near := func(who string, seconds float64) {
		t.Helper()
		if a, b := bucket(callers), bucket(seconds); a-b > 1 || b-a > 1 || seconds < 0.9*slow.Seconds() {
			t.Errorf("%s: got %v s as the time that 999 of 1,000 calls do not exceed; the callers have measured %v s, with %v for each 200th call", who, seconds, callers, slow)
		}
		note(t, "p99.9 of "+who, fmt.Sprintf("%.1f ms, of the callers %.1f ms", seconds*1000, callers*1000))
	}

	const of = `{service="com.example.Counted",scope="cluster"}`
	await(t, "prometheus to have scraped every call", func() bool {
		got, _ := prom.query(t, "sum(motand_calls_total"+of+")")
		return got == want
	})
	if got, _ := prom.query(t, `sum(motand_calls_total{service="com.example.Counted",scope="cluster",outcome="ok"})`); got != want {
		t.Errorf("got %v calls that went well, want %d", got, want)
	}
	if got, _ := prom.query(t, "sum(motand_call_duration_seconds_count"+of+")"); got != want {
		t.Errorf("got %v durations, want %d", got, want)
	}
	above, _ := prom.query(t, "sum(motand_call_duration_seconds_bucket"+of+") by (le)"+` and on (le) label_replace(vector(1), "le", "0.1", "", "")`)
	if above > want-want/200 {
		t.Errorf("got %v calls within 100 ms, but %d have taken %v", above, want/200, slow)
	}
	p999, _ := prom.query(t, "histogram_quantile(0.999, sum(motand_call_duration_seconds_bucket"+of+") by (le))")
	near("Prometheus", p999)

	d.Stop()
	await(t, "every call to be sent to graphite", func() bool { return g.sum(".count.total_count|c") == want })
	if got := g.sum(".count.other_error_count|c") + g.sum(".count.biz_error_count|c"); got != 0 {
		t.Errorf("graphite: got %v failures, want none", got)
	}
	await(t, "graphite's percentile", func() bool { return g.sum(".count.p999|kv") > 0 })
	near("graphite", g.sum(".count.p999|kv")/1000)
}

// TestExemplars holds that Prometheus finds, for a bucket of the histogram, a trace whose spans were written.
func TestExemplars(t *testing.T) {
	p := newProvider(t, "127.0.0.1", echo)
	yaml := strings.Replace(outboundYAML("com.example.Traced", "127.0.0.1:"+strconv.Itoa(p.port)), "requestTimeout: 30000", "requestTimeout: 30000, filter: trace, trace.percent: 100", 1)
	d := startMotand(t, strings.Replace(yaml, "accessLog: off", "accessLog: off\n  traceFile: spans.json", 1)+"metrics: {exemplars: true}\n")
	prom := startPrometheus(t, d)
	var found struct {
		Data []struct {
			SeriesLabels map[string]string
			Exemplars    []struct{ Labels map[string]string }
		}
	}
	await(t, "prometheus to have an exemplar", func() bool {
		if a := d.rpc("com.example.Traced", "echo", `["x"]`); a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		_, text, err := fetch(http.MethodGet, "http://"+prom.addr+"/api/v1/query_exemplars?query=motand_call_duration_seconds_bucket&start=0&end="+strconv.FormatInt(time.Now().Unix()+1, 10), "")
		if err != nil {
			t.Fatal(err)
		}
		return json.Unmarshal([]byte(text), &found) == nil && len(found.Data) > 0 && len(found.Data[0].Exemplars) > 0
	})
	x := found.Data[0]
	id := x.Exemplars[0].Labels["trace_id"]
	if len(id) != 32 || x.SeriesLabels["service"] != "com.example.Traced" {
		t.Fatalf("got %+v", x)
	}
	await(t, "the spans of trace "+id, func() bool {
		text, err := os.ReadFile(filepath.Join(d.dir, "spans.json"))
		return err == nil && strings.Contains(string(text), id)
	})
}
