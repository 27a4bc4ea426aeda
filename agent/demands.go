package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

const (
	// maxDemanded bounds the calls that wait for one service to be referred to.
	maxDemanded = 1024
	// demandPause is how long a service that cannot be referred to is not tried again.
	demandPause = time.Second
	// upstreamIdle is how long a service that requests had asked for is watched when none does any more.
	upstreamIdle = 10 * time.Minute
)

// demands refers to services of domains when the first call for them comes: preload spares that call the wait, and nothing
// else. A service is referred to once, however many calls wait for it.
type demands struct {
	refer   func(u upstream) error // makes the route and waits a moment for its nodes
	running sync.WaitGroup

	mu      sync.Mutex
	waiting map[upstream][]*motan.Call // guarded by mu; there is an entry as long as somebody works on it
	failed  map[upstream]time.Time     // guarded by mu
	closed  bool                       // guarded by mu
}

// ask keeps c until its service is referred to.
func (d *demands) ask(from *domainCalls, c *motan.Call) {
	u := upstream{from.name, string(c.Request.Service())}
	d.mu.Lock()
	calls, asked := d.waiting[u]
	if d.closed || len(calls) >= maxDemanded || time.Since(d.failed[u]) < demandPause {
		d.mu.Unlock()
		c.Fail(motan.Errorf(motan.KindUnavailable, motan.CodeUnavailable, "service %.256s of %.256s cannot be referred to at the moment; the agent's log tells why", u.service, u.domain))
		return
	}
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting, d.failed = map[upstream][]*motan.Call{}, map[upstream]time.Time{}
	}
	c.Batch = nil // that of a connection's reader, which goes on without this call
	d.waiting[u] = append(calls, c)
	if !asked {
		d.running.Go(func() { d.serve(from, u) }) // ends when the calls are led on
	}
}

// serve refers to u and leads on who has waited for it.
func (d *demands) serve(from *domainCalls, u upstream) {
	err := d.refer(u)
	d.mu.Lock()
	calls := d.waiting[u]
	delete(d.waiting, u)
	if delete(d.failed, u); err != nil {
		d.failed[u] = time.Now()
	}
	d.mu.Unlock()
	for _, c := range calls {
		switch r := from.find(c); {
		case r != nil:
			r.lead(c)
		case err != nil:
			c.Fail(motan.Errorf(motan.KindUnavailable, motan.CodeUnavailable, "service %.256s of %.256s cannot be referred to: %v", u.service, u.domain, err))
		default:
			c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "service %.256s is none of %.256s", u.service, u.domain))
		}
	}
}

// close waits for what is under way; later calls fail.
func (d *demands) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.running.Wait()
}

// demand refers to a service of a domain from now on, until idle takes it back. Services that the domain's locations do not name
// are none of it, so their number is that of the configuration.
func (a *Agent) demand(u upstream) error {
	a.changing.Lock()
	next := a.dynamics
	if !slices.Contains(next.upstreams, u) && slices.Contains(upstreamsOf(a.base), u) {
		next.upstreams = append(slices.Clip(next.upstreams), u)
	}
	err := a.takeDynamics(next)
	a.changing.Unlock()
	if err != nil {
		a.log.Error("agent: a service that a request asks for cannot be referred to", "domain", u.domain, "service", u.service, "err", err)
		return err
	}
	x := a.routes.Load().domains[u.domain]
	if x == nil || x.routes[u.service] == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), firstNodes)
	defer cancel()
	x.routes[u.service].await(ctx)
	return nil
}

// forgetUpstreams takes back, every now and then, what was asked for and is not used any more, until ctx ends.
func (a *Agent) forgetUpstreams(ctx context.Context) {
	tick := time.NewTicker(upstreamIdle / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.dropIdle(upstreamIdle)
		}
	}
}

// dropIdle takes back what was not used for so long.
func (a *Agent) dropIdle(idle time.Duration) {
	a.changing.Lock()
	defer a.changing.Unlock()
	domains := a.routes.Load().domains
	next := a.dynamics
	next.upstreams = slices.DeleteFunc(slices.Clone(next.upstreams), func(u upstream) bool {
		x := domains[u.domain]
		return x == nil || x.routes[u.service] == nil || motan.Now()-x.routes[u.service].used.Load() > int64(idle)
	})
	if err := a.takeDynamics(next); err != nil {
		a.log.Warn("agent: services that no request asks for any more are still watched", "err", err)
	}
}
