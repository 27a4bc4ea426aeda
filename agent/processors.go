package agent

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processors keeps the number of threads that run Go code at once as small as the load allows.
// One thread serves what several would with fewer wake-ups and larger batches, which is most
// of what a call costs; more are taken when one is not enough and the host has idle CPUs to
// run them on.
type processors struct {
	most int // what the runtime chose at the start: CPUs, or the share of a container
	busy int // ticks in a row in which one more would have been used
	idle int // ticks in a row in which one less would have done
	log  *slog.Logger
}

const (
	processorsTick = time.Second
	busyTicks      = 2
	idleTicks      = 15
	busyShare      = 0.9 // of the present number in use: too few
	idleShare      = 0.6 // of one less in use: too many
	spareCPU       = 0.5 // of a CPU has to be idle on the host for another thread to be of use
	userTick       = 100 // /proc/stat counts in hundredths of a second on every Linux
)

// run adjusts the number until ctx ends; then it is as it was. A fixed number, from the configuration or from the
// environment (GOMAXPROCS), is left alone.
func (p *processors) run(ctx context.Context, fixed int) {
	if fixed > 0 {
		runtime.GOMAXPROCS(fixed)
		return
	}
	host, ok := hostIdle()
	if os.Getenv("GOMAXPROCS") != "" || !ok {
		return
	}
	defer runtime.GOMAXPROCS(p.most)
	now := 1
	runtime.GOMAXPROCS(now)
	at, used := time.Now(), ownCPU()
	tick := time.NewTicker(processorsTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		passed := time.Since(at).Seconds()
		newUsed, newHost := ownCPU(), host
		if h, ok := hostIdle(); ok {
			newHost = h
		}
		next := p.next(now, (newUsed-used).Seconds()/passed, (newHost-host).Seconds()/passed)
		at, used, host = time.Now(), newUsed, newHost
		if next != now {
			p.log.Debug("agent: threads that run at once", "from", now, "to", next)
			now = next
			runtime.GOMAXPROCS(now)
		}
	}
}

// next decides from the CPUs in use by us and those idle on the host.
func (p *processors) next(now int, used, idle float64) int {
	switch {
	case now < p.most && used > busyShare*float64(now) && idle >= spareCPU:
		p.idle = 0
		if p.busy++; p.busy >= busyTicks {
			p.busy = 0
			return now + 1
		}
	case now > 1 && used < idleShare*float64(now-1):
		p.busy = 0
		if p.idle++; p.idle >= idleTicks {
			p.idle = 0
			return now - 1
		}
	default:
		p.busy, p.idle = 0, 0
	}
	return now
}

// ownCPU is the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hostIdle is the time that the host's CPUs have been idle, together.
func hostIdle() (time.Duration, bool) {
	file, err := os.Open("/proc/stat")
	if err != nil {
		return 0, false
	}
	defer func() { _ = file.Close() }() // it was only read
	line, err := bufio.NewReader(file).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) < 5 || fields[0] != "cpu" {
		return 0, false
	}
	ticks, err := strconv.ParseInt(fields[4], 10, 64)
	return time.Duration(ticks) * time.Second / userTick, err == nil
}
