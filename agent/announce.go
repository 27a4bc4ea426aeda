package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// announcer tells the registries what this host serves, and whether it is available: listed
// for callers, or only registered, which is how a service starts until /200 is asked for.
type announcer struct {
	compiler *compiler
	status   statusFile
	log      *slog.Logger

	mu        sync.Mutex
	snapshot  *snapshot                     // guarded by mu; what is served
	available bool                          // guarded by mu
	asked     bool                          // guarded by mu; somebody has asked for that, now or before a restart
	inherited bool                          // guarded by mu; both are those of the process before
	told      map[announceKey]*announcement // guarded by mu
	local     context.Context               // guarded by mu; withdraws what only this process looks for, at the very end
	ctx       context.Context               // guarded by mu; withdraws everything else, nil before start
	cancel    context.CancelFunc            // guarded by mu; of ctx
}

// announceKey is one node in one registry.
type announceKey struct {
	registry fingerprint
	node     registry.NodeKey
}

// announcement is what a registry was told.
type announcement struct {
	export    *export
	available bool
	err       error // the registry refused it
	cancel    func()
}

func newAnnouncer(k *compiler, s *snapshot) *announcer {
	return &announcer{compiler: k, snapshot: s, status: newStatusFile(s.config.Agent.RuntimeDir), log: k.log, told: make(map[announceKey]*announcement)}
}

// start announces everything, as it was asked for before an upgrade, or before a restart where -recover says so. Else
// what was asked for then is forgotten, so that a later -recover does not bring it back.
func (a *announcer) start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.local = ctx
	a.ctx, a.cancel = context.WithCancel(ctx)
	if a.inherited {
		return a.announce()
	}
	if a.snapshot.config.Agent.Recover {
		var err error
		if a.available, a.asked, err = a.status.read(); err != nil {
			a.log.Warn("agent: status of the last run is not known, starting unavailable", "err", err)
		}
	} else if err := a.status.forget(); err != nil {
		a.log.Warn("agent: status of an earlier run is still on disk, a start with -recover would restore it", "err", err)
	}
	return a.announce()
}

// set makes every service available or not, and remembers it. It is remembered first: who dies
// in between does not come back with what was taken back.
func (a *announcer) set(available bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.open(); err != nil {
		return err
	}
	err := a.status.write(available)
	if err != nil {
		err = fmt.Errorf("%w; the change is made but a start with -recover would not know it: make motan-agent.runtime_dir writable", err)
	}
	a.available, a.asked = available, true
	return errors.Join(a.announce(), err)
}

// open is the error for what comes too early or too late; caller holds mu.
func (a *announcer) open() error {
	if a.ctx == nil || a.ctx.Err() != nil {
		return errors.New("agent: shutting down, nothing is announced any more")
	}
	return nil
}

// apply announces what s serves, as far as that was not told before, and withdraws the rest.
func (a *announcer) apply(s *snapshot) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.open(); err != nil {
		return err
	}
	a.snapshot = s
	return a.announce()
}

// refresh announces what a health check has changed.
func (a *announcer) refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open() != nil {
		return
	}
	if err := a.announce(); err != nil {
		a.log.Error("agent: change of availability after a health check", "err", err)
	}
}

// unused is how many services are announced to other hosts, but wait for /200 to be available.
func (a *announcer) unused() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, e := range a.snapshot.exported {
		if !a.inUse(e.service) && slices.ContainsFunc(e.service.Registries, func(id string) bool { return toldToOthers(a.snapshot.config.Registry(id)) }) {
			n++
		}
	}
	return n
}

// inUse tells whether somebody wants s to be available; caller holds mu.
func (a *announcer) inUse(s *conf.Service) bool { return a.available || !a.asked && s.Auto }

// wanted tells whether e is to be available: it is in use, and its provider can be called;
// caller holds mu.
func (a *announcer) wanted(e *export) bool { return a.inUse(e.service) && e.health.passes() }

// announce brings the registries to what is wanted; caller holds mu. What a registry has
// refused is tried again.
func (a *announcer) announce() error {
	var errs []error
	wanted := make(map[announceKey]bool, len(a.told))
	for _, e := range a.snapshot.exported {
		if e.health != nil {
			e.health.start(a.ctx, a.refresh)
		}
		for _, id := range e.service.Registries {
			hold := a.snapshot.holds[id]
			ctx, node := a.ctx, a.compiler.node(e.service, a.wanted(e))
			if a.isLocal(id) {
				ctx, node.Host, node.Available = a.local, "127.0.0.1", true
			}
			key := announceKey{hold.key, node.Key()}
			wanted[key] = true
			if err := a.say(ctx, key, e, hold.value, node); err != nil {
				errs = append(errs, fmt.Errorf("%s: service %s: registry %s: %w", e.service.Position, e.service.ID, id, err))
			}
		}
	}
	for key, x := range a.told {
		if !wanted[key] {
			x.cancel()
			delete(a.told, key)
		}
	}
	return errors.Join(errs...)
}

// say tells one registry of one node, unless it was told the same before; caller holds mu.
func (a *announcer) say(ctx context.Context, key announceKey, e *export, reg registry.Registry, node registry.Node) error {
	old := a.told[key]
	if old != nil && old.err == nil && old.export == e && old.available == node.Available {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	if err := reg.Announce(ctx, node); err != nil {
		cancel()
		if old == nil {
			old = &announcement{cancel: func() {}}
			a.told[key] = old
		}
		old.err = err
		return err
	}
	a.told[key] = &announcement{export: e, available: node.Available, cancel: cancel}
	if old != nil {
		old.cancel() // the registry goes by the newer one
	}
	return nil
}

// isLocal tells whether only this process looks into the registry. What is announced there is
// available as long as the process lives: nobody could drain it elsewhere. Caller holds mu.
func (a *announcer) isLocal(id string) bool {
	r := a.snapshot.config.Registry(id)
	return r != nil && r.Protocol == "local"
}

// isList tells whether the registry is a list that somebody keeps by hand: what is announced
// there goes nowhere. Caller holds mu.
func (a *announcer) isList(id string) bool {
	r := a.snapshot.config.Registry(id)
	return r != nil && (r.Protocol == "direct" || r.Protocol == "file")
}

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
	a.mu.Lock()
	for _, e := range a.snapshot.exported {
		for _, id := range e.service.Registries {
			if !a.isLocal(id) {
				told[id] = a.snapshot.registries[id]
				seen = seen || listed(told[id])
			}
		}
	}
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
