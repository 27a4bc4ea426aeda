package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/conf"
)

// reloadGuard takes a configuration back that was taken into use and under which calls fail: where, within reloadGuardTime, the
// share of calls without an answer is reloadGuard percent above that of the time before. Exceptions of the services' own
// do not count. What was in use before is used again; the files stay as they are, until somebody reloads again.
type reloadGuard struct {
	agent  *Agent
	period *metrics.Period

	mu     sync.Mutex
	before [guardTicks]outcomes // guarded by mu; of the seconds before, a ring
	next   int                  // guarded by mu
	doubt  *doubtful            // guarded by mu; nil while nothing is in doubt
}

// doubtful is a configuration that has just been taken into use.
type doubtful struct {
	instead  *conf.Config  // what was in use before
	pushed   conf.Document // laid over its files
	baseline float64       // percent of calls that failed then
	limit    float64       // percent from which on it is taken back
	until    time.Time
	now      outcomes
}

type outcomes struct{ calls, failed uint64 }

func (o *outcomes) add(x outcomes) { o.calls, o.failed = o.calls+x.calls, o.failed+x.failed }

func (o *outcomes) percent() float64 {
	if o.calls == 0 {
		return 0
	}
	return 100 * float64(o.failed) / float64(o.calls)
}

const (
	guardTick  = time.Second
	guardTicks = 30 // of the time before
	guardCalls = 20 // fewer say nothing
)

func newReloadGuard(a *Agent) *reloadGuard {
	return &reloadGuard{agent: a, period: metrics.NewPeriod(a.compiler.metrics)}
}

// run counts until ctx ends.
func (g *reloadGuard) run(ctx context.Context) {
	tick := time.NewTicker(guardTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if g.agent.snapshot.Load().config.Agent.ReloadGuard == 0 {
				continue
			}
			if d := g.count(g.counted(), now); d != nil {
				g.takeBack(d)
			}
		}
	}
}

// counted sums what ended since it was last asked.
func (g *reloadGuard) counted() outcomes {
	var sum outcomes
	for _, s := range g.period.Next() {
		sum.add(outcomes{s.Total(), s.OtherErrors()})
	}
	return sum
}

// count takes a second's calls, and returns a configuration that is to be taken back.
func (g *reloadGuard) count(second outcomes, now time.Time) *doubtful {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.doubt
	if d == nil {
		g.before[g.next] = second
		g.next = (g.next + 1) % guardTicks
		return nil
	}
	d.now.add(second)
	if d.now.calls >= guardCalls && d.now.percent() >= d.limit {
		g.doubt = nil
		return d
	}
	if now.After(d.until) {
		g.doubt = nil
	}
	return nil
}

// watch doubts what was just taken into use, by the settings of c. While something is in doubt already, that which was in
// use before it stays the one to go back to. Caller holds Agent.changing.
func (g *reloadGuard) watch(instead *conf.Config, pushed conf.Document, c *conf.Agent, now time.Time) {
	if c.ReloadGuard == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d := &doubtful{instead: instead, pushed: pushed}
	if g.doubt != nil {
		d.instead, d.pushed, d.baseline = g.doubt.instead, g.doubt.pushed, g.doubt.baseline
	} else {
		var sum outcomes
		for _, x := range g.before {
			sum.add(x)
		}
		d.baseline = sum.percent()
	}
	d.limit, d.until = min(d.baseline+float64(c.ReloadGuard), 100), now.Add(c.ReloadGuardTime)
	g.doubt = d
}

// takeBack uses again what was in use before.
func (g *reloadGuard) takeBack(d *doubtful) {
	a := g.agent
	a.reading.Lock()
	defer a.reading.Unlock()
	why := fmt.Errorf("agent: taken back: of %d calls since it was taken into use %.0f %% had no answer, %.0f %% before; what was in use before is in use again, reload once the configuration is mended",
		d.now.calls, d.now.percent(), d.baseline)
	if err := a.Reload(d.instead); err != nil {
		a.log.Error("agent: calls fail under the configuration, and the one before cannot be used any more", "err", err)
		return
	}
	g.mu.Lock()
	g.doubt = nil // it was good before
	g.mu.Unlock()
	if a.source != nil {
		a.source.lay(d.pushed)
	}
	a.pushes.takenBack(why)
	a.reloads.refuse(why)
	a.log.Error("agent: the configuration is taken back", "files", d.instead.Files, "err", why)
}
