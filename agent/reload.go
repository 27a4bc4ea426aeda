package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/agent/systemd"
	"github.com/motand/motand/conf"
)

// reloads counts the configurations that a running agent was given.
type reloads struct {
	taken, refused atomic.Int64

	mu   sync.Mutex
	last time.Time // guarded by mu; when one was taken, the first at the start
	err  error     // guarded by mu; of the last one that was refused; nil once one is taken
}

// begin notes that the first configuration is in use.
func (r *reloads) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Now()
}

// took notes that a configuration is in use.
func (r *reloads) took() {
	r.taken.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.err = time.Now(), nil
}

// refuse notes why one is not.
func (r *reloads) refuse(err error) {
	r.refused.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *reloads) view(files []string) configView {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := configView{Files: append([]string{}, files...), Reloads: r.taken.Load(), Refused: r.refused.Load(), LastTaken: r.last}
	if r.err != nil {
		v.LastError = r.err.Error()
	}
	return v
}

func (r *reloads) figures() []metrics.Figure {
	return []metrics.Figure{{
		Name: "motand_config_reloads_total", Help: "Configurations read while the agent ran, by what became of them.", Labels: []string{"outcome"}, Counter: true,
		Read: func(emit func(float64, ...string)) {
			emit(float64(r.taken.Load()), "taken")
			emit(float64(r.refused.Load()), "refused")
		},
	}}
}

// Reload takes c into use in the place of the configuration that is in use, whole or not at
// all: on an error, which tells every mistake with its place, nothing has changed. No call is
// lost. What is configured as before keeps its connections, counters and state. What can only
// be had at a start (limits of connections, folders of the state) stays as it was, and
// the log says so, with the places. It may be called at any time while Run runs.
func (a *Agent) Reload(c *conf.Config) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	old := a.snapshot.Load()
	next, fixed := withFixed(a.base, c, a.listeners)
	began := time.Now()
	asked := a.dynamics.reread(next, a.compiler.localIP, a.tellFindings)
	if err := a.change(asked.effective(next)); err != nil {
		a.reloads.refuse(err)
		return err
	}
	a.guard.watch(a.base, a.source.current(), &next.Agent, time.Now())
	a.base, a.dynamics = next, asked
	a.reloads.took()
	if len(fixed) > 0 {
		a.log.Warn("agent: settings of motan-agent that need a restart stay as they were", "settings", strings.Join(fixed, ", "))
	}
	s := a.snapshot.Load()
	warnOfUnserved(a.log, next, s.registries)
	a.management.warn()
	if !maps.Equal(switchTexts(s), switchTexts(old)) {
		a.switchers.use(s)
	}
	a.show(s)
	a.pushes.follow(s)
	a.source.keep(next, a.log)
	a.expiries.read(s.config)
	a.reporter.use(&next.Metrics)
	a.log.Info("agent: configuration reloaded", "refers", len(s.all), "kept_refers", kept(s.all, old.all),
		"services", len(s.exported), "kept_services", kept(s.exported, old.exported), "after", time.Since(began).Round(time.Millisecond))
	return nil
}

// switchTexts are the configured switches of s as they are written.
func switchTexts(s *snapshot) map[string]string {
	all := make(map[string]string, len(s.switches))
	for name, v := range s.switches {
		all[name] = v.String()
	}
	return all
}

// kept is how many of now were there before.
func kept[T comparable](now, before []T) int {
	had := make(map[T]bool, len(before))
	for _, x := range before {
		had[x] = true
	}
	n := 0
	for _, x := range now {
		if had[x] {
			n++
		}
	}
	return n
}

// firstLists bounds how long calls are led through the old routes of a service whose new ones
// know no nodes yet.
const firstLists = 3 * time.Second

// awaitLists waits until those routes of next that take the place of one in use know their
// nodes, or until firstLists is over: a service that has nodes now is not left without.
func awaitLists(ctx context.Context, old, next *snapshot) {
	var replaced []*route
	for _, x := range next.all {
		same := func(o *route) bool { return o.refer.Group == x.refer.Group && o.heard.Load() }
		if before := old.routes.byService[x.refer.Path]; !slices.Contains(before, x) && slices.ContainsFunc(before, same) {
			replaced = append(replaced, x)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, firstLists)
	defer cancel()
	for _, x := range replaced {
		if !x.await(ctx) {
			return
		}
	}
	for x := range next.rules { // so that new rules find their nodes
		if !x.crossing.await(ctx) {
			return
		}
	}
}

// await waits until something is known about the nodes. It tells whether that came before ctx's end.
func (r *route) await(ctx context.Context) bool {
	select {
	case <-r.first:
		return true
	case <-ctx.Done():
		return false
	}
}

// errNoSource is why an agent that was made from a conf.Config cannot reload by itself.
var errNoSource = errors.New("agent: the configuration did not come from a file, there is nothing to read again")

// readAgain reads the configuration again and takes it into use; the log says what became of it.
func (a *Agent) readAgain(why string) error {
	if a.load == nil {
		return errNoSource
	}
	<-a.begun
	a.reading.Lock()
	defer a.reading.Unlock()
	a.notifier.say(systemd.Reloading()...)
	defer a.notifier.ready()
	c, err := a.load()
	if err != nil {
		a.reloads.refuse(err)
	} else {
		err = a.Reload(c)
	}
	if err != nil && !errors.Is(err, errStopping) {
		a.log.Error("agent: configuration not reloaded, the one in use stays", "why", why, "err", err)
	}
	return err
}
