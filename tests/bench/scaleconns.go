package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/motand/motand/tests/bench/load"
	"github.com/motand/motand/tests/bench/proc"
)

const (
	mebi        = 1 << 20
	sparseRate  = 1000 // calls each second in G7a
	sparseFew   = 100  // connections to which many are compared
	sparseTurns = 3    // rounds of both
	spareFDs    = 200  // descriptors that are left to the rest of a process
)

// start runs a motand in front of an echo provider, for a part of the measurements; stop ends both.
func (s *scale) start(ctx context.Context, id string) (x *subject, w *site, stop func(), err error) {
	if w, err = newSite(ctx, s.bench.dir, s.bench.ports, &scenario{id: id, shape: motanIn, body: 128}); err != nil {
		return nil, nil, nil, err
	}
	if x, err = startAgent(ctx, w, motand, motandOf(s.bench.motand)); err != nil {
		w.close()
		return nil, nil, nil, err
	}
	return x, w, func() { x.stop(); w.close() }, nil
}

// resident is how much memory a subject takes after some rest, in MiB.
func (s *scale) resident(ctx context.Context, x *subject) (float64, error) {
	if err := s.rest(ctx); err != nil {
		return 0, err
	}
	ids, err := pids(x.processes)
	if err != nil {
		return 0, err
	}
	bytes, err := proc.FS{}.RSS(ids...)
	return float64(bytes) / mebi, err
}

// measureIdle is G6: memory of a motand that nobody calls, with idle connections that made a call each, and after these.
func measureIdle(ctx context.Context, s *scale) error {
	x, w, stop, err := s.start(ctx, "G6")
	if err != nil {
		return err
	}
	defer stop()
	base, err := s.resident(ctx, x)
	if err != nil {
		return err
	}
	s.add("G6", "resident at rest", base, 25, "MiB")
	idle, err := load.NewIdle(ctx, x.target, w.request(), min(s.o.idle, descriptors()-spareFDs))
	if err != nil {
		return err
	}
	defer idle.Close()
	with, err := s.resident(ctx, x)
	if err != nil {
		return err
	}
	n := float64(idle.Len())
	s.add("G6", fmt.Sprintf("more with %d idle connections, for 10,000", idle.Len()), (with-base)*10_000/n, 45, "MiB")
	s.add("G6", "a connection", (with-base)*1024/n, 4, "KiB")
	idle.Close()
	after, err := s.resident(ctx, x)
	if err != nil {
		return err
	}
	s.add("G6", "resident after them", after, 0, "MiB")
	s.add("G6", "of what it was with them", after/with, 1.25, "times")
	s.add("G6", "of what it was before them", after/base, 0, "times")
	return nil
}

// measureSockets is G7a: a thousand calls a second, over few connections and over very many.
func measureSockets(ctx context.Context, s *scale) error {
	x, w, stop, err := s.start(ctx, "G7a")
	if err != nil {
		return err
	}
	defer stop()
	idle, err := load.NewIdle(ctx, x.target, w.request(), min(s.o.sockets, descriptors()-spareFDs))
	if err != nil {
		return err
	}
	defer idle.Close()
	var p99s, cpus, fewP99s, fewCPUs []float64
	for range sparseTurns {
		few, fewCPU, err := s.sparse(ctx, x, load.Sparse{Idle: idle, Request: w.request(), Conns: min(sparseFew, idle.Len())})
		if err != nil {
			return err
		}
		many, manyCPU, err := s.sparse(ctx, x, load.Sparse{Idle: idle, Request: w.request(), Conns: idle.Len()})
		if err != nil {
			return err
		}
		p99s, cpus = append(p99s, many/few), append(cpus, manyCPU/fewCPU)
		fewP99s, fewCPUs = append(fewP99s, few), append(fewCPUs, fewCPU)
	}
	on := fmt.Sprintf(" over %d connections of that over %d", idle.Len(), sparseFew)
	s.add("G7a", fmt.Sprintf("p99 at %d calls/s over %d connections", sparseRate, sparseFew), median(fewP99s), 0, "µs")
	s.add("G7a", "p99"+on, median(p99s), 1.5, "times")
	s.add("G7a", fmt.Sprintf("CPU of a call over %d connections", sparseFew), median(fewCPUs), 0, "µs")
	s.add("G7a", "CPU of a call"+on, median(cpus), 1.5, "times")
	return nil
}

// sparse is one load of few calls a second: the 99th percentile of its latency and the CPU time of a call, both in µs.
func (s *scale) sparse(ctx context.Context, x *subject, l load.Sparse) (p99, cpu float64, err error) {
	l.Rate, l.Duration = sparseRate, s.o.duration
	ids, err := pids(x.processes)
	if err != nil {
		return 0, 0, err
	}
	before, err := proc.FS{}.CPU(ids...)
	if err != nil {
		return 0, 0, err
	}
	result, err := l.Run(ctx)
	if err != nil {
		return 0, 0, err
	}
	after, err := proc.FS{}.CPU(ids...)
	if err != nil {
		return 0, 0, err
	}
	return quantile(result.Latency, 0.99), after.Since(before).Seconds() * 1e6 / float64(max(result.Calls, 1)), nil
}

// median is that of values, of which there is one at least.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
