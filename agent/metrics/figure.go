package metrics

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Figure is a number, or one for each value of its labels, that is kept elsewhere and read
// when somebody asks: open connections, the state of a registry, the configuration's
// generation.
type Figure struct {
	Name    string   // begins with motand_, ends with its unit; a counter's with _total
	Help    string   // one sentence
	Labels  []string // names of labels, may be empty
	Counter bool     // it only grows

	// Read calls emit once for each set of label values, in the order of Labels. It is called
	// by each scrape, perhaps by two at once, and must not wait for anything.
	Read func(emit func(value float64, labels ...string))
}

var figureName = regexp.MustCompile(`^motand(_[a-z0-9]+)+$`)

// Add makes f part of what [Registry.Handler] shows, for as long as the registry lives.
func (r *Registry) Add(f Figure) error {
	if !figureName.MatchString(f.Name) {
		return fmt.Errorf("metrics: add %q: the name must begin with motand_ and be of lower case letters, digits and single underscores", f.Name)
	}
	if f.Counter != strings.HasSuffix(f.Name, "_total") {
		return fmt.Errorf("metrics: add %s: a counter's name ends with _total, and no other does", f.Name)
	}
	if f.Read == nil {
		return fmt.Errorf("metrics: add %s: it has no Read to ask for the value", f.Name)
	}
	c := &figureCollector{figure: f, desc: prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)}
	if err := r.gatherer.Register(c); err != nil {
		return fmt.Errorf("metrics: add %s: %w", f.Name, err)
	}
	return nil
}

func single(read func() float64) func(func(float64, ...string)) {
	return func(emit func(float64, ...string)) { emit(read()) }
}

type figureCollector struct {
	figure Figure
	desc   *prometheus.Desc
}

// Describe is part of prometheus.Collector.
func (c *figureCollector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect is part of prometheus.Collector.
func (c *figureCollector) Collect(to chan<- prometheus.Metric) {
	kind := prometheus.GaugeValue
	if c.figure.Counter {
		kind = prometheus.CounterValue
	}
	c.figure.Read(func(value float64, labels ...string) {
		clean := make([]string, len(labels))
		for i, l := range labels {
			clean[i] = strings.ToValidUTF8(l, "\ufffd")
		}
		to <- constMetric(c.desc, kind, value, clean...)
	})
}

// constMetric is a metric, or where that cannot be one whose error the scrape reports.
func constMetric(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(d, kind, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return m
}
