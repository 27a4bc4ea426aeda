package main

import (
	"context"
	"fmt"
	"time"

	"github.com/motand/motand/tests/bench/latency"
	"github.com/motand/motand/tests/bench/load"
	"github.com/motand/motand/tests/bench/proc"
	"github.com/motand/motand/tests/bench/report"
)

const (
	openPart  = 0.3                    // of its peak rate that a contender bears in an open loop
	idleRest  = 5                      // times the length of a round before memory is read, for who gives it back when there is little to do
	warmConns = 64                     // of the load before idle connections are made
	restTime  = 100 * time.Millisecond // between two contenders
)

// race is a scenario that is run.
type race struct {
	bench    *bench
	scenario *scenario
	site     *site
	result   *report.Scenario
}

// runner is a contender that runs, and what is reported of it.
type runner struct {
	*subject
	report *report.Contender
}

// run starts all contenders, warms them up, and lets them bear the load in turn, round by round. Who fails is left out
// from then on. The error says only that the run has to end.
func (r *race) run(ctx context.Context, entrants []contender) error {
	var field []*runner
	defer func() {
		for _, x := range field {
			x.stop()
		}
	}()
	for _, c := range entrants {
		if x := r.enter(ctx, c); x != nil {
			field = append(field, x)
		}
		if err := interrupted(ctx); err != nil {
			return err
		}
	}
	r.each(field, "warm-up", func(x *runner) error { return r.warm(ctx, x) })
	for round := range r.bench.o.rounds {
		turn := append(field[round%max(len(field), 1):len(field):len(field)], field[:round%max(len(field), 1)]...)
		r.each(turn, fmt.Sprintf("round %d", round+1), func(x *runner) error {
			one, err := r.measure(ctx, x)
			if err != nil {
				return err
			}
			x.report.Rounds = append(x.report.Rounds, one)
			r.bench.say("%s round %d/%d: %-20s %8.0f calls/s  %8.2f %s", r.scenario.id, round+1, r.bench.o.rounds, x.name, one.Rate, one.Cost, r.scenario.kind.Unit())
			return rest(ctx, restTime)
		})
		if err := interrupted(ctx); err != nil {
			return err
		}
	}
	return r.profile(ctx, field)
}

// enter starts a contender; nil where it cannot.
func (r *race) enter(ctx context.Context, c contender) *runner {
	x := &runner{report: &report.Contender{Name: c.name}}
	r.result.Contenders = append(r.result.Contenders, x.report)
	var err error
	if x.subject, err = c.start(ctx, r.site); err != nil {
		r.fail(x, "start", err)
		return nil
	}
	return x
}

// each does what to all that have not failed.
func (r *race) each(field []*runner, stage string, what func(x *runner) error) {
	for _, x := range field {
		if x.report.Failed != "" {
			continue
		}
		if err := what(x); err != nil {
			r.fail(x, stage, err)
		}
	}
}

func (r *race) fail(x *runner, stage string, err error) {
	x.report.Failed = fmt.Sprintf("%s: %v", stage, err)
	r.bench.say("%s %s, %s", r.scenario.id, x.report.Name, x.report.Failed)
}

// warm puts a contender under load, and finds its peak.
func (r *race) warm(ctx context.Context, x *runner) error {
	result, err := r.scenario.load(ctx, r.site, x.subject, r.bench.o.warmup)
	if err != nil {
		return err
	}
	x.peak = result.Rate()
	return nil
}

// measure is one round of one contender.
func (r *race) measure(ctx context.Context, x *runner) (*report.Round, error) {
	if r.scenario.kind == report.Latency {
		return r.added(ctx, x)
	}
	ids, err := pids(x.processes)
	if err != nil {
		return nil, err
	}
	before, err := proc.FS{}.CPU(ids...)
	if err != nil {
		return nil, err
	}
	result, err := r.scenario.load(ctx, r.site, x.subject, r.bench.o.duration)
	if err != nil {
		return nil, err
	}
	after, err := proc.FS{}.CPU(ids...)
	if err != nil {
		return nil, err
	}
	one := newRound(result)
	if n := result.Calls + result.Errors; n > 0 {
		one.Cost = after.Since(before).Seconds() * 1e6 / float64(n)
	}
	one.RSS, err = proc.FS{}.RSS(ids...)
	return one, err
}

func newRound(result *load.Result) *report.Round {
	h := result.Latency
	return &report.Round{
		Calls: result.Calls, Errors: result.Errors, Rate: result.Rate(),
		P50: quantile(h, 0.5), P99: quantile(h, 0.99), P999: quantile(h, 0.999),
	}
}

// quantile is that of h in µs.
func quantile(h *latency.Histogram, q float64) float64 { return h.Quantile(q).Seconds() * 1e6 }

// added measures calls at a part of the contender's peak rate, first without it and then through it.
func (r *race) added(ctx context.Context, x *runner) (*report.Round, error) {
	open := load.Open{
		Target: load.Target{Network: "tcp", Address: r.site.motan}, Request: r.site.request(),
		Conns: r.scenario.conns, Rate: x.peak * openPart, Duration: r.bench.o.duration,
	}
	direct, err := open.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("calls to the provider itself: %w", err)
	}
	open.Target = x.target
	result, err := open.Run(ctx)
	if err != nil {
		return nil, err
	}
	one, base := newRound(result), newRound(direct)
	one.P50 -= base.P50
	one.P99 -= base.P99
	one.P999 -= base.P999
	one.Cost = one.P99
	ids, err := pids(x.processes)
	if err != nil {
		return nil, err
	}
	one.RSS, err = proc.FS{}.RSS(ids...)
	return one, err
}

// idle measures the memory of idle connections, of a new process in each round. There are as many connections as the
// descriptors of the contender, of the provider and of this process allow.
func (r *race) idle(ctx context.Context, entrants []contender) error {
	all := make(map[string]*runner)
	for round := range r.bench.o.rounds {
		for _, c := range entrants {
			x := all[c.name]
			if x == nil {
				x = &runner{report: &report.Contender{Name: c.name}}
				all[c.name] = x
				r.result.Contenders = append(r.result.Contenders, x.report)
			}
			r.each([]*runner{x}, fmt.Sprintf("round %d", round+1), func(x *runner) error {
				one, err := r.idleRound(ctx, c)
				if err != nil {
					return err
				}
				x.report.Rounds = append(x.report.Rounds, one)
				r.bench.say("%s round %d/%d: %-20s %6d connections  %8.2f %s", r.scenario.id, round+1, r.bench.o.rounds, c.name, one.Calls, one.Cost, r.scenario.kind.Unit())
				return nil
			})
			if err := interrupted(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *race) idleRound(ctx context.Context, c contender) (*report.Round, error) {
	x, err := c.start(ctx, r.site)
	if err != nil {
		return nil, err
	}
	defer x.stop()
	warm := load.Motan{Target: x.target, Request: r.site.request(), Conns: warmConns, InFlight: 1, Duration: r.bench.o.warmup}
	if _, err := warm.Run(ctx); err != nil {
		return nil, err
	}
	before, err := r.resting(ctx, x)
	if err != nil {
		return nil, err
	}
	idle, err := load.NewIdle(ctx, x.target, r.site.request(), min(r.scenario.conns, (descriptors()-200)/x.sockets))
	if err != nil {
		return nil, err
	}
	defer idle.Close()
	after, err := r.resting(ctx, x)
	if err != nil {
		return nil, err
	}
	return &report.Round{Calls: uint64(idle.Len()), Cost: float64(after-before) / 1024 / float64(idle.Len()), RSS: after}, nil
}

// resting is the resident memory of a contender that had some rest.
func (r *race) resting(ctx context.Context, x *subject) (int64, error) {
	if err := rest(ctx, idleRest*r.bench.o.duration); err != nil {
		return 0, err
	}
	ids, err := pids(x.processes)
	if err != nil {
		return 0, err
	}
	return proc.FS{}.RSS(ids...)
}

// rest waits for d, or for the end of ctx.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
