package metrics

import (
	"strconv"
	"time"

	gometrics "github.com/rcrowley/go-metrics"
)

// percentiles are those that motan-go reports, by the last word of their name.
var percentiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p75", 0.75}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}}

// maxPacket is the size of motan-go's UDP packets; one larger line goes alone.
const maxPacket = 5 << 10

// Packets writes the metrics of r as motan-go's agent sends them over UDP: lines of name:value|kind, where the kind is c of
// a counter, kv of a percentile or a gauge, ms of an average. A packet has up to 5 KiB of whole lines.
func Packets(r gometrics.Registry) [][]byte {
	var packets [][]byte
	packet := make([]byte, 0, maxPacket)
	each(r, func(name, value, kind string) {
		size := len(name) + len(value) + len(kind) + 3
		if len(packet) > 0 && len(packet)+size > maxPacket {
			packets = append(packets, packet)
			packet = make([]byte, 0, maxPacket)
		}
		packet = append(append(packet, name...), ':')
		packet = append(append(packet, value...), '|')
		packet = append(append(packet, kind...), '\n')
	})
	if len(packet) > 0 {
		packets = append(packets, packet)
	}
	return packets
}

// AppendCarbon appends the metrics of r in the plain text form that Graphite's own carbon takes over TCP: lines of name, value and
// the time in seconds.
func AppendCarbon(to []byte, r gometrics.Registry, at time.Time) []byte {
	each(r, func(name, value, _ string) {
		to = append(append(to, name...), ' ')
		to = append(append(to, value...), ' ')
		to = append(strconv.AppendInt(to, at.Unix(), 10), '\n')
	})
	return to
}

// each calls f for every value of r.
func each(r gometrics.Registry, f func(name, value, kind string)) {
	float := func(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }
	r.Each(func(name string, m any) {
		switch m := m.(type) {
		case gometrics.Histogram:
			for _, p := range percentiles {
				f(name+"."+p.name, float(m.Percentile(p.q)), "kv")
			}
			f(name+".avg_time", float(m.Mean()), "ms")
		case gometrics.Counter:
			f(name, strconv.FormatInt(m.Count(), 10), "c")
		case gometrics.Gauge:
			f(name, strconv.FormatInt(m.Value(), 10), "kv")
		}
	})
}
