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

// The answers to changes that come too late, and too early.
var (
	errStopping   = errors.New("agent: shutting down, nothing is changed any more")
	errNotStarted = errors.New("agent: the start is not over, nothing is changed before that; try again")
)

// change compiles c and takes it into use in the place of what is in use; on an error
// everything stays as it was. Caller holds changing.
//
// Calls see no gap: what is new is opened and watched first, then the routes are swapped, then
// the registries are told. What is gone goes on answering for propagationDelay, and what calls
// may still hold is freed later yet.
func (a *Agent) change(c *conf.Config) error {
	switch {
	case a.stopping.Load():
		return errStopping
	case a.life == nil:
		return errNotStarted
	}
	if a.upgrading.Load() {
		return errUpgrading
	}
	old := a.snapshot.Load()
	next, err := a.compiler.compile(c, old)
	if err != nil {
		return err
	}
	err = a.logs.try(&c.Agent)
	var added []opened
	if err == nil {
		added, err = a.listeners.add(next.sockets())
	}
	if err == nil {
		err = next.start(a.life)
	}
	if err != nil {
		a.compiler.steer(old) // away with the branches that next has begun
		next.close()
		a.listeners.drop(func(x *opened) bool {
			return slices.ContainsFunc(added, func(y opened) bool { return x.listener == y.listener })
		})
		return err
	}
	awaitLists(a.life, old, next)
	a.management.guard(&c.Agent) // whoever comes in by a new listener needs what it asks for
	for _, x := range added {
		a.accept(x)
	}
	a.swap(next)
	if err := a.announcer.apply(next); err != nil {
		// Registries that take no node of this kind say so at once; whoever asked is told, and nothing of it stays.
		a.swap(old)
		a.management.guard(&old.config.Agent)
		if e := a.announcer.apply(old); e != nil {
			a.log.Error("agent: after a change that was taken back", "err", e)
		}
		next.close()
		return err
	}
	a.logs.use(&c.Agent)
	a.management.guard(&c.Agent)
	a.useHTTP(&c.Agent)
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
	if sockets := a.listeners.unwanted(next.sockets()); sockets || len(a.leaving) > 0 {
		if sockets {
			a.closing = time.Now().Add(delay)
		}
		a.compiler.attic.put(delay, func() {
			a.changing.Lock()
			defer a.changing.Unlock()
			if !a.stopping.Load() {
				a.showOut()
			}
		})
	}
}

// showOut ends the exports and listeners whose time is over. Caller holds changing.
func (a *Agent) showOut() {
	now, s := time.Now(), a.snapshot.Load()
	a.leaving = slices.DeleteFunc(a.leaving, func(x leaver) bool { return !now.Before(x.until) })
	a.exports.Store(s.exports.with(a.leaving))
	if len(a.leaving) == 0 && !now.Before(a.closing) {
		a.listeners.keep(s.sockets())
		a.management.guard(&s.config.Agent)
	}
}
