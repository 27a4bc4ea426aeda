package metrics

import (
	"strings"
	"time"

	gometrics "github.com/rcrowley/go-metrics"
)

// The last words of the names of counters, as motan-go has them.
var shares = []struct {
	name string
	of   func(s *Series) uint64
}{
	{"total_count", (*Series).Total},
	{"biz_error_count", (*Series).BizErrors},
	{"other_error_count", (*Series).OtherErrors},
	{"slow_count", (*Series).Slow},
	{"Less50ms", func(s *Series) uint64 { return s.between(0, 50*time.Millisecond) }},
	{"Less100ms", func(s *Series) uint64 { return s.between(50*time.Millisecond, 100*time.Millisecond) }},
	{"Less200ms", func(s *Series) uint64 { return s.between(100*time.Millisecond, 200*time.Millisecond) }},
	{"Less500ms", func(s *Series) uint64 { return s.between(200*time.Millisecond, 500*time.Millisecond) }},
	{"More500ms", func(s *Series) uint64 { return s.Total() - s.Durations.AtMost(500*time.Millisecond) }},
}

// between is how many took longer than low and at most high. Both are bounds of buckets, so it is exact.
func (s *Series) between(low, high time.Duration) uint64 {
	return s.Durations.AtMost(high) - s.Durations.AtMost(low)
}

// GoMetrics returns series as a registry of github.com/rcrowley/go-metrics, for any of its reporters: for each series
// the counters that motan-go has, and a histogram in milliseconds. Names are motan-go's:
// <role>.<application>.<group>[.cluster].byhost.<host>.<service>.<method>, and .<counter> behind that; what is not a letter,
// a digit or a hyphen is _ in them. Counters that are 0 are left out. The values are copies.
func GoMetrics(host string, series []Series) gometrics.Registry {
	r := gometrics.NewRegistry()
	for i := range series {
		s := &series[i]
		name := goMetricsName(s.Role, s.Application, s.Group, s.Cluster, host, s.Service, s.Method)
		_ = r.Register(name, &durations{h: &s.Durations}) // two that differ in odd characters only: the first one counts
		for _, share := range shares {
			if n := share.of(s); n > 0 {
				c := gometrics.NewCounter()
				c.Inc(int64(n))
				_ = r.Register(name+"."+share.name, c)
			}
		}
	}
	return r
}

// GoMetricsName is the name of a figure that is not one of a series.
func GoMetricsName(role, application, group, host, service, name string) string {
	return goMetricsName(role, application, group, false, host, service, name)
}

func goMetricsName(role, application, group string, cluster bool, host, service, method string) string {
	group = escapeName(group)
	if cluster {
		group += ".cluster"
	}
	return strings.Join([]string{escapeName(role), escapeName(application), group, "byhost", escapeName(host), escapeName(service), escapeName(method)}, ".")
}

// escapeName makes s one word of a name.
func escapeName(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '_'
	}, s)
}

// durations is a Histogram as one of go-metrics, in milliseconds. It is read only: it is the copy of a period.
type durations struct {
	gometrics.NilHistogram
	h *Histogram
}

var _ gometrics.Histogram = (*durations)(nil)

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Count is how many durations there are.
func (d *durations) Count() int64 { return int64(d.h.Count()) }

// Sum is that of all durations.
func (d *durations) Sum() int64 { return d.h.Sum.Milliseconds() }

// Mean is their average.
func (d *durations) Mean() float64 { return millis(d.h.Mean()) }

// Min is the shortest one, within 6 %.
func (d *durations) Min() int64 { return d.h.Quantile(0).Milliseconds() }

// Max is the longest one, within 6 %.
func (d *durations) Max() int64 { return d.h.Quantile(1).Milliseconds() }

// Percentile is the duration that the share q of all does not exceed.
func (d *durations) Percentile(q float64) float64 { return millis(d.h.Quantile(q)) }

// Percentiles are those of several shares.
func (d *durations) Percentiles(qs []float64) []float64 {
	all := make([]float64, len(qs))
	for i, q := range qs {
		all[i] = d.Percentile(q)
	}
	return all
}

// Snapshot is d itself.
func (d *durations) Snapshot() gometrics.Histogram { return d }
