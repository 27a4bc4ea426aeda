package metrics

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gometrics "github.com/rcrowley/go-metrics"
)

// bench is a key as that of the line that motan-go v1.2.0 was seen to send:
// motan-client-agent.bench-agent.bench-group.byhost.127_0_0_1.bench_Echo.hello.total_count:8423|c
var bench = Key{Role: "motan-client-agent", Application: "bench-agent", Group: "bench-group", Service: "bench.Echo"}

func busy() *Registry {
	r := New(Options{Kinds: []string{"other", "timeout"}})
	m := r.Service(bench).Method([]byte("hello"))
	for range 8423 {
		m.Count(100*time.Microsecond, OK)
	}
	m.Count(60*time.Millisecond, BizException)
	m.Count(150*time.Millisecond, Exception)
	m.Count(300*time.Millisecond, Kind(1))
	m.Count(time.Second, OK)
	return r
}

func TestPackets(t *testing.T) {
	packets := Packets(GoMetrics("127.0.0.1", NewPeriod(busy()).Next()))
	if len(packets) != 1 {
		t.Fatalf("got %d packets, want one", len(packets))
	}
	got := strings.Split(strings.TrimSuffix(string(packets[0]), "\n"), "\n")
	slices.Sort(got)
	const name = "motan-client-agent.bench-agent.bench-group.byhost.127_0_0_1.bench_Echo.hello."
	want := []string{
		"Less100ms:1|c", "Less200ms:1|c", "Less500ms:1|c", "Less50ms:8423|c", "More500ms:1|c",
		"avg_time:0.28|ms", "biz_error_count:1|c", "other_error_count:2|c",
		"p50:0.09|kv", "p75:0.09|kv", "p95:0.09|kv", "p99:0.09|kv", "p999:0.09|kv", "p9999:947.37|kv",
		"slow_count:2|c", "total_count:8427|c",
	}
	for i := range want {
		want[i] = name + want[i]
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPacketsAreBounded(t *testing.T) {
	r := New(Options{})
	for i := range 100 {
		r.Service(bench).Method(fmt.Appendf(nil, "method%d", i)).Count(time.Millisecond, OK)
	}
	lines := 0
	for _, p := range Packets(GoMetrics("10.0.0.1", NewPeriod(r).Next())) {
		if len(p) > maxPacket || p[len(p)-1] != '\n' {
			t.Errorf("got a packet of %d bytes that ends with %q", len(p), p[len(p)-1])
		}
		lines += bytes.Count(p, []byte("\n"))
	}
	if want := 100 * (len(percentiles) + 1 + 2); lines != want { // two counters each: total and Less50ms
		t.Errorf("got %d lines, want %d", lines, want)
	}
	if p := Packets(gometrics.NewRegistry()); len(p) != 0 {
		t.Errorf("nothing counted: got %q", p)
	}
}

func TestNames(t *testing.T) {
	r := New(Options{})
	k := Key{Role: "motan-server-agent", Application: "a b", Group: "g.é", Service: "/x?y", Cluster: true}
	r.Service(k).Method([]byte("a|b:c\nd")).Count(time.Millisecond, OK)
	text := string(AppendCarbon(nil, GoMetrics("::1", NewPeriod(r).Next()), time.Unix(1700000000, 0)))
	if want := "motan-server-agent.a_b.g__.cluster.byhost.__1._x_y.a_b_c_d.total_count 1 1700000000\n"; !strings.Contains(text, want) {
		t.Errorf("got\n%s\nwant the line %s", text, want)
	}
	if got, want := GoMetricsName("motan-agent", "app", "motan-stat", "10.0.0.1", "status", "cpu"), "motan-agent.app.motan-stat.byhost.10_0_0_1.status.cpu"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a reporter of go-metrics may ask of a histogram is answered from ours.
func TestGoMetricsHistogram(t *testing.T) {
	h, ok := GoMetrics("h", NewPeriod(busy()).Next()).Get("motan-client-agent.bench-agent.bench-group.byhost.h.bench_Echo.hello").(gometrics.Histogram)
	if !ok {
		t.Fatal("there is no histogram")
	}
	s := h.Snapshot()
	got := fmt.Sprintf("%d %d ms, %d to %d ms, %.2f %.2f", s.Count(), s.Sum(), s.Min(), s.Max(), s.Mean(), s.Percentiles([]float64{0.5, 1}))
	if want := "8427 2352 ms, 0 to 947 ms, 0.28 [0.09 947.37]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
