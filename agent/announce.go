package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// announcer tells the registries what this host serves, and whether it is available: listed
// for callers, or only registered, which is how a service starts until /200 is asked for.
type announcer struct {
	compiler *compiler
	snapshot *snapshot
	file     string // where what was asked for survives a restart
	log      *slog.Logger

	mu        sync.Mutex
	available bool               // guarded by mu
	asked     bool               // guarded by mu; somebody has asked for that, now or before a restart
	local     context.Context    // guarded by mu; withdraws what only this process looks for, at the very end
	ctx       context.Context    // guarded by mu; withdraws everything else
	cancel    context.CancelFunc // guarded by mu; of ctx
}

const statusFile = "status"

func newAnnouncer(k *compiler, s *snapshot) *announcer {
	return &announcer{compiler: k, snapshot: s, file: filepath.Join(s.config.Agent.RuntimeDir, statusFile), log: k.log}
}

// start announces everything, as it was asked for before a restart where -recover says so. Else
// what was asked for then is forgotten, so that a later -recover does not bring it back.
func (a *announcer) start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.local = ctx
	a.ctx, a.cancel = context.WithCancel(ctx)
	if a.snapshot.config.Agent.Recover {
		a.available, a.asked = a.saved()
	} else if err := os.Remove(a.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn("agent: status of an earlier run is still on disk, a start with -recover would restore it", "err", err)
	}
	return a.announce()
}

// saved is what was asked for in the last run.
func (a *announcer) saved() (available, asked bool) {
	text, err := os.ReadFile(a.file)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			a.log.Warn("agent: status of the last run is not known, starting unavailable", "err", err)
		}
		return false, false
	}
	return strings.TrimSpace(string(text)) == "200", true
}

// set makes every service available or not, and remembers it.
func (a *announcer) set(available bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx == nil || a.ctx.Err() != nil {
		return errors.New("agent: shutting down, nothing is announced any more")
	}
	a.available, a.asked = available, true
	status := "503"
	if available {
		status = "200"
	}
	err := a.announce()
	if e := writeFile(a.file, status); e != nil {
		err = errors.Join(err, fmt.Errorf("%w; the change is made but a start with -recover would not know it: make motan-agent.runtime_dir writable", e))
	}
	return err
}

// unused is how many services are announced to other hosts, but not as available.
func (a *announcer) unused() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, s := range a.snapshot.services {
		if !a.wanted(s) && slices.ContainsFunc(s.Registries, func(id string) bool { return toldToOthers(a.snapshot.config.Registry(id)) }) {
			n++
		}
	}
	return n
}

// wanted tells whether s is to be available; caller holds mu.
func (a *announcer) wanted(s *conf.Service) bool { return a.available || !a.asked && auto(s) }

// announce says everything again; caller holds mu.
func (a *announcer) announce() error {
	var errs []error
	for _, s := range a.snapshot.services {
		for _, id := range s.Registries {
			ctx, node := a.ctx, a.compiler.node(s, a.wanted(s))
			if a.isLocal(id) {
				ctx, node.Host, node.Available = a.local, "127.0.0.1", true
			}
			if err := a.snapshot.registries[id].Announce(ctx, node); err != nil {
				errs = append(errs, fmt.Errorf("%s: service %s: registry %s: %w", s.Position, s.ID, id, err))
			}
		}
	}
	return errors.Join(errs...)
}

// isLocal tells whether only this process looks into the registry. What is announced there is
// available as long as the process lives: nobody could drain it elsewhere.
func (a *announcer) isLocal(id string) bool {
	r := a.snapshot.config.Registry(id)
	return r != nil && r.Protocol == "local"
}

// auto tells whether a service is available until somebody asks for something else.
func auto(s *conf.Service) bool { return s.Params["available"] == "auto" }

// ready tells whether the services are available as a whole.
func (a *announcer) ready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.available
}

// withdraw takes back what other hosts may see, and waits until the registries have done so or
// ctx ends: those that can be closed are, which is the surest way. It reports whether callers
// may have seen any of it: they need time to notice.
func (a *announcer) withdraw(ctx context.Context) (seen bool) {
	told := make(map[string]registry.Registry)
	for _, s := range a.snapshot.services {
		for _, id := range s.Registries {
			if !a.isLocal(id) {
				told[id] = a.snapshot.registries[id]
				seen = seen || listed(told[id])
			}
		}
	}
	a.mu.Lock()
	if a.cancel != nil {
		a.cancel()
	}
	a.mu.Unlock()
	leave(ctx, told, a.log)
	return seen
}

// leave ends the sessions with registries that have one. What is announced there vanishes at
// once; leave waits for that until ctx ends.
func leave(ctx context.Context, registries map[string]registry.Registry, log *slog.Logger) {
	var wait sync.WaitGroup
	for id, r := range registries {
		closer, ok := registry.As[registry.Closer](r)
		if !ok {
			continue
		}
		wait.Go(func() { // ends with ctx at the latest
			if err := closer.Close(ctx); err != nil {
				log.Warn("agent: registry was not left in order", "registry", id, "err", err)
			}
		})
	}
	wait.Wait()
}

// listed tells whether r shows something of ours to callers, or may do so.
func listed(r registry.Registry) bool {
	stater, ok := registry.As[registry.Stater](r)
	return !ok || slices.ContainsFunc(stater.State().Announced, func(x registry.AnnounceState) bool { return x.Available })
}

// writeFile replaces the file whole.
func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, []byte(text), 0o644); err != nil { //nolint:gosec // nothing secret, and tools read it
		return fmt.Errorf("agent: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}
