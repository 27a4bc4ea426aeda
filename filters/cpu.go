package filters

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// cpuMeter tells how busy the processors of the host are. Where the system does not say (it
// is not Linux), they are idle.
type cpuMeter struct {
	now     atomic.Uint64 // percent, the bits of a float
	running atomic.Bool

	mu          sync.Mutex
	busy, total uint64 // guarded by mu; at the last measurement
}

// percent is how busy they were between the last two measurements.
func (m *cpuMeter) percent() float64 { return math.Float64frombits(m.now.Load()) }

// measure looks anew, on a goroutine of its own that ends with it: reading may take a while.
func (m *cpuMeter) measure() {
	if !m.running.CompareAndSwap(false, true) {
		return
	}
	go func() { // ends when the file is read
		defer m.running.Store(false)
		text, err := os.ReadFile("/proc/stat")
		if err == nil {
			m.take(text)
		}
	}()
}

// take reads the first line of /proc/stat: clock ticks that all processors have spent in each
// state, the fourth and fifth being idle (proc(5)).
func (m *cpuMeter) take(text []byte) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 6 || string(fields[0]) != "cpu" {
		return
	}
	var total, idle uint64
	for i, field := range fields[1:min(len(fields), 9)] { // guests' time is counted in others already
		n, err := strconv.ParseUint(string(field), 10, 64)
		if err != nil {
			return
		}
		total += n
		if i == 3 || i == 4 {
			idle += n
		}
	}
	busy := total - idle
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total != 0 && total > m.total && busy >= m.busy {
		m.now.Store(math.Float64bits(100 * float64(busy-m.busy) / float64(total-m.total)))
	}
	m.busy, m.total = busy, total
}
