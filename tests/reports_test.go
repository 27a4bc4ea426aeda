package tests

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

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
