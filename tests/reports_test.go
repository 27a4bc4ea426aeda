package tests

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// graphite receives what agents send over UDP as a receiver of the section metrics.
type graphite struct {
	conn net.PacketConn

	mu    sync.Mutex
	lines map[string]float64 // guarded by mu; name|kind to its sum for counters, to its last value for others
}

// newGraphite listens until the test ends.
func newGraphite(t testing.TB) *graphite {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &graphite{conn: conn, lines: make(map[string]float64)}
	var wait sync.WaitGroup
	wait.Go(func() { // ends when the test closes conn
		packet := make([]byte, 64<<10)
		for {
			n, _, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			for line := range strings.Lines(string(packet[:n])) {
				g.take(t, strings.TrimSpace(line))
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); wait.Wait() })
	return g
}

func (g *graphite) take(t testing.TB, line string) {
	t.Helper()
	name, rest, ok := strings.Cut(line, ":")
	value, kind, ok2 := strings.Cut(rest, "|")
	number, err := strconv.ParseFloat(value, 64)
	if !ok || !ok2 || err != nil {
		t.Errorf("graphite: got the line %q, want name:value|kind", line)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if kind == "c" {
		number += g.lines[name+"|"+kind]
	}
	g.lines[name+"|"+kind] = number
}

// sum is that of all lines whose name, with its kind, ends with the text.
func (g *graphite) sum(end string) float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := 0.0
	for name, value := range g.lines {
		if strings.HasSuffix(name, end) {
			sum += value
		}
	}
	return sum
}

// names are those of all lines, without the process's own, and of counters without those that depend on times.
func (g *graphite) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for name := range g.lines {
		if !strings.Contains(name, "motan-stat") && !strings.Contains(name, "00ms|c") && !strings.Contains(name, "50ms|c") && !strings.HasSuffix(name, "slow_count|c") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (g *graphite) port() int { return g.conn.LocalAddr().(*net.UDPAddr).Port }

// graphiteYAML is sameYAML's, in short, with a receiver.
func graphiteYAML(provider string, g *graphite) string {
	_, port, _ := strings.Cut(provider, ":")
	return agentYAML + `  log_dir: ./logs
motan-registry:
  provider: {protocol: direct, host: 127.0.0.1, port: ` + port + `}
motan-refer:
  one: {path: com.example.One, group: demo-group, protocol: motan2, registry: provider, requestTimeout: 4000, serialization: simple, asyncInitConnection: false, filter: metrics}
motan-service:
  one: {path: com.example.Served, group: demo-group, protocol: motan2, provider: motan2, proxy: "motan2:` + port + `", export: "motan2:{{.export}}", registry: provider, requestTimeout: 4000, serialization: simple, filter: metrics}
metrics:
  period: 1
  graphite:
    - {name: graphite, host: 127.0.0.1, port: ` + strconv.Itoa(g.port()) + `}
`
}

// TestGraphiteAsMotanGo holds that a receiver of motan-go's metrics notices no change: for the same calls the same names
// arrive from both agents, counters with the same values.
func TestGraphiteAsMotanGo(t *testing.T) {
	provider := motantest.NewServer(t, sameProvider)
	count := func(g *graphite, s *setup) {
		for port, service := range map[string]string{"motan": "com.example.One", "export": "com.example.Served"} {
			c := motantest.Dial(t, s.addr(port))
			for i, method := range []string{"echo", "echo", "biz", "service", "get/by-id"} {
				f := motantest.Request(service, method, encoded(t, "x"), "M_g", "demo-group", "M_s", "test-app")
				f.ID = uint64(i + 1)
				c.Call(f)
			}
			c.Conn.Close()
		}
		await(t, "all calls to be reported", func() bool { return g.sum(".total_count|c") == 10 })
	}
	s := newSetup(t)
	theirs, ours := newGraphite(t), newGraphite(t)
	peer := startProcess(t, "motan-go's agent", s.dir, motango(t), "agent", "-c", s.configure(graphiteYAML(provider.Addr(), theirs)))
	for _, port := range []string{"export", "motan"} { // which motan-go opens last
		await(t, "motan-go's agent to listen", func() bool {
			conn, err := net.Dial("tcp", s.addr(port))
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
	count(theirs, s)
	peer.Kill()
	d := startMotandIn(s, graphiteYAML(provider.Addr(), ours))
	count(ours, s)
	d.Stop()
	if got, want := ours.names(), theirs.names(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nmotan-go sends\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, end := range []string{".total_count|c", ".biz_error_count|c", ".other_error_count|c", ".echo.total_count|c"} {
		if got, want := ours.sum(end), theirs.sum(end); got != want {
			t.Errorf("%s: got %v, motan-go sends %v", end, got, want)
		}
	}
}

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
	started := startProcess(t, "prometheus", dir, exe, "--config.file=prometheus.yml", "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.addr)
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

// TestCountsAgree holds that what Prometheus scrapes and what graphite is sent agree with what the callers have counted:
// every call, every kind of failure, and the time that 999 of 1,000 do not exceed, to the bucket.
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
  period: 1
  graphite:
    - {host: 127.0.0.1, port: `+strconv.Itoa(g.port())+`}
`)
	prom := startPrometheus(t, d)
	const connections, each = 8, 2500
	all := make([]*calls, connections)
	for n := range all {
		all[n] = &calls{
			n: each, window: 16,
			request: func(i int) *motan.Frame {
				return motantest.Request("com.example.Counted", "count", []byte{byte(n), byte(i), byte(i >> 8)}, "M_g", "demo")
			},
			check: func(int, *motan.Frame) error { return nil },
		}
	}
	runAll(t, d.addr("motan"), all)
	const want = connections * each
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
	if q, ok := prom.query(t, "histogram_quantile(0.999, sum(motand_call_duration_seconds_bucket"+of+") by (le))"); !ok || q < 0.1 {
		t.Errorf("got %v s as the time that 999 of 1,000 calls do not exceed, want at least 100 ms: the provider takes %v for each 200th", q, slow)
	}
	await(t, "every call to be sent to graphite", func() bool { return g.sum(".count.total_count|c") == want })
	if got := g.sum(".count.other_error_count|c") + g.sum(".count.biz_error_count|c"); got != 0 {
		t.Errorf("graphite: got %v failures, want none", got)
	}
}
