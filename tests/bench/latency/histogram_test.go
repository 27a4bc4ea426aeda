package latency

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantile holds the histogram against sorted durations.
func TestQuantile(t *testing.T) {
	tests := []struct {
		name string
		draw func(r *rand.Rand) time.Duration
	}{
		{"same", func(*rand.Rand) time.Duration { return 12345 }},
		{"small", func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(100)) }},
		{"uniform", func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(1e9)) }},
		{"exponential", func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * 1e5) }},
		{"log-uniform", func(r *rand.Rand) time.Duration { return time.Duration(math.Exp(r.Float64() * 27)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var h Histogram
			all := make([]time.Duration, 100_000)
			for i := range all {
				all[i] = tt.draw(r)
				h.Add(all[i])
			}
			slices.Sort(all)
			for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
				want := all[min(max(int(q*float64(len(all))+0.5), 1), len(all))-1]
				got := h.Quantile(q)
				if diff := math.Abs(float64(got - want)); diff > float64(want)/64+1 {
					t.Errorf("Quantile(%v): got %d, want %d within 1.6 %%", q, got, want)
				}
			}
			if h.Max() != all[len(all)-1] {
				t.Errorf("Max: got %d, want %d", h.Max(), all[len(all)-1])
			}
		})
	}
}

func TestEdges(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("Quantile of nothing: got %d, want 0", got)
	}
	h.Add(-5)
	h.Add(math.MaxInt64)
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("a negative duration counts as %d, want 0", got)
	}
	if got := h.Quantile(1); got < 1<<39 {
		t.Errorf("a duration beyond the last bucket counts as %d, want 2^39 at least", got)
	}
}

// TestBucketsJoin holds that buckets follow each other without a gap, and that their middles grow.
func TestBucketsJoin(t *testing.T) {
	last := -1
	for v := range uint64(1 << 20) {
		b := bucket(v)
		if b != last && b != last+1 {
			t.Fatalf("bucket(%d): got %d after %d", v, b, last)
		}
		if b != last && b > 0 && middle(b) <= middle(b-1) {
			t.Fatalf("middle(%d) = %d is not above middle(%d) = %d", b, middle(b), b-1, middle(b-1))
		}
		last = b
	}
}

func TestMerge(t *testing.T) {
	var a, b, both Histogram
	for i := range 1000 {
		d := time.Duration(i) * time.Microsecond
		both.Add(d)
		if i%2 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	if a != both {
		t.Error("the merged histogram differs from that of all durations")
	}
	if a.Count() != 1000 {
		t.Errorf("Count: got %d, want 1000", a.Count())
	}
}

func TestAddAllocates(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(1000, func() { h.Add(123456) }); n != 0 {
		t.Errorf("Add: got %v allocations, want 0", n)
	}
}
