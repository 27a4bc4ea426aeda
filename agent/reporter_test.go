package agent

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/conf"
)

// newTestReporter reports one call, and two figures of the process, to the receivers of m.
func newTestReporter(t *testing.T, m *conf.Metrics) (r *reporter, count func()) {
	t.Helper()
	counted := metrics.New(metrics.Options{})
	r = &reporter{
		period: metrics.NewPeriod(counted), samples: func() map[string]int64 { return map[string]int64{"cpu": 7, "memory": 21} },
		application: "shop-web", shows: func(bool) {}, log: slog.New(slog.DiscardHandler), changed: make(chan struct{}, 1), ill: make(map[string]bool),
	}
	r.settings.Store(m)
	return r, func() {
		counted.Service(metrics.Key{Role: "motan-client-agent", Application: "shop-web", Group: "g", Service: "s"}).Method([]byte("m")).Count(time.Millisecond, metrics.OK)
	}
}

// receiver is the entry of a receiver at addr.
func receiver(t *testing.T, addr net.Addr, format string) conf.Graphite {
	t.Helper()
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	g := conf.Graphite{Name: format, Host: host, Format: format}
	if _, err := fmt.Sscan(port, &g.Port); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestReporter(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close() //nolint:errcheck // nothing is lost
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	m := &conf.Metrics{Period: time.Minute, Graphite: []conf.Graphite{receiver(t, udp.LocalAddr(), "statsd"), receiver(t, tcp.Addr(), "carbon")}}
	r, count := newTestReporter(t, m)
	count()
	lines := make(chan []string, 1)
	go func() { // ends with the connection, which the report closes
		var all []string
		if conn, err := tcp.Accept(); err == nil {
			for s := bufio.NewScanner(conn); s.Scan(); {
				all = append(all, s.Text())
			}
			conn.Close()
		}
		lines <- all
	}()
	r.report(true)

	packet := make([]byte, 64<<10)
	if err := udp.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := udp.ReadFrom(packet)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"motan-client-agent.shop-web.g.byhost.127_0_0_1.s.m.total_count:1|c\n",
		"motan-agent.shop-web.motan-stat.byhost.127_0_0_1.status.memory:21|kv\n",
	} {
		if !strings.Contains(string(packet[:n]), want) {
			t.Errorf("over UDP: got\n%s\nwant the line %s", packet[:n], want)
		}
	}
	carbon := strings.Join(<-lines, "\n")
	for _, want := range []string{"motan-client-agent.shop-web.g.byhost.127_0_0_1.s.m.total_count 1 ", "motan-agent.shop-web.motan-stat.byhost.127_0_0_1.status.cpu 7 "} {
		if !strings.Contains(carbon, want) {
			t.Errorf("over TCP: got\n%s\nwant a line that begins with %s", carbon, want)
		}
	}
	if got, period := r.latest(); len(got) != 1 || got[0].Total() != 1 || period != time.Minute {
		t.Errorf("latest: got %d series in %v, want one with one call in 1m0s", len(got), period)
	}
}

// A receiver that takes no bytes is given up in time, and does not keep the next one from its own.
func TestReporterHungReceiver(t *testing.T) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // accepts nobody: what fits into the sockets is all that goes
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close() // nobody listens there
	m := &conf.Metrics{Period: 200 * time.Millisecond, Graphite: []conf.Graphite{receiver(t, hung.Addr(), "carbon"), receiver(t, gone.Addr(), "carbon")}}
	r, count := newTestReporter(t, m)
	huge := map[string]int64{} // more than two sockets hold
	for i := range 20_000 {
		huge[fmt.Sprintf("%01000d", i)] = 1
	}
	r.samples = func() map[string]int64 { return huge }
	count()
	r.report(true)
	if got := r.failed.Load(); got != 2 {
		t.Errorf("got %d failures, want that of each receiver", got)
	}
	if !r.ill["carbon "+hung.Addr().String()] || !r.ill["carbon "+gone.Addr().String()] {
		t.Errorf("got %v, want both told of", r.ill)
	}
}

// A reload that names a receiver has it sent to, and its period counts.
func TestReporterReload(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close() //nolint:errcheck // nothing is lost
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	g := receiver(t, udp.LocalAddr(), "statsd")
	if err := r.Reload(r.parse(t, recorderYAML+referOne+serveOne+fmt.Sprintf("metrics: {period: 1, graphite: [{host: %s, port: %d}]}\n", g.Host, g.Port))); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 64<<10)
	if err := udp.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := udp.ReadFrom(packet)
	if err != nil || !strings.Contains(string(packet[:n]), ".status.goroutine_count:") {
		t.Errorf("got %q, %v; want the figures of the process", packet[:n], err)
	}
}
