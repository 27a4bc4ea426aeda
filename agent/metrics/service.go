package metrics

import (
	"maps"
	"sync/atomic"
	"unicode/utf8"
)

// Service counts the calls of one [Key], by method.
type Service struct {
	registry *Registry
	key      Key
	other    *Method
	methods  atomic.Pointer[map[string]*Method] // replaced whole, under the registry's mu
}

func newService(r *Registry, k Key) *Service {
	s := &Service{registry: r, key: k, other: newMethod(Other)}
	s.methods.Store(&map[string]*Method{})
	return s
}

// Key is whose calls are counted.
func (s *Service) Key() Key { return s.key }

// Method returns the counters of a method, never nil. It allocates only for a name that is
// new. A name that is no text or longer than 128 bytes, and every new one when a limit
// is reached, get those of Other.
func (s *Service) Method(name []byte) *Method {
	if len(name) > maxNameBytes {
		return s.other
	}
	methods := *s.methods.Load()
	if m := methods[string(name)]; m != nil {
		return m
	}
	if len(methods) >= s.registry.maxMethods || s.registry.full() || string(name) == Other || !utf8.Valid(name) {
		return s.other
	}
	return s.add(string(name))
}

func (s *Service) add(name string) *Method {
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *s.methods.Load()
	if m := old[name]; m != nil {
		return m
	}
	if len(old) >= r.maxMethods || r.full() {
		return s.other
	}
	r.series.Add(1)
	m := newMethod(name)
	methods := maps.Clone(old)
	methods[name] = m
	s.methods.Store(&methods)
	return m
}

// full tells whether no more series may be added.
func (r *Registry) full() bool { return r.series.Load() >= int64(r.maxSeries) }

func (s *Service) each(f func(Series)) {
	for _, m := range *s.methods.Load() {
		s.one(m, f)
	}
	s.one(s.other, f)
}

func (s *Service) one(m *Method, f func(Series)) {
	if !m.counted() { // as most are of ten thousand services, and a copy takes a KiB
		return
	}
	series := Series{Key: s.key, Method: m.name, names: s.registry.outcomes, exemplars: m.exemplars.Load()}
	m.addTo(&series)
	for o := len(series.names); o < maxOutcomes; o++ {
		series.outcomes[firstKind] += series.outcomes[o]
		series.outcomes[o] = 0
	}
	if series.Total() > 0 {
		f(series)
	}
}
