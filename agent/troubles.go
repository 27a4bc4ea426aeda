package agent

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// troubles tells in the log what calls suffer from and no single call can tell: registries and
// nodes that cannot be reached, and refers that nobody has told anything about. Each is told when it begins and when it is over, a registry
// also while it lasts; so an outage does not fill the disk.
type troubles struct {
	registries func() map[string]registry.Registry // by id
	clients    func(f func(c *motan.Client))
	unknown    func() []string // refers of whose nodes nothing is known; nil where there are none
	log        *slog.Logger

	down map[string]time.Time // registries that cannot be reached: when that was last told
	lost map[string]bool      // addresses of nodes that cannot be reached
	dark time.Time            // when it was last told that there are unknown refers; zero while there are none
}

const (
	troublesTick   = 10 * time.Second // longer than connections take at a start, shorter than an operator waits
	troublesRemind = 10 * time.Minute
	troublesLines  = 10 // nodes that are named in one tick, each way; the others are counted
)

// run looks until ctx ends.
func (t *troubles) run(ctx context.Context) {
	t.down, t.lost = make(map[string]time.Time), make(map[string]bool)
	tick := time.NewTicker(troublesTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			t.lookAtRegistries(now)
			t.lookAtRefers(now)
			t.lookAtNodes()
		}
	}
}

func (t *troubles) lookAtRegistries(now time.Time) {
	for id, r := range t.registries() {
		connected, idle := registry.Reach(r)
		told, down := t.down[id]
		switch {
		case connected && down:
			delete(t.down, id)
			t.log.Info("agent: registry can be reached again", "registry", id)
		case !connected && !idle && (!down || now.Sub(told) >= troublesRemind):
			t.down[id] = now
			var s registry.State // of which one may be that of ten thousand services
			if stater, ok := registry.As[registry.Stater](r); ok {
				s = stater.State()
			}
			t.log.Warn("agent: registry cannot be reached; calls go to the nodes known before, and changes of services here are not seen by others",
				"registry", id, "err", s.LastError, "refers", len(s.Watches), "announced", len(s.Announced))
		}
	}
}

// lookAtRefers tells, in one line for all, of refers that neither a registry nor the disk knows.
func (t *troubles) lookAtRefers(now time.Time) {
	if t.unknown == nil {
		return
	}
	switch refers := t.unknown(); {
	case len(refers) == 0 && !t.dark.IsZero():
		t.dark = time.Time{}
		t.log.Info("agent: something is known about the nodes of every refer")
	case len(refers) > 0 && (t.dark.IsZero() || now.Sub(t.dark) >= troublesRemind):
		t.dark = now
		t.log.Error("agent: nothing is known about the nodes of refers, neither from a registry nor from snapshot_dir: their calls fail; see that the registries can be reached",
			"refers", len(refers), "named", strings.Join(refers[:min(len(refers), troublesLines)], ", "))
	}
}

// lookAtNodes compares the nodes that cannot be reached with those of the tick before. A node
// that is not called any more, or has left the registry, is forgotten without a word.
func (t *troubles) lookAtNodes() {
	lost := make(map[string]bool)
	var gone, back []string
	t.clients(func(c *motan.Client) {
		switch addr := c.Addr(); {
		case !c.Usable():
			if !t.lost[addr] && !lost[addr] {
				gone = append(gone, addr)
			}
			lost[addr] = true
		case t.lost[addr] && open(c):
			back = append(back, addr)
		}
	})
	t.lost = lost
	t.name(slog.LevelWarn, "agent: node cannot be reached; calls go to other nodes of its services, where there are any", gone)
	t.name(slog.LevelInfo, "agent: node can be reached again", back)
}

func open(c *motan.Client) bool {
	return slices.ContainsFunc(c.Conns(), (*motan.Conn).Open)
}

func (t *troubles) name(level slog.Level, message string, addrs []string) {
	slices.Sort(addrs)
	for _, addr := range addrs[:min(len(addrs), troublesLines)] {
		t.log.Log(context.Background(), level, message, "node", addr)
	}
	if n := len(addrs) - troublesLines; n > 0 {
		t.log.Log(context.Background(), level, message, "further_nodes", n)
	}
}
