package metrics

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBoundsAreWhatIsPromised(t *testing.T) {
	if got := time.Duration(bounds[0]); got != time.Microsecond {
		t.Errorf("first bound is %v, want 1µs", got)
	}
	if got := bounds[boundCount-1]; got != lastBound {
		t.Errorf("last bound is %v, want %v", time.Duration(got), time.Duration(lastBound))
	}
	for i := 1; i < boundCount; i++ {
		if ratio := float64(bounds[i]) / float64(bounds[i-1]); ratio < 1.1 || ratio > 1.128 {
			t.Errorf("bounds %d and %d are a factor of %.4f apart, want 1.1 to 1.128", i-1, i, ratio)
		}
	}
	for _, shown := range shownBounds {
		if !slices.Contains(bounds[:], shown) {
			t.Errorf("%v is shown but not a bound", time.Duration(shown))
		}
	}
	for _, ms := range []int64{1, 50, 100, 200, 500} { // those that motan-go's counters are of
		if !slices.Contains(bounds[:], ms*int64(time.Millisecond)) {
			t.Errorf("%d ms is not a bound", ms)
		}
	}
}

// bucketBySearch is what bucketOf has to find.
func bucketBySearch(d int64) int {
	i, _ := slices.BinarySearch(bounds[:], d)
	return i
}

func TestBucketOf(t *testing.T) {
	for _, d := range []int64{-1 << 63, -1, 0, 1, 999, 1000, 1001, lastBound - 1, lastBound, lastBound + 1, 1<<63 - 1} {
		if got, want := bucketOf(d), bucketBySearch(d); got != want {
			t.Errorf("bucketOf(%d) = %d, want %d", d, got, want)
		}
	}
	for _, b := range bounds {
		for d := b - 2; d <= b+2; d++ {
			if got, want := bucketOf(d), bucketBySearch(d); got != want {
				t.Errorf("bucketOf(%d), next to a bound, = %d, want %d", d, got, want)
			}
		}
	}
	for i := range cellCount { // where the table's own steps are
		for d := cellStart(i) - 1; d <= cellStart(i)+1 && d <= lastBound; d++ {
			if got, want := bucketOf(d), bucketBySearch(d); got != want {
				t.Errorf("bucketOf(%d), next to a cell, = %d, want %d", d, got, want)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		d := random.Int64() >> random.IntN(63)
		if got, want := bucketOf(d), bucketBySearch(d); got != want {
			t.Fatalf("bucketOf(%d) = %d, want %d", d, got, want)
		}
	}
}

func TestCellsAreNarrowerThanBuckets(t *testing.T) {
	for i := range cellCount - 1 {
		if got := cell(cellStart(i)); got != i {
			t.Fatalf("cell(cellStart(%d)) = %d", i, got)
		}
		from, to := cellStart(i), cellStart(i+1)-1
		if to > lastBound {
			break
		}
		if first, last := bucketBySearch(from), bucketBySearch(to); last-first > 1 {
			t.Errorf("cell %d, %d to %d ns, meets %d buckets, want at most 2", i, from, to, last-first+1)
		}
	}
}

var sink int

func BenchmarkBucketOf(b *testing.B) {
	durations := make([]int64, 1024)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range durations {
		durations[i] = int64(random.ExpFloat64() * float64(time.Millisecond))
	}
	for i := 0; b.Loop(); i++ {
		sink += bucketOf(durations[i%1024])
	}
}
