package agent

import (
	"errors"
	"slices"
	"time"

	"github.com/motand/motand/conf"
)

// leaver is an export that the registries were told is gone, and that still answers callers
// who have not noticed.
type leaver struct {
	export *export
	until  time.Time
}

// errStopping is the answer to changes that come too late.
var errStopping = errors.New("agent: shutting down, nothing is changed any more")

// change compiles c and takes it into use in the place of what is in use; on an error
// everything stays as it was. Caller holds changing.
//
// Calls see no gap: what is new is opened and watched first, then the routes are swapped, then
// the registries are told. What is gone goes on answering for propagationDelay, and what calls
// may still hold is freed later yet.
func (a *Agent) change(c *conf.Config) error {
	if a.stopping.Load() || a.life == nil {
		return errStopping
	}
	if a.upgrading.Load() {
		return errUpgrading
	}
	old := a.snapshot.Load()
	next, err := a.compiler.compile(c, old)
	if err != nil {
		return err
	}
	added, err := a.listeners.add(next.ports)
	if err == nil {
		err = next.start(a.life)
	}
	if err != nil {
		a.compiler.steer(old) // away with the branches that next has begun
		next.close()
		a.listeners.keep(old.ports)
		return err
	}
	awaitLists(a.life, old, next)
	for _, l := range added {
		a.serve("export "+l.Addr().String(), l, a.exportIn.Serve)
	}
	a.swap(next)
	if err := a.announcer.apply(next); err != nil {
		// Registries that take no node of this kind say so at once; whoever asked is told, and nothing of it stays.
		a.swap(old)
		if e := a.announcer.apply(old); e != nil {
			a.log.Error("agent: after a change that was taken back", "err", e)
		}
		next.close()
		return err
	}
	next.copy(a.life, a.compiler)
	old.close()
	return nil
}

// swap puts next in the place of the snapshot in use. Caller holds changing.
func (a *Agent) swap(next *snapshot) {
	old := a.snapshot.Load()
	delay := next.config.Agent.PropagationDelay
	for _, e := range old.exported {
		if !slices.Contains(next.exports.byService[e.service.Path], e) {
			a.leaving = append(a.leaving, leaver{e, time.Now().Add(delay)})
		}
	}
	a.snapshot.Store(next)
	a.compiler.steer(next)
	a.routes.Store(next.routes)
	a.showOut()
	if len(a.leaving) > 0 || len(next.ports) != len(old.ports) {
		a.compiler.attic.put(delay, func() {
			a.changing.Lock()
			defer a.changing.Unlock()
			if !a.stopping.Load() {
				a.showOut()
			}
		})
	}
}

// showOut ends the exports and ports whose time is over. Caller holds changing.
func (a *Agent) showOut() {
	now, s := time.Now(), a.snapshot.Load()
	a.leaving = slices.DeleteFunc(a.leaving, func(x leaver) bool { return !now.Before(x.until) })
	a.exports.Store(s.exports.with(a.leaving))
	if len(a.leaving) == 0 {
		a.listeners.keep(s.ports)
	}
}
