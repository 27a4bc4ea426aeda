package agent

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memory gives back to the system what a burst has left behind. The runtime collects garbage when as much again was
// allocated, or after two minutes, and returns memory a little at a time: an agent that has become idle would keep for
// minutes what ten thousand connections took for a second.
type memory struct {
	kept uint64 // bytes mapped when memory was last given back, or less if it became less since
	log  *slog.Logger
}

const (
	memoryTick  = 5 * time.Second
	memoryBusy  = 0.1     // of a CPU in use: there is something to do, and a collection would be in its way
	memoryShare = 4       // what is mapped has to have grown by kept/memoryShare
	memorySlack = 2 << 20 // and by this many bytes
)

// run looks every few seconds until ctx ends.
func (m *memory) run(ctx context.Context) {
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	at, used := time.Now(), ownCPU()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, newUsed := time.Now(), ownCPU()
		before := mapped()
		if m.worth(before, (newUsed-used).Seconds()/now.Sub(at).Seconds()) {
			debug.FreeOSMemory()
			m.kept = mapped()
			m.log.Debug("agent: memory given back", "mapped_before", before, "mapped_now", m.kept)
			newUsed = ownCPU() // what that took is no load
		}
		at, used = now, newUsed
	}
}

// worth decides from the bytes that are mapped and the CPUs in use.
func (m *memory) worth(mapped uint64, cpus float64) bool {
	if mapped < m.kept {
		m.kept = mapped
	}
	return cpus < memoryBusy && mapped > m.kept+m.kept/memoryShare+memorySlack
}

// mapped is how many bytes of memory the runtime has of the system, code left out.
func mapped() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
