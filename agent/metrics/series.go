package metrics

import "time"

// slow is the duration from which on motan-go counts a call as slow.
const slow = 200 * time.Millisecond

// Series is a copy of what was counted of one method. Numbers only grow.
type Series struct {
	Key
	Method    string
	Durations Histogram

	names    []string
	outcomes [maxOutcomes]uint64

	exemplars *exemplars // of the method itself; nil for none
}

// Total is how many calls were counted.
func (s *Series) Total() uint64 { return s.Durations.Count() }

// Slow is how many took longer than 200 ms.
func (s *Series) Slow() uint64 { return s.Total() - s.Durations.AtMost(slow) }

// Outcome is how many calls ended like that. The outcomes add up to Total, but for calls
// that were counted while the copy was made.
func (s *Series) Outcome(o Outcome) uint64 {
	if o == OK {
		failed := uint64(0)
		for _, n := range s.outcomes[1:] {
			failed += n
		}
		return s.Total() - min(failed, s.Total())
	}
	if int(o) >= len(s.outcomes) {
		return 0
	}
	return s.outcomes[o]
}

// BizErrors is motan-go's biz_error_count: exceptions that the implementation has thrown.
func (s *Series) BizErrors() uint64 { return s.Outcome(BizException) }

// OtherErrors is motan-go's other_error_count: all other failures.
func (s *Series) OtherErrors() uint64 {
	n := uint64(0)
	for o := Exception; o < maxOutcomes; o++ {
		n += s.Outcome(o)
	}
	return n
}

// EachOutcome calls f for every outcome by name: for "ok" always, for others where there was one.
func (s *Series) EachOutcome(f func(name string, count uint64)) {
	for i, name := range s.names {
		if n := s.Outcome(Outcome(i)); n > 0 || Outcome(i) == OK {
			f(name, n)
		}
	}
}
