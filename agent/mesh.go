package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/motand/motand/conf"
)

// meshError is a request of a program that cannot be granted because of what it asks for.
type meshError struct{ err error }

func (e *meshError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *meshError) Unwrap() error { return e.err }

// registerService exports what a program on this host serves, in each group of its URL. It is
// announced as the services of the configuration are: available if those are.
func (a *Agent) registerService(u meshURL) error {
	return a.request(u, (*conf.Config).DynamicServiceGroups, func(d dynamics, c *conf.Config, u meshURL) (dynamics, error) {
		u = u.asProvider().asService(c, a.compiler.localIP)
		s, found := dynamicService(c, u)
		if s == nil {
			return d, &meshError{fmt.Errorf("%s", diagnosis(found))}
		}
		a.tellFindings(u, found)
		d.services = put(d.services, u, meshURL.serviceKey, s)
		return d, nil
	})
}

// unregisterService takes back what registerService did. What is not there is no error.
func (a *Agent) unregisterService(u meshURL) error {
	return a.request(u, (*conf.Config).DynamicServiceGroups, func(d dynamics, _ *conf.Config, u meshURL) (dynamics, error) {
		d.services = drop(d.services, u, meshURL.serviceKey)
		return d, nil
	})
}

// subscribe refers to what a program on this host calls, in each group of its URL. It returns
// when the nodes are known or firstNodes is over.
func (a *Agent) subscribe(ctx context.Context, u meshURL) error {
	err := a.request(u, (*conf.Config).DynamicReferGroups, func(d dynamics, c *conf.Config, u meshURL) (dynamics, error) {
		u = u.asRefer()
		r, found := dynamicRefer(c, u)
		if r == nil {
			return d, &meshError{fmt.Errorf("%s", diagnosis(found))}
		}
		a.tellFindings(u, found)
		d.refers = put(d.refers, u, meshURL.referKey, r)
		return d, nil
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, firstNodes)
	defer cancel()
	for _, x := range a.snapshot.Load().routes.byService[u.Path] {
		if !x.await(ctx) {
			break
		}
	}
	return nil
}

// firstNodes is how long a program that subscribes is kept waiting for the nodes: its first
// call follows at once. Java's client gives up on the answer later than this.
const firstNodes = 500 * time.Millisecond

// unsubscribe takes back what subscribe did.
func (a *Agent) unsubscribe(u meshURL) error {
	return a.request(u, (*conf.Config).DynamicReferGroups, func(d dynamics, _ *conf.Config, u meshURL) (dynamics, error) {
		d.refers = drop(d.refers, u.asRefer(), meshURL.referKey)
		return d, nil
	})
}

// request changes what programs have asked for: by alter, for each group of u, all or nothing.
func (a *Agent) request(u meshURL, groups func(c *conf.Config, list string) []string, alter func(d dynamics, c *conf.Config, u meshURL) (dynamics, error)) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.stopping.Load() || a.life == nil {
		return errStopping
	}
	id, err := u.proxyRegistry(a.base)
	if err != nil {
		return &meshError{err}
	}
	next, list := a.dynamics, groups(a.base, u.Group)
	if len(list) > maxMeshGroups {
		return &meshError{fmt.Errorf("%d groups are more than the %d allowed in one request", len(list), maxMeshGroups)}
	}
	for _, group := range list {
		one := u.in(group, id)
		if err := one.check(); err != nil {
			return &meshError{err}
		}
		if next, err = alter(next, a.base, one); err != nil {
			return err
		}
	}
	if err := next.check(); err != nil {
		return &meshError{err}
	}
	return a.takeDynamics(next)
}

// takeDynamics puts next into use and on the disk. Caller holds changing.
func (a *Agent) takeDynamics(next dynamics) error {
	if next.same(a.dynamics) {
		return nil
	}
	if err := a.change(next.effective(a.base)); err != nil {
		return err
	}
	kept := a.dynamics
	a.dynamics = next
	if kept.upstreams = next.upstreams; kept.same(next) { // those are not kept on disk
		return nil
	}
	if err := next.save(dynamicsPath(a.base.Agent.RuntimeDir)); err != nil {
		a.log.Error("agent: what a program has asked for is in use, but a start with -recover would not know it: make motan-agent.runtime_dir writable", "err", err)
	}
	return nil
}

// restoreDynamics brings back what programs had asked for in the last run, where -recover says
// so; else it is forgotten. What cannot be had any more is left out with a word. Caller holds
// changing.
func (a *Agent) restoreDynamics() {
	path := dynamicsPath(a.base.Agent.RuntimeDir)
	if !a.base.Agent.Recover {
		if err := forget(path); err != nil {
			a.log.Warn("agent: what programs asked an earlier run for is still on disk, a start with -recover would restore it", "err", err)
		}
		return
	}
	kept, err := readDynamics(path)
	if err != nil {
		a.log.Error("agent: what programs asked the last run for is not known; they have to register again", "err", err)
		return
	}
	all := a.restored(kept)
	if err := a.change(all.effective(a.base)); err == nil {
		a.dynamics = all
	} else {
		a.restoreOneByOne(all)
	}
	if n := len(a.dynamics.services) + len(a.dynamics.refers); n > 0 {
		a.readjust(a.laidFile.last().Filters)
		a.log.Info("agent: restored what programs on this host had asked for", "services", len(a.dynamics.services), "refers", len(a.dynamics.refers))
	}
}

// restored reads the entries of a file; what is no entry is left out with a word.
func (a *Agent) restored(kept dynamicsFile) dynamics {
	var all dynamics
	each := func(list []meshURL, add func(d dynamics, u meshURL) (dynamics, []conf.Diagnostic)) {
		for _, u := range list {
			err := u.check()
			if err == nil {
				next, found := add(all, u)
				if err = next.check(); err == nil {
					all = next
					a.tellFindings(u, found)
				}
			}
			if err != nil {
				a.log.Warn("agent: what a program had asked for cannot be restored", "service", u.Path, "group", u.Group, "err", err)
			}
		}
	}
	each(kept.Services, func(d dynamics, u meshURL) (dynamics, []conf.Diagnostic) {
		u = u.asService(a.base, a.compiler.localIP)
		s, found := dynamicService(a.base, u)
		if s != nil {
			d.services = put(d.services, u, meshURL.serviceKey, s)
		}
		return d, found
	})
	each(kept.Refers, func(d dynamics, u meshURL) (dynamics, []conf.Diagnostic) {
		r, found := dynamicRefer(a.base, u)
		if r != nil {
			d.refers = put(d.refers, u, meshURL.referKey, r)
		}
		return d, found
	})
	return all
}

// restoreOneByOne is for a file with an entry that spoils the rest.
func (a *Agent) restoreOneByOne(all dynamics) {
	try := func(next dynamics, u meshURL) {
		if err := a.change(next.effective(a.base)); err != nil {
			a.log.Warn("agent: what a program had asked for cannot be restored", "service", u.Path, "group", u.Group, "err", err)
			return
		}
		a.dynamics = next
	}
	for _, x := range all.services {
		next := a.dynamics
		next.services = append(slices.Clip(next.services), x)
		try(next, x.url)
	}
	for _, x := range all.refers {
		next := a.dynamics
		next.refers = append(slices.Clip(next.refers), x)
		try(next, x.url)
	}
}

// tellFindings logs what of a program's parameters has no effect.
func (a *Agent) tellFindings(u meshURL, found []conf.Diagnostic) {
	if len(found) > 0 {
		a.log.Warn("agent: not all that a program asks for has an effect", "service", u.Path, "group", u.Group, "findings", diagnosis(found))
	}
}
