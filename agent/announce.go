package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	file     string // where the status survives a restart
	log      *slog.Logger

	mu        sync.Mutex
	available bool               // guarded by mu
	cancel    context.CancelFunc // guarded by mu; withdraws everything
	ctx       context.Context    // guarded by mu
}

const statusFile = "status"

func newAnnouncer(k *compiler, s *snapshot) *announcer {
	return &announcer{compiler: k, snapshot: s, file: filepath.Join(s.config.Agent.RuntimeDir, statusFile), log: k.log}
}

// start announces everything, available if the status before a restart said so and -recover asks for it.
func (a *announcer) start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctx, a.cancel = context.WithCancel(ctx)
	if a.snapshot.config.Agent.Recover {
		a.available = a.saved()
	}
	return a.announce()
}

// saved is the status that was in force when the last process ended.
func (a *announcer) saved() bool {
	text, err := os.ReadFile(a.file)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			a.log.Warn("agent: status of the last run is not known, starting unavailable", "err", err)
		}
		return false
	}
	return strings.TrimSpace(string(text)) == "200"
}

// set makes every service available or not, and remembers it.
func (a *announcer) set(available bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx == nil || a.ctx.Err() != nil {
		return errors.New("agent: shutting down, nothing is announced any more")
	}
	a.available = available
	status := "503"
	if available {
		status = "200"
	}
	return errors.Join(a.announce(), writeFile(a.file, status))
}

// announce says everything again; caller holds mu.
func (a *announcer) announce() error {
	var errs []error
	for _, s := range a.snapshot.services {
		for _, id := range s.Registries {
			reg := a.snapshot.registries[id]
			node := a.compiler.node(s, a.available || at(a.snapshot.config.Registry(id), s))
			if isLocal(a.snapshot.config.Registry(id)) {
				node.Host = "127.0.0.1"
			}
			if err := reg.Announce(a.ctx, node); err != nil {
				errs = append(errs, fmt.Errorf("%s: service %s: registry %s: %w", s.Position, s.ID, id, err))
			}
		}
	}
	return errors.Join(errs...)
}

func isLocal(r *conf.Registry) bool { return r != nil && r.Protocol == "local" }

// at tells whether a service is available from the start: where only this process looks for
// it, or where its entry says available: auto.
func at(r *conf.Registry, s *conf.Service) bool {
	return isLocal(r) || s.Params["available"] == "auto"
}

// ready tells whether the services are available as a whole.
func (a *announcer) ready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.available
}

// withdraw takes everything back. It reports whether another process may have seen it.
func (a *announcer) withdraw() (seen bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cancel != nil {
		a.cancel()
	}
	for _, s := range a.snapshot.services {
		for _, id := range s.Registries {
			if _, ok := registry.As[registry.Closer](a.snapshot.registries[id]); ok && !isLocal(a.snapshot.config.Registry(id)) {
				if r := a.snapshot.config.Registry(id); r.Protocol != "direct" && r.Protocol != "file" {
					seen = true
				}
			}
		}
	}
	return seen
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
