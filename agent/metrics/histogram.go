package metrics

import "time"

// Histogram is a copy of durations that were counted: how many fell into each bucket of a
// fixed set, twenty to a decade from 1 µs to 63 s. The zero value is empty.
type Histogram struct {
	Sum     time.Duration // of all durations
	buckets [bucketCount]uint64
}

// Count is how many durations there are.
func (h *Histogram) Count() uint64 {
	n := uint64(0)
	for _, b := range &h.buckets {
		n += b
	}
	return n
}

// Mean is their average; 0 where there are none.
func (h *Histogram) Mean() time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return time.Duration(uint64(h.Sum) / n)
}

// AtMost is how many were not longer than d. It is exact for 1, 2 and 5 times a power of ten
// between 1 µs and 50 s, else it counts those up to the next bucket's bound below d.
func (h *Histogram) AtMost(d time.Duration) uint64 {
	n := uint64(0)
	for i, bound := range bounds {
		if bound > int64(d) {
			break
		}
		n += h.buckets[i]
	}
	return n
}

// Quantile is the duration that the share q of all, 0 to 1, does not exceed, within 6 % for
// those from 1 µs to 63 s. Longer ones count as 63 s, and it is 0 where there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := uint64(q * float64(n))
	if float64(rank) < q*float64(n) || rank == 0 {
		rank++
	}
	seen := uint64(0)
	for i, b := range &h.buckets {
		seen += b
		if seen >= min(rank, n) {
			return middle(i)
		}
	}
	return time.Duration(lastBound)
}

// Sub returns what h has counted since earlier, a copy of the same series.
func (h *Histogram) Sub(earlier *Histogram) Histogram {
	since := Histogram{Sum: h.Sum - earlier.Sum}
	for i := range h.buckets {
		since.buckets[i] = h.buckets[i] - earlier.buckets[i]
	}
	return since
}

// middle is the harmonic mean of a bucket's ends: as far from either, relative to it.
func middle(bucket int) time.Duration {
	switch bucket {
	case 0:
		return time.Duration(bounds[0])
	case boundCount:
		return time.Duration(lastBound)
	}
	low, high := float64(bounds[bucket-1]), float64(bounds[bucket])
	return time.Duration(2 * low * high / (low + high))
}

// Add adds what other has counted.
func (h *Histogram) Add(other *Histogram) {
	h.Sum += other.Sum
	for i := range h.buckets {
		h.buckets[i] += other.buckets[i]
	}
}
