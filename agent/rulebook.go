package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/motand/motand/agent/traffic"
	"github.com/motand/motand/conf"
)

// rulebook is what is known of the rules of motan-traffic and outlives snapshots: how calls fared, how far ramps have come,
// which rules were laid over those of the configuration by hand, or by commands. The zero rulebook remembers nothing on disk.
type rulebook struct {
	file string // of how far ramps have come; empty for nowhere
	log  *slog.Logger

	mu        sync.Mutex
	states    map[string]map[string]*traffic.State // guarded by mu; by refer and rule
	over      map[string]laidRules                 // guarded by mu; by conf-id of the refer
	commanded *rulings                             // guarded by mu
	kept      map[string]map[string]traffic.Progress
	seen      map[*traffic.State]traffic.Progress // guarded by mu; what was told of ramps last
}

// referKey is how the file knows a refer.
func referKey(r *conf.Refer) string { return r.ID + "@" + r.Group }

// compile makes the rules of the refers of s.
func (b *rulebook) compile(s *snapshot) map[*route]*traffic.Rules {
	b.mu.Lock()
	defer b.mu.Unlock()
	lists := make(map[string][]conf.TrafficRule)
	for _, t := range s.config.Traffic {
		lists[t.Refer] = t.Rules
	}
	all := make(map[*route]*traffic.Rules)
	for _, x := range s.all {
		list := lists[x.refer.ConfID]
		if commanded, ok := b.commanded.of(x.refer); ok {
			list = commanded
		}
		if laid, ok := b.over[x.refer.ConfID]; ok {
			list = laid.rules
		}
		if len(list) == 0 {
			continue
		}
		key := referKey(x.refer)
		if b.states == nil {
			b.states = make(map[string]map[string]*traffic.State)
		}
		if b.states[key] == nil {
			b.states[key] = make(map[string]*traffic.State)
		}
		all[x] = traffic.Compile(list, b.states[key])
	}
	return all
}

// use forgets what no rule of s has any more, and has ramps go on where they were before a restart. The rules of s were taken
// into use.
func (b *rulebook) use(s *snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil {
		b.kept = b.recall()
	}
	alive := make(map[string]map[string]*traffic.State)
	for x, rules := range s.rules {
		key := referKey(x.refer)
		alive[key] = make(map[string]*traffic.State)
		rules.All(func(name string, state *traffic.State, _ []traffic.Target) {
			alive[key][name] = state
			if p, ok := b.kept[key][name]; ok {
				state.Restore(p)
				delete(b.kept[key], name)
			}
		})
	}
	b.states = alive
}

// lay puts rules over those of the configuration, or takes them away where x has none. It returns what was there before.
func (b *rulebook) lay(refer string, x laidRules) (before laidRules) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before = b.over[refer]
	if x.rules == nil {
		delete(b.over, refer)
		return before
	}
	if b.over == nil {
		b.over = make(map[string]laidRules)
	}
	b.over[refer] = x
	return before
}

// source tells whether the rules of a refer were laid over those of the configuration, by hand or by a command.
func (b *rulebook) source(r *conf.Refer) (laid, commanded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, laid = b.over[r.ConfID]
	_, commanded = b.commanded.of(r)
	return laid, commanded && !laid
}

// raiseShares moves the ramps of the rules in use, until ctx ends.
func (a *Agent) raiseShares(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		a.compiler.rulebook.tick(a.snapshot.Load(), time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tick moves ramps, tells what has become of them, and writes it down.
func (b *rulebook) tick(s *snapshot, now time.Time) {
	progress := make(map[string]map[string]traffic.Progress)
	seen := make(map[*traffic.State]traffic.Progress)
	changed := false
	for x, rules := range s.rules {
		rules.All(func(name string, state *traffic.State, _ []traffic.Target) {
			state.Tick(now)
			p, ok := state.Progress()
			if !ok {
				return
			}
			key := referKey(x.refer)
			if progress[key] == nil {
				progress[key] = make(map[string]traffic.Progress)
			}
			progress[key][name], seen[state] = p, p
			if was := b.told(state); was.Phase != p.Phase || was.Percent != p.Percent {
				changed = true
				level := slog.LevelInfo
				if p.Why != "" {
					level = slog.LevelWarn
				}
				b.log.Log(context.Background(), level, "agent: the share of a rule has changed", "refer", x.refer.ID, "group", x.refer.Group, "rule", name,
					"phase", string(p.Phase), "percent", p.Percent, "from", was.Percent, "why", p.Why)
			}
		})
	}
	b.mu.Lock()
	b.seen = seen
	b.mu.Unlock()
	if changed {
		b.keep(progress)
	}
}

func (b *rulebook) told(s *traffic.State) traffic.Progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[s]
}

// keep writes how far ramps have come.
func (b *rulebook) keep(progress map[string]map[string]traffic.Progress) {
	if b.file == "" {
		return
	}
	text, err := json.MarshalIndent(progress, "", "  ")
	if err == nil {
		err = writeFile(b.file, string(text)+"\n")
	}
	if err != nil {
		b.log.Warn("agent: how far ramps have come is not kept, a restart begins them anew", "file", b.file, "err", err)
	}
}

// recall reads what keep has written.
func (b *rulebook) recall() map[string]map[string]traffic.Progress {
	kept := make(map[string]map[string]traffic.Progress)
	if b.file == "" {
		return kept
	}
	text, err := os.ReadFile(b.file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept
	}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		b.log.Warn("agent: how far ramps had come cannot be read, they begin anew", "file", b.file, "err", err)
		return make(map[string]map[string]traffic.Progress)
	}
	return kept
}
