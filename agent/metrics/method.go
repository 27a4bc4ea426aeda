package metrics

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Method counts the calls of one method. It begins as one set of counters; where two
// processors are found to count at the same moment, further sets are added, one for each of
// up to eight, so that only busy methods take the space (1.5 KiB a set).
type Method struct {
	name    string
	first   *counters
	further [maxSets]atomic.Pointer[counters]

	exemplars atomic.Pointer[exemplars] // nil before the first one
}

// maxSets bounds the memory of a busy method; more than eight processors share.
const maxSets = 8

// counters is larger than a line of the cache by far, so that two of them do not share any.
type counters struct {
	sum      atomic.Uint64 // nanoseconds
	outcomes [maxOutcomes]atomic.Uint64
	buckets  [bucketCount]atomic.Uint64
}

func newMethod(name string) *Method { return &Method{name: name, first: new(counters)} }

// Name is the method, or Other.
func (m *Method) Name() string { return m.name }

// Count counts a call that took d and ended with o. It may be called at once from anywhere; it neither
// blocks nor allocates.
func (m *Method) Count(d time.Duration, o Outcome) {
	d = max(d, 0)
	c := m.first
	if sum := c.sum.Load(); !c.sum.CompareAndSwap(sum, sum+uint64(d)) {
		c = m.apart()
		c.sum.Add(uint64(d))
	}
	c.buckets[bucketOf(int64(d))].Add(1)
	if o != OK {
		c.outcomes[o%maxOutcomes].Add(1)
	}
}

// counted tells whether anything was ever counted.
func (m *Method) counted() bool {
	if m.first.sum.Load() > 0 || m.first.buckets[0].Load() > 0 {
		return true
	}
	for i := range m.further {
		if m.further[i].Load() != nil {
			return true
		}
	}
	return false
}

// apart returns the counters of the running goroutine, for when the first are contended.
// Goroutines are told apart by where their stacks are, which costs nothing to ask; that two
// meet, or one moves, only costs time.
func (m *Method) apart() *counters {
	var here byte
	place := uint64(uintptr(unsafe.Pointer(&here))) >> 11 // the smallest stack is 2 KiB
	slot := &m.further[place*0x9e3779b97f4a7c15>>(64-3)]  // Fibonacci hashing to 0..7
	if c := slot.Load(); c != nil {
		return c
	}
	slot.CompareAndSwap(nil, new(counters))
	return slot.Load()
}

func (m *Method) addTo(s *Series) {
	m.first.addTo(s)
	for i := range m.further {
		if c := m.further[i].Load(); c != nil {
			c.addTo(s)
		}
	}
}

// addTo reads the outcomes before the buckets, so that failures never exceed the total.
func (c *counters) addTo(s *Series) {
	for i := range c.outcomes {
		s.outcomes[i] += c.outcomes[i].Load()
	}
	for i := range c.buckets {
		s.Durations.buckets[i] += c.buckets[i].Load()
	}
	s.Durations.Sum += time.Duration(c.sum.Load())
}
