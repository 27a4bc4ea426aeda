package conf

import (
	"strings"
	"time"
)

// Metrics is the section metrics.
type Metrics struct {
	Position
	Period    time.Duration // seconds in the file, default 5 s
	PeriodAt  Position      // where it is written; zero for the default
	Processor int           // read for compatibility, default 1
	Exemplars bool          // default false
	Graphite  []Graphite
}

// Graphite is a receiver of the metrics.
type Graphite struct {
	Position
	Name   string
	Host   string
	Port   int
	Format string // statsd: motan-go's lines over UDP, the default; carbon: Graphite's own over TCP
}

// readMetrics reads metrics.
func (c *checker) readMetrics() {
	p, ok := c.section(sectionMetrics)
	m := &c.cfg.Metrics
	m.Position = p.at
	var n *node
	if ok {
		n = p.value
	}
	v := c.read(source{section: sectionMetrics, path: sectionMetrics, owner: sectionMetrics, strict: true, fold: true}, n)
	m.Period, m.PeriodAt = v.duration("period"), v.set["period"].at
	m.Processor = v.int("processor")
	m.Exemplars = v.bool("exemplars")
	if n == nil {
		return
	}
	for _, p := range n.pairs {
		if !strings.EqualFold(p.key, "graphite") || p.value.null() {
			continue
		}
		if p.value.kind != listNode {
			c.f.errorf(p.value.at, sectionGraphite, "%s must be a list of name, host and port; got %s", p.key, p.value.describe())
			continue
		}
		for _, item := range p.value.items {
			m.Graphite = append(m.Graphite, c.graphite(item))
		}
	}
}

func (c *checker) graphite(n *node) Graphite {
	v := c.read(source{section: sectionGraphite, path: sectionGraphite, owner: "a receiver of metrics", strict: true, fold: true}, n)
	g := Graphite{Position: n.at, Name: v.text("name"), Host: v.text("host"), Port: v.int("port"), Format: v.text("format")}
	if n.kind == mapNode && (!validHost(g.Host) || g.Port == 0) {
		c.f.errorf(n.at, sectionGraphite, "a receiver of metrics needs host and port, such as Host: 127.0.0.1 and Port: 3333")
	}
	return g
}
