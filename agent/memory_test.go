package agent

import (
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsGivenBackWhenWorthIt(t *testing.T) {
	const mib = 1 << 20
	type tick struct {
		mapped uint64
		cpus   float64
		want   bool
	}
	tests := []struct {
		name  string
		ticks []tick
	}{
		{"the first time", []tick{{15 * mib, 0, true}}},
		{"nothing has come", []tick{{15 * mib, 0, true}, {16 * mib, 0, false}, {17 * mib, 0, false}}},
		{"a burst", []tick{{15 * mib, 0, true}, {80 * mib, 0.01, true}}},
		{"a load", []tick{{15 * mib, 0, true}, {80 * mib, 0.5, false}, {80 * mib, memoryBusy, false}, {80 * mib, 0.05, true}}},
		{"less is the new measure", []tick{{80 * mib, 0, true}, {20 * mib, 0, false}, {30 * mib, 0, true}}},
		{"also under load", []tick{{80 * mib, 0, true}, {20 * mib, 1, false}, {30 * mib, 0, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := memory{}
			for i, x := range tt.ticks {
				got := m.worth(x.mapped, x.cpus)
				if got != x.want {
					t.Errorf("tick %d: got %t, want %t", i, got, x.want)
				}
				if got {
					m.kept = x.mapped
				}
			}
		})
	}
}

// garbage is where the test keeps what it gives up.
var garbage []byte

func TestMemoryRun(t *testing.T) {
	garbage = make([]byte, 64<<20)
	for i := 0; i < len(garbage); i += 4096 {
		garbage[i] = 1
	}
	before := mapped()
	garbage = nil
	m := memory{log: slog.New(slog.DiscardHandler)}
	synctest.Test(t, func(t *testing.T) {
		go m.run(t.Context())
		time.Sleep(memoryTick)
		synctest.Wait()
	})
	if m.kept == 0 || m.kept > before-48<<20 {
		t.Errorf("got %d bytes mapped, want 64 MiB less than the %d before", m.kept, before)
	}
	runtime.KeepAlive(&m)
}
