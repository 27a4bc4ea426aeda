package filters

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/motan"
)

// answer is a Handler that ends calls as a provider would.
func answer(prepare func(c *motan.Call)) motan.Handler {
	return motan.HandlerFunc(func(c *motan.Call) {
		prepare(c)
		c.End()
	})
}

// newCall is a call of a method that came in 16 ms before and was sent, at last, 6 ms ago.
func newCall(method string) *motan.Call {
	c := motan.NewCall()
	c.Batch = &motan.Batch{Now: int64(time.Hour)}
	c.Start = c.Batch.Now - int64(16*time.Millisecond)
	c.AttemptStart = c.Batch.Now - int64(6*time.Millisecond)
	c.Service = "com.example.Echo"
	c.Application = "app"
	c.Group = "g"
	c.Request.Set("M_p", "com.example.Echo")
	c.Request.Set("M_m", method)
	return c
}

// arrived makes request and reply what they are when they have come over the network.
func arrived(t testing.TB, c *motan.Call) *motan.Call {
	t.Helper()
	for _, f := range []*motan.Frame{&c.Request, &c.Reply} {
		if _, err := f.Decode(f.AppendTo(nil, f.ID, f.Type), 0); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func build(t testing.TB, name string, s Settings) motan.Filter {
	t.Helper()
	f, err := Table()[name].New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runtime.KeepAlive(f) }) // what it has counted lives as long as it does
	return f
}

// ways are the ways in which a call can end.
var ways = []struct {
	outcome string
	prepare func(c *motan.Call)
}{
	{"ok", func(*motan.Call) {}},
	{"biz_exception", func(c *motan.Call) {
		c.Reply.SetException(motan.Exception{Code: 500, Message: "thrown", Type: motan.TypeBiz})
	}},
	{"exception", func(c *motan.Call) {
		c.Reply.SetException(motan.Exception{Code: 404, Message: "no method", Type: motan.TypeService})
	}},
	{"exception", func(c *motan.Call) { c.Reply.Status = 1<<3 | 1 }}, // says nothing of its reason
	{"timeout", func(c *motan.Call) { c.Err = motan.Errorf(motan.KindTimeout, 400, "late") }},
	{"refused", func(c *motan.Call) { c.Err = motan.Errorf(motan.KindRefused, 10002, "limit") }},
	{"other", func(c *motan.Call) { c.Err = motan.Errorf(motan.KindOther, 400, "else") }},
	{"oversize", func(c *motan.Call) { c.Err = motan.Errorf(motan.KindOversize, 400, "large") }},
}

func TestMetricsCountsHowCallsEnd(t *testing.T) {
	for _, w := range ways {
		t.Run(w.outcome, func(t *testing.T) {
			r := metrics.New(metrics.Options{Kinds: motan.Kinds()})
			f := build(t, "metrics", Settings{
				Role: ClientAgent, Application: "app", Group: "g", Service: "com.example.Echo", Metrics: r,
			})
			c := newCall("hello")
			motan.NewChain(answer(w.prepare), f).Handle(c)
			outcomes := map[string]uint64{}
			r.Each(func(s metrics.Series) {
				s.EachOutcome(func(name string, n uint64) { outcomes[name] += n })
			})
			want := map[string]uint64{"ok": 0}
			want[w.outcome] = 1
			if !maps.Equal(outcomes, want) {
				t.Errorf("got %v, want %v", outcomes, want)
			}
		})
	}
}

func TestMetricsKeysAndTimes(t *testing.T) {
	tests := []struct {
		name, filter, role, group string
		want                      string
		time                      time.Duration
	}{
		{"attempt", "metrics", ClientAgent, "g", "motan-client-agent app g com.example.Echo false hello", 6 * time.Millisecond},
		{"call", "clusterMetrics", ClientAgent, "g", "motan-client-agent app g com.example.Echo true hello", 16 * time.Millisecond},
		{"server", "metrics", ServerAgent, "g", "motan-server-agent app g com.example.Echo false hello", 6 * time.Millisecond},
		{"switched group", "metrics", ClientAgent, "g2", "motan-client-agent app g2 com.example.Echo false hello", 6 * time.Millisecond},
		{"no group yet", "clusterMetrics", ClientAgent, "", "motan-client-agent app g com.example.Echo true hello", 16 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := metrics.New(metrics.Options{})
			f := build(t, tt.filter, Settings{
				Role: tt.role, Application: "app", Group: "g", Service: "com.example.Echo", Metrics: r,
			})
			c := newCall("hello")
			c.Group = tt.group
			motan.NewChain(answer(func(*motan.Call) {}), f).Handle(c)
			var got string
			var sum time.Duration
			r.Each(func(s metrics.Series) {
				got += fmt.Sprint(s.Role, " ", s.Application, " ", s.Group, " ", s.Service, " ", s.Cluster, " ", s.Method)
				sum += s.Durations.Sum
			})
			if got != tt.want || sum != tt.time {
				t.Errorf("got %s, %v, want %s, %v", got, sum, tt.want, tt.time)
			}
		})
	}
}

// TestMetricsOfManyMethods has a caller that makes up names.
func TestMetricsOfManyMethods(t *testing.T) {
	r := metrics.New(metrics.Options{})
	f := build(t, "metrics", Settings{Role: ClientAgent, Group: "g", Metrics: r})
	chain := motan.NewChain(answer(func(*motan.Call) {}), f)
	for i := range 10000 {
		c := newCall(fmt.Sprint("/user/", i))
		chain.Handle(c)
		c.Release()
	}
	series, total := 0, uint64(0)
	r.Each(func(s metrics.Series) {
		series++
		total += s.Total()
	})
	if series != 201 || total != 10000 {
		t.Errorf("got %d series of %d calls, want 201 of 10000", series, total)
	}
}

func TestMetricsAllocatesNothing(t *testing.T) {
	f := build(t, "metrics", Settings{Role: ClientAgent, Group: "g", Metrics: metrics.New(metrics.Options{})})
	c := arrived(t, newCall("hello"))
	if got := testing.AllocsPerRun(1000, func() {
		f.Request(c)
		f.Reply(c)
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
	c.Group = "g2"
	if got := testing.AllocsPerRun(1000, func() { f.Reply(c) }); got != 0 {
		t.Errorf("with another group: got %v allocations, want 0", got)
	}
}

// Exemplars are of calls that a trace has recorded, and while they are wanted only.
func TestMetricsExemplars(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	tests := []struct {
		name, key, value string
		on, want         bool
	}{
		{"recorded", "traceparent", "00-" + id + "-b7ad6b7169203331-01", true, true},
		{"recorded, by B3", "b3", id + "-b7ad6b7169203331-1", true, true},
		{"not recorded", "traceparent", "00-" + id + "-b7ad6b7169203331-00", true, false},
		{"no trace", "x-b3-sampled", "1", true, false},
		{"not wanted", "traceparent", "00-" + id + "-b7ad6b7169203331-01", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := metrics.New(metrics.Options{})
			r.ShowExemplars(tt.on)
			f := build(t, "metrics", Settings{Role: ClientAgent, Group: "g", Metrics: r})
			c := newCall("hello")
			c.Request.Set(tt.key, tt.value)
			arrived(t, c)
			f.Reply(c)
			if n := testing.AllocsPerRun(100, func() { f.Reply(c) }); n != 0 { // one example in a second
				t.Errorf("got %v allocations, want 0", n)
			}
			r.ShowExemplars(true)
			q := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			q.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, q)
			if got := strings.Contains(w.Body.String(), `# {trace_id="`+id+`"} 0.006 `); got != tt.want {
				t.Errorf("got an exemplar: %v, want %v in\n%s", got, tt.want, w.Body)
			}
		})
	}
}

func BenchmarkMetrics(b *testing.B) {
	f := build(b, "metrics", Settings{Role: ClientAgent, Group: "g", Metrics: metrics.New(metrics.Options{})})
	c := arrived(b, newCall("hello"))
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Request(c)
			f.Reply(c)
		}
	})
	b.Run("another group", func(b *testing.B) {
		c.Group = "g2"
		for b.Loop() {
			f.Reply(c)
		}
	})
}
