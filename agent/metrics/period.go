package metrics

import "sync"

// Period tells what was counted since it was last asked. Each of those who report at their own pace has one.
type Period struct {
	registry *Registry

	mu     sync.Mutex
	before map[seriesKey]Series // guarded by mu
}

type seriesKey struct {
	Key
	method string
}

// NewPeriod returns a Period that begins with nothing counted.
func NewPeriod(r *Registry) *Period { return &Period{registry: r, before: make(map[seriesKey]Series)} }

// Next returns the series that have counted something since the last Next, with what they have counted since. It
// may be called at once from anywhere.
func (p *Period) Next() []Series {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Series
	p.registry.Each(func(now Series) {
		k := seriesKey{now.Key, now.Method}
		since, ok := now, true
		if before, had := p.before[k]; had {
			since, ok = now.Since(&before)
		}
		if ok {
			p.before[k] = now
			all = append(all, since)
		}
	})
	return all
}

// Since is what s has counted since earlier, a copy of the same series; false where that is nothing.
func (s *Series) Since(earlier *Series) (Series, bool) {
	since := *s
	since.Durations = s.Durations.Sub(&earlier.Durations)
	for i := range since.outcomes {
		since.outcomes[i] -= earlier.outcomes[i]
	}
	return since, since.Total() > 0
}
