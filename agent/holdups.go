package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/metrics"
)

// holdups notices filters that block. A filter must not: it runs on the reader of a connection, whose other calls wait with it.
// Where somebody compiles in one that asks a database, calls get slow and nothing says why.
//
// Calls pay nothing for it: it looks at the stacks of all goroutines now and then, so seldom that it takes a five-hundredth of a
// CPU at most, and only where a filter is compiled in that is not ours. A filter in which some call was found each of holdupLooks times running holds calls, or is entered so often that
// it might as well.
type holdups struct {
	every time.Duration // between two looks, or longer where one takes long
	log   *slog.Logger
	times atomic.Int64 // how often one was noticed

	mu   sync.Mutex
	seen map[string]*holdup // guarded by mu; by the filter's function
}

// holdup is calls that are in a filter.
type holdup struct {
	calls int
	at    string // what the innermost function is
	looks int    // running
	since time.Time
}

const (
	holdupEvery = time.Second
	holdupLooks = 5
	holdupShare = 500 // of the time that a look takes, until the next one
)

// run looks until ctx ends.
func (h *holdups) run(ctx context.Context) {
	wait := time.NewTimer(h.every)
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		h.look(began)
		wait.Reset(max(h.every, holdupShare*time.Since(began)))
	}
}

// look takes the stacks of all goroutines.
func (h *holdups) look(now time.Time) {
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil { // memory takes all
		return
	}
	found := make(map[string]holdup)
	for stack := range strings.SplitSeq(text.String(), "\n\n") {
		calls, frames := readStack(stack)
		if name := filterOf(frames); name != "" {
			x := found[name]
			found[name] = holdup{calls: x.calls + calls, at: frames[0]}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, x := range h.seen {
		if _, still := found[name]; still {
			continue
		}
		delete(h.seen, name)
		if x.looks >= holdupLooks {
			h.log.Info("agent: a filter that held calls up lets them pass again", "filter", name, "after", now.Sub(x.since).Round(time.Millisecond))
		}
	}
	for name, x := range found {
		was := h.seen[name]
		if was == nil {
			was = &holdup{since: now}
			h.seen[name] = was
		}
		was.calls, was.at = x.calls, x.at
		if was.looks++; was.looks == holdupLooks {
			h.times.Add(1)
			h.log.Error("agent: a filter blocks, and holds up every call of the connections that it runs for: have it hold the call and resume it",
				"filter", name, "calls", x.calls, "in", x.at, "since", was.since)
		}
	}
}

// readStack reads one stack of a profile of goroutines: how many have it, and its functions, the innermost first.
func readStack(text string) (goroutines int, functions []string) {
	for line := range strings.Lines(text) {
		count, _, head := strings.Cut(line, " @ ")
		columns := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#\t") && len(columns) > 2:
			name, _, _ := strings.Cut(columns[2], "+0x")
			functions = append(functions, name)
		case head && functions == nil:
			goroutines, _ = strconv.Atoi(count)
		}
	}
	return goroutines, functions
}

// filterOf is the phase of a filter that is being run, by the name of its function; empty where none is. What a filter calls
// may lead through a chain of its own: the innermost filter is the one.
func filterOf(functions []string) string {
	phase := func(name string) bool {
		return strings.HasSuffix(name, ".Request") || strings.HasSuffix(name, ".Reply")
	}
	for i := 1; i < len(functions); i++ {
		if !strings.HasPrefix(functions[i], chainMethods) {
			continue
		}
		filter := i - 1
		for filter > 0 && phase(functions[filter]) && strings.Contains(functions[filter], "/filters.(*When).") && phase(functions[filter-1]) {
			filter--
		}
		if phase(functions[filter]) {
			return functions[filter]
		}
		return "" // the innermost chain leads to what is behind its filters
	}
	return ""
}

// chainMethods is how the functions that run filters are called.
const chainMethods = "github.com/motand/motand/motan.(*Chain)."

// told are the filters that block now, one sentence each.
func (h *holdups) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []string{}
	for _, name := range slices.Sorted(maps.Keys(h.seen)) {
		if x := h.seen[name]; x.looks >= holdupLooks {
			all = append(all, fmt.Sprintf("%s holds %d calls, in %s, since %s", name, x.calls, x.at, x.since.Format(time.DateTime)))
		}
	}
	return all
}

func (h *holdups) figures() []metrics.Figure {
	return []metrics.Figure{
		counter("motand_filter_holdups_total", "How often a filter was noticed that blocks and holds up the calls of whole connections.",
			func() float64 { return float64(h.times.Load()) }),
		{
			Name: "motand_filter_holdups", Help: "Filters that block now.",
			Read: func(emit func(float64, ...string)) { emit(float64(len(h.told()))) },
		},
	}
}
