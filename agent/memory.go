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
	last usage // when memory was last given back
	at   time.Time
	log  *slog.Logger
}

// usage is what the runtime takes.
type usage struct {
	mapped    uint64 // bytes that it has of the system, code left out
	allocated uint64 // bytes that were ever allocated
}

const (
	memoryTick  = 5 * time.Second
	memoryPause = 30 * time.Second // between two times, where what is mapped has not grown much
	memoryBusy  = 0.1              // of a CPU in use: there is something to do, and a collection would be in its way
	memoryShare = 4                // what is mapped has grown much by a part of this many
	memorySlack = 2 << 20          // and this many bytes, which is also what has to be allocated for it to be worth anything
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
		before := usageNow()
		if m.worth(before, now, (newUsed-used).Seconds()/now.Sub(at).Seconds()) {
			debug.FreeOSMemory()
			m.last, m.at = usageNow(), now
			m.log.Debug("agent: memory given back", "mapped_before", before.mapped, "mapped_now", m.last.mapped)
			newUsed = ownCPU() // what that took is no load
		}
		at, used = now, newUsed
	}
}

// worth decides from what is in use, the time, and the CPUs in use.
func (m *memory) worth(u usage, now time.Time, cpus float64) bool {
	grown := u.mapped > m.last.mapped+m.last.mapped/memoryShare+memorySlack
	return cpus < memoryBusy && (grown || u.allocated-m.last.allocated > memorySlack && now.Sub(m.at) >= memoryPause)
}

func usageNow() usage {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	return usage{samples[0].Value.Uint64() - samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}
