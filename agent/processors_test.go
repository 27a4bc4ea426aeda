package agent

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"
)

func TestProcessorsFollowTheLoad(t *testing.T) {
	type tick struct {
		used, idle float64 // CPUs
	}
	repeat := func(n int, x tick) []tick {
		all := make([]tick, n)
		for i := range all {
			all[i] = x
		}
		return all
	}
	tests := []struct {
		name  string
		most  int
		start int
		ticks []tick
		want  int
	}{
		{"nothing to do", 4, 1, repeat(50, tick{0.01, 3.9}), 1},
		{"one is full and the host has room", 4, 1, repeat(busyTicks, tick{0.95, 2}), 2},
		{"one is full for a moment", 4, 1, []tick{{0.95, 2}, {0.5, 2}, {0.95, 2}, {0.5, 2}}, 1},
		{"the host is full as well", 4, 1, repeat(50, tick{0.99, 0.1}), 1},
		{"no more than there are", 2, 1, repeat(50, tick{1.99, 4}), 2},
		{"up step by step", 8, 1, append(repeat(busyTicks, tick{0.99, 7}), repeat(busyTicks, tick{1.99, 6})...), 3},
		{"down after a while", 4, 3, repeat(idleTicks, tick{0.3, 3}), 2},
		{"not down for a moment", 4, 2, repeat(idleTicks-1, tick{0.3, 3}), 2},
		{"not down while one less would be full", 4, 2, repeat(50, tick{0.8, 3}), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := processors{most: tt.most}
			now := tt.start
			for _, x := range tt.ticks {
				now = p.next(now, x.used, x.idle)
			}
			if now != tt.want {
				t.Errorf("got %d, want %d", now, tt.want)
			}
		})
	}
}

func TestProcessorsFixed(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	p := processors{most: before, log: slog.New(slog.DiscardHandler)}
	p.run(t.Context(), before+1) // returns at once
	if got := runtime.GOMAXPROCS(0); got != before+1 {
		t.Errorf("got %d, want the %d of the configuration", got, before+1)
	}
	runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "7")
	p.run(t.Context(), 0) // returns at once
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("got %d, want what the environment has chosen left alone", got)
	}
}

func TestProcessorsEnd(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "")
	if _, ok := hostIdle(); !ok {
		t.Skip("skipped: this system does not tell how idle its CPUs are (/proc/stat)")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := processors{most: before, log: slog.New(slog.DiscardHandler)}
	p.run(ctx, 0)
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("got %d after the end, want %d", got, before)
	}
}

func TestOwnCPU(t *testing.T) {
	begin := ownCPU()
	for end := time.Now().Add(5 * time.Second); ownCPU() == begin; {
		if time.Now().After(end) {
			t.Fatal("no CPU time passed while this loop ran")
		}
	}
}
