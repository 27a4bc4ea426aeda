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
	type look struct {
		after             time.Duration // since the one before
		mapped, allocated uint64        // MiB, the second since the one before
		cpus              float64
		want              bool
	}
	const tick = memoryTick
	tests := []struct {
		name  string
		looks []look
	}{
		{"the first time", []look{{tick, 15, 5, 0, true}}},
		{"nothing has come", []look{{tick, 15, 5, 0, true}, {tick, 16, 1, 0, false}, {memoryPause, 17, 0, 0, false}}},
		{"a burst", []look{{tick, 15, 5, 0, true}, {tick, 80, 70, 0.01, true}}},
		{"a load", []look{{tick, 15, 5, 0, true}, {tick, 80, 70, 0.5, false}, {time.Hour, 80, 0, memoryBusy, false}, {tick, 80, 0, 0.05, true}}},
		{"what a burst took is garbage", []look{{tick, 80, 80, 0, true}, {tick, 80, 9, 0, false}, {memoryPause - tick, 80, 0, 0, true}}},
		{"garbage under load", []look{{tick, 80, 80, 0, true}, {memoryPause, 80, 9, 1, false}}},
		{"not again and again", []look{{tick, 80, 80, 0, true}, {memoryPause, 80, 1, 0, false}, {memoryPause, 80, 0, 0, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, now, allocated := memory{}, time.Now(), uint64(0)
			for i, x := range tt.looks {
				now = now.Add(x.after)
				allocated += x.allocated * mib
				u := usage{x.mapped * mib, allocated}
				got := m.worth(u, now, x.cpus)
				if got != x.want {
					t.Errorf("look %d: got %t, want %t", i, got, x.want)
				}
				if got {
					m.last, m.at = u, now
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
	before := usageNow().mapped
	garbage = nil
	m := memory{log: slog.New(slog.DiscardHandler)}
	synctest.Test(t, func(t *testing.T) {
		go m.run(t.Context())
		time.Sleep(memoryTick)
		synctest.Wait()
	})
	if m.last.mapped == 0 || m.last.mapped > before-48<<20 {
		t.Errorf("got %d bytes mapped, want 64 MiB less than the %d before", m.last.mapped, before)
	}
	runtime.KeepAlive(&m)
}
