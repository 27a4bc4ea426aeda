package agent

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gometrics "github.com/rcrowley/go-metrics"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/conf"
)

// reporter counts by periods, and sends what a period has counted to the receivers of the section metrics. Each of them has
// a period's time at most: one that hangs holds up neither calls nor the others.
type reporter struct {
	period  *metrics.Period
	samples func() map[string]int64 // of the process, by motan-go's names
	shows   func(exemplars bool)
	log     *slog.Logger

	application string // of the agent

	settings atomic.Pointer[conf.Metrics]
	changed  chan struct{}
	last     atomic.Pointer[[]metrics.Series] // what the period before has counted
	sent     atomic.Int64                     // packets, or for carbon writings
	failed   atomic.Int64                     // periods of a receiver

	mu  sync.Mutex
	ill map[string]bool // guarded by mu; receivers that could not be reached the last time
}

const (
	samplePeriod = 30 * time.Second // of the process, as motan-go has it
	longestSend  = 5 * time.Second
)

func newReporter(a *Agent, m *conf.Metrics) *reporter {
	r := &reporter{
		period: metrics.NewPeriod(a.compiler.metrics), samples: a.samples, shows: a.compiler.metrics.ShowExemplars,
		application: a.snapshot.Load().config.Agent.Application, log: a.log, changed: make(chan struct{}, 1), ill: make(map[string]bool),
	}
	r.settings.Store(m)
	r.shows(m.Exemplars)
	return r
}

// use takes other settings into use, from the next period on.
func (r *reporter) use(m *conf.Metrics) {
	r.settings.Store(m)
	r.shows(m.Exemplars)
	select {
	case r.changed <- struct{}{}:
	default: // somebody has told it already
	}
}

// latest is what the last whole period has counted, and how long a period is.
func (r *reporter) latest() ([]metrics.Series, time.Duration) {
	period := r.settings.Load().Period
	if all := r.last.Load(); all != nil {
		return *all, period
	}
	return nil, period
}

// run reports until ctx ends, and then once more what was left.
func (r *reporter) run(ctx context.Context) {
	timer := time.NewTimer(r.settings.Load().Period)
	defer timer.Stop()
	var sampled time.Time
	for {
		select {
		case <-ctx.Done():
			r.report(false)
			return
		case <-r.changed:
			timer.Reset(r.settings.Load().Period)
		case now := <-timer.C:
			due := now.Sub(sampled) >= samplePeriod
			if due {
				sampled = now
			}
			r.report(due)
			timer.Reset(r.settings.Load().Period)
		}
	}
}

// report ends a period and sends it to every receiver; withSamples adds the process's own figures.
func (r *reporter) report(withSamples bool) {
	series := r.period.Next()
	r.last.Store(&series)
	m := r.settings.Load()
	if len(m.Graphite) == 0 {
		return
	}
	samples := map[string]int64{}
	if withSamples {
		samples = r.samples()
	}
	limit := time.Now().Add(min(m.Period, longestSend))
	var wait sync.WaitGroup
	for i := range m.Graphite {
		wait.Go(func() { r.tell(&m.Graphite[i], r.send(&m.Graphite[i], series, samples, limit)) }) // ends by limit
	}
	wait.Wait()
}

// send sends a period to one receiver. The names have this host's address as that receiver sees it, as motan-go's.
func (r *reporter) send(g *conf.Graphite, series []metrics.Series, samples map[string]int64, limit time.Time) error {
	network := "udp"
	if g.Format == "carbon" {
		network = "tcp"
	}
	dialer := net.Dialer{Deadline: limit}
	conn, err := dialer.Dial(network, net.JoinHostPort(g.Host, strconv.Itoa(g.Port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(limit); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	registry := metrics.GoMetrics(host, series)
	for name, value := range samples {
		s := gometrics.NewGauge()
		s.Update(value)
		_ = registry.Register(metrics.GoMetricsName("motan-agent", r.application, "motan-stat", host, "status", name), s)
	}
	if network == "tcp" {
		r.sent.Add(1)
		_, err := conn.Write(metrics.AppendCarbon(nil, registry, time.Now()))
		return err
	}
	for _, packet := range metrics.Packets(registry) {
		r.sent.Add(1)
		if _, err := conn.Write(packet); err != nil {
			return err
		}
	}
	return nil
}

// tell logs when a receiver is lost, and when it is there again.
func (r *reporter) tell(g *conf.Graphite, err error) {
	name := strings.TrimSpace(g.Name + " " + net.JoinHostPort(g.Host, strconv.Itoa(g.Port)))
	r.mu.Lock()
	was := r.ill[name]
	r.ill[name] = err != nil
	r.mu.Unlock()
	if err != nil {
		r.failed.Add(1)
	}
	switch {
	case err != nil && !was:
		r.log.Warn("agent: metrics cannot be sent; those of the periods until it can be reached are lost, Prometheus still finds all at /metrics",
			"receiver", name, "at", g.Position, "err", err)
	case err == nil && was:
		r.log.Info("agent: metrics are sent again", "receiver", name)
	}
}

func (r *reporter) figures() []metrics.Figure {
	return []metrics.Figure{
		counter("motand_reports_sent_total", "Packets of metrics sent to the receivers that the section metrics names.", func() float64 { return float64(r.sent.Load()) }),
		counter("motand_reports_failed_total", "Periods whose metrics could not be sent to a receiver.", func() float64 { return float64(r.failed.Load()) }),
	}
}

// samples are the figures of the process that motan-go's agent reports, under its names.
func (a *Agent) samples() map[string]int64 {
	cpu := int64(0)
	if up := time.Since(a.started); up > 0 {
		cpu = int64(100 * ownCPU() / up)
	}
	return map[string]int64{
		"memory": int64(usageNow().mapped >> 20), "cpu": cpu, "goroutine_count": int64(runtime.NumGoroutine()),
		"not_found_provider_count":      a.inbound.missing.Load(),
		"motan_server_connection_count": a.motanIn.Stats.Open.Load() + a.exportIn.Stats.Open.Load(),
		"accesslog_discard_count":       a.compiler.accessLog.Dropped(),
	}
}
