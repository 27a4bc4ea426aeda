package filters

import (
	"runtime"
	"sync"
	"weak"

	"github.com/motand/motand/agent/metrics"
)

// States holds what filters know of the calls that they have seen: buckets, circuits, counts. A
// filter that takes the place of another one, because the configuration was read anew, finds
// the state of that one here. A state lives as long as a filter uses it. A nil States holds
// nothing: each filter has a state of its own, which no metric shows.
type States struct {
	mu  sync.Mutex
	all map[stateKey]stateRef // guarded by mu
}

type stateKey struct{ filter, role, id, group, service string }

// stateRef does not keep its state alive.
type stateRef struct {
	load func() any // nil when nobody uses the state any more
}

// reporter is a state that metrics show. Names are of lower case letters and underscores, and
// always the same few.
type reporter interface {
	// report emits how many calls had each result, and how things stand at the moment.
	report(count func(result string, n int64), state func(name string, value float64))
}

// shared returns the state of a filter, made new where no filter like it has one.
func shared[T any](s Settings, filter string) *T {
	if s.States == nil {
		return new(T)
	}
	k := stateKey{filter, s.Role, s.ID, s.Group, s.Service}
	h := s.States
	h.mu.Lock()
	defer h.mu.Unlock()
	if ref, ok := h.all[k]; ok {
		if t, ok := ref.load().(*T); ok {
			return t
		}
	}
	t := new(T)
	w := weak.Make(t)
	if h.all == nil {
		h.all = make(map[stateKey]stateRef)
	}
	h.all[k] = stateRef{load: func() any {
		if t := w.Value(); t != nil {
			return t
		}
		return nil
	}}
	runtime.AddCleanup(t, h.forget, k)
	return t
}

// forget drops the entry of a state that has gone.
func (h *States) forget(k stateKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ref, ok := h.all[k]; ok && ref.load() == nil {
		delete(h.all, k)
	}
}

// Figures are what filters have done and how they stand, for [metrics.Registry.Add]. The
// labels are filter, role, group, service and a name of a fixed list, so that there are not
// more of them than the configuration has filters.
func (h *States) Figures() []metrics.Figure {
	read := func(counts bool) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			for k, value := range h.sum(counts) {
				emit(value, k.filter, k.role, k.group, k.service, k.id)
			}
		}
	}
	return []metrics.Figure{
		{
			Name: "motand_filter_calls_total", Help: "Calls that a filter did something about, by what it did.",
			Labels: []string{"filter", "role", "group", "service", "result"}, Counter: true, Read: read(true),
		},
		{
			Name: "motand_filter_state", Help: "How a filter stands at the moment.",
			Labels: []string{"filter", "role", "group", "service", "state"}, Read: read(false),
		},
	}
}

// sum adds up what entries with the same service report; the key's id is the name.
func (h *States) sum(counts bool) map[stateKey]float64 {
	sums := make(map[stateKey]float64)
	h.each(func(k stateKey, r reporter) {
		add := func(name string, value float64) {
			k.id = name
			sums[k] += value // of entries with the same service, and of a filter and its guard
		}
		if counts {
			r.report(func(result string, n int64) { add(result, float64(n)) }, func(string, float64) {})
		} else {
			r.report(func(string, int64) {}, add)
		}
	})
	return sums
}

func (h *States) each(f func(stateKey, reporter)) {
	h.mu.Lock()
	type one struct {
		key   stateKey
		state any
	}
	var all []one
	for k, ref := range h.all {
		if t := ref.load(); t != nil {
			all = append(all, one{k, t})
		}
	}
	h.mu.Unlock()
	for _, x := range all {
		if r, ok := x.state.(reporter); ok {
			f(x.key, r)
		}
	}
}
