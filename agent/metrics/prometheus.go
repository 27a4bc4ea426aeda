package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// shownBounds are the buckets that Prometheus gets of each method, of the 157 that are kept:
// 1, 2 and 5 times the powers of ten from 10 µs to 50 s. All are bounds of kept buckets, so
// the counts are exact.
var shownBounds = makeShownBounds()

const shownCount = 3 * 7

func makeShownBounds() (shown [shownCount]int64) {
	unit := int64(10 * time.Microsecond)
	for i := 0; i < shownCount; i += 3 {
		shown[i], shown[i+1], shown[i+2] = unit, 2*unit, 5*unit
		unit *= 10
	}
	return shown
}

// scrapes is how many may be answered at once; the next ones get 503.
const scrapes = 4

// Handler answers with everything counted, in the format of Prometheus:
//
//	motand_calls_total{outcome=...}      calls or attempts by how they ended: "ok" always,
//	                                     others ("biz_exception", "exception", "timeout", ...)
//	                                     from the first one on
//	motand_call_duration_seconds         histogram, le = 1, 2, 5 times 10 µs to 10 s
//	motand_slow_calls_total              those that took longer than 200 ms
//	motand_metrics_series                methods that have a series of their own
//	motand_metrics_series_limit          how many may have one
//	motand_build_info{version,goversion} always 1
//	go_*, process_*                      the process
//
// and the figures of [Registry.Add]. The first three have the labels role, application, group,
// service, method, and scope: "cluster" for calls over all attempts, "endpoint" for attempts. With [Registry.ShowExemplars]
// whoever accepts OpenMetrics gets that, with exemplars.
func (r *Registry) Handler() http.Handler {
	o := promhttp.HandlerOpts{
		Registry:            r.gatherer, // counts the errors of scrapes
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapes,
	}
	plain := promhttp.HandlerFor(r.gatherer, o)
	o.EnableOpenMetrics = true
	open := promhttp.HandlerFor(r.gatherer, o)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.Exemplars() {
			open.ServeHTTP(w, q)
		} else {
			plain.ServeHTTP(w, q)
		}
	})
}

// registerOwn registers what every registry has. The names are ours, so it cannot fail.
func (r *Registry) registerOwn(version string) {
	build := []string{version, runtime.Version()}
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return &figureCollector{Figure{Read: single(read)}, prometheus.NewDesc(name, help, nil, nil)}
	}
	r.gatherer.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&callCollector{r},
		gauge("motand_metrics_series", "Methods that are counted by themselves.",
			func() float64 { return float64(r.series.Load()) }),
		gauge("motand_metrics_series_limit", "How many methods may be counted by themselves; others are counted as "+Other+".",
			func() float64 { return float64(r.maxSeries) }),
		&figureCollector{
			Figure{Read: func(emit func(float64, ...string)) { emit(1, build...) }},
			prometheus.NewDesc("motand_build_info", "The program; always 1.", []string{"version", "goversion"}, nil),
		},
	)
}

var callLabels = []string{"role", "application", "group", "service", "method", "scope"}

var (
	callsDesc = prometheus.NewDesc("motand_calls_total",
		"Calls (scope cluster) and attempts (scope endpoint) by outcome.", append(callLabels[:6:6], "outcome"), nil)
	slowDesc = prometheus.NewDesc("motand_slow_calls_total",
		"Calls and attempts that took longer than 200 ms.", callLabels, nil)
	durationDesc = prometheus.NewDesc("motand_call_duration_seconds",
		"How long calls and attempts took.", callLabels, nil)
)

// callCollector shows the counters of calls.
type callCollector struct{ registry *Registry }

// Describe is part of prometheus.Collector.
func (c *callCollector) Describe(to chan<- *prometheus.Desc) {
	to <- callsDesc
	to <- slowDesc
	to <- durationDesc
}

// Collect is part of prometheus.Collector.
func (c *callCollector) Collect(to chan<- prometheus.Metric) {
	withExemplars := c.registry.Exemplars()
	c.registry.Each(func(s Series) {
		if !withExemplars {
			s.exemplars = nil
		}
		collect(&s, to)
	})
}

func collect(s *Series, to chan<- prometheus.Metric) {
	scope := "endpoint"
	if s.Cluster {
		scope = "cluster"
	}
	labels := []string{s.Role, s.Application, s.Group, s.Service, s.Method, scope}
	s.EachOutcome(func(name string, count uint64) {
		to <- constMetric(callsDesc, prometheus.CounterValue, float64(count), append(labels[:6:6], name)...)
	})
	to <- constMetric(slowDesc, prometheus.CounterValue, float64(s.Slow()), labels...)
	buckets := make(map[float64]uint64, len(shownBounds))
	for _, b := range shownBounds {
		buckets[time.Duration(b).Seconds()] = s.Durations.AtMost(time.Duration(b))
	}
	h, err := prometheus.NewConstHistogram(durationDesc, s.Total(), s.Durations.Sum.Seconds(), buckets, labels...)
	if err != nil {
		h = prometheus.NewInvalidMetric(durationDesc, err)
	}
	if s.exemplars != nil {
		h = s.exemplars.on(h)
	}
	to <- h
}
