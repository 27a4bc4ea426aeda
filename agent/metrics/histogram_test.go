package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// counted counts durations by way of a method, as callers do, and returns the copy.
func counted(t *testing.T, durations ...time.Duration) Histogram {
	t.Helper()
	r := New(Options{})
	m := r.Service(Key{Service: "s"}).Method([]byte("m"))
	for _, d := range durations {
		m.Count(d, OK)
	}
	var h Histogram
	r.Each(func(s Series) { h = s.Durations })
	return h
}

func TestQuantilesAgainstExactOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	distributions := map[string]func() float64{ // in seconds
		"exponential, 1 ms": func() float64 { return random.ExpFloat64() * 1e-3 },
		"log-normal":        func() float64 { return math.Exp(random.NormFloat64()*2 - 6) },
		"uniform to 10 s":   func() float64 { return random.Float64() * 10 },
		"log-uniform":       func() float64 { return math.Pow(10, -6+random.Float64()*7.7) },
		"two modes": func() float64 {
			return []float64{0.0003, 1.2}[random.IntN(2)] * (1 + random.Float64()/10)
		},
	}
	for name, draw := range distributions {
		t.Run(name, func(t *testing.T) {
			durations := make([]time.Duration, 20000)
			for i := range durations {
				d := time.Duration(draw() * float64(time.Second))
				durations[i] = min(max(d, time.Microsecond), time.Minute)
			}
			h := counted(t, durations...)
			slices.Sort(durations)
			for _, q := range []float64{0, 0.01, 0.5, 0.75, 0.95, 0.99, 0.999, 0.9999, 1} {
				exact := durations[max(int(math.Ceil(q*float64(len(durations))))-1, 0)]
				got := h.Quantile(q)
				if off := math.Abs(float64(got-exact)) / float64(exact); off > 0.06 {
					t.Errorf("quantile %v = %v, exact is %v: off by %.1f %%, want at most 6 %%", q, got, exact, off*100)
				}
			}
		})
	}
}

func TestHistogramEdges(t *testing.T) {
	tests := []struct {
		name      string
		durations []time.Duration
		quantile  float64
		want      time.Duration
		mean      time.Duration
	}{
		{"empty", nil, 0.5, 0, 0},
		{"zero", []time.Duration{0}, 0.5, time.Microsecond, 0},
		{"backwards", []time.Duration{-time.Second}, 0.5, time.Microsecond, 0},
		{"an hour", []time.Duration{time.Hour}, 0.5, 63 * time.Second, time.Hour},
		{"below 0", []time.Duration{time.Hour}, -1, 63 * time.Second, time.Hour},
		{"above 1", []time.Duration{0, time.Hour}, 2, 63 * time.Second, 30 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := counted(t, tt.durations...)
			if got := h.Quantile(tt.quantile); got != tt.want {
				t.Errorf("quantile %v = %v, want %v", tt.quantile, got, tt.want)
			}
			if got := h.Mean(); got != tt.mean {
				t.Errorf("mean = %v, want %v", got, tt.mean)
			}
			if got := h.Count(); got != uint64(len(tt.durations)) {
				t.Errorf("count = %d, want %d", got, len(tt.durations))
			}
		})
	}
}

func TestAtMostIsExactAtRoundDurations(t *testing.T) {
	var durations []time.Duration
	for _, b := range shownBounds {
		durations = append(durations, time.Duration(b), time.Duration(b)+1)
	}
	h := counted(t, durations...)
	for i, b := range shownBounds {
		if got, want := h.AtMost(time.Duration(b)), uint64(2*i+1); got != want {
			t.Errorf("at most %v: %d, want %d", time.Duration(b), got, want)
		}
	}
	if got := h.AtMost(0); got != 0 {
		t.Errorf("at most 0: %d, want 0", got)
	}
}

func TestSub(t *testing.T) {
	r := New(Options{})
	m := r.Service(Key{}).Method([]byte("m"))
	var before, after Histogram
	m.Count(time.Second, OK)
	r.Each(func(s Series) { before = s.Durations })
	m.Count(time.Millisecond, OK)
	m.Count(time.Millisecond, OK)
	r.Each(func(s Series) { after = s.Durations })
	since := after.Sub(&before)
	if got := fmt.Sprint(since.Count(), since.Sum, since.AtMost(time.Millisecond)); got != "2 2ms 2" {
		t.Errorf("got count, sum and those at most 1 ms %s, want 2 2ms 2", got)
	}
}
