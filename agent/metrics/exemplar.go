package metrics

import (
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarEvery is how often the example of a bucket is replaced at most: a scrape shows one of them, so further ones
// would be made for nothing.
const exemplarEvery = time.Second

// exemplar is a traced call that stands for the others of its bucket.
type exemplar struct {
	trace [16]byte
	took  time.Duration
	at    time.Time
}

// exemplars has one for each bucket that Prometheus gets, and one for longer calls.
type exemplars [shownCount + 1]atomic.Pointer[exemplar]

// ShowExemplars says whether histograms have examples: ids of traces. Without, which is the default, [Registry.Handler] never
// answers in OpenMetrics, the only format of text that has room for them.
func (r *Registry) ShowExemplars(yes bool) { r.exemplars.Store(yes) }

// Exemplars tells whether calls are to be given to [Method.Exemplify].
func (r *Registry) Exemplars() bool { return r.exemplars.Load() }

// Exemplify makes a call that took d, and that a trace has recorded, the example of its bucket, unless that has one which is
// younger than a second. It may be called at once from anywhere; it does not block, and allocates only for a new example.
func (m *Method) Exemplify(d time.Duration, trace [16]byte) {
	all := m.exemplars.Load()
	if all == nil {
		m.exemplars.CompareAndSwap(nil, new(exemplars))
		all = m.exemplars.Load()
	}
	at, now := &all[shownBucket(int64(d))], time.Now()
	if old := at.Load(); old == nil || now.Sub(old.at) >= exemplarEvery {
		at.Store(&exemplar{trace, d, now})
	}
}

// shownBucket is the first of shownBounds that is not below d.
func shownBucket(d int64) int {
	for i, b := range shownBounds {
		if d <= b {
			return i
		}
	}
	return shownCount
}

// on adds them to a histogram.
func (x *exemplars) on(h prometheus.Metric) prometheus.Metric {
	var all []prometheus.Exemplar
	for i := range x {
		if e := x[i].Load(); e != nil {
			all = append(all, prometheus.Exemplar{Value: e.took.Seconds(), Labels: prometheus.Labels{"trace_id": hex.EncodeToString(e.trace[:])}, Timestamp: e.at})
		}
	}
	if with, err := prometheus.NewMetricWithExemplars(h, all...); err == nil {
		return with
	}
	return h // there are none
}
