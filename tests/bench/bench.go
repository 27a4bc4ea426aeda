package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/motand/motand/tests/bench/proc"
	"github.com/motand/motand/tests/bench/report"
)

// bench is one run.
type bench struct {
	o        *options
	log      io.Writer
	dir      string // for what runs; removed at the end
	ports    *ports
	field    []contender // all that can be raced
	motand   string      // path of the program
	versions map[string]string
	missing  []string // contenders that are not there, and why
}

// newBench finds the programs. It is an error when there is no motand.
func newBench(o *options, log io.Writer) (*bench, error) {
	exe, err := executable(o.motand)
	if err != nil {
		return nil, fmt.Errorf("find motand: %w; build it with: make build", err)
	}
	b := &bench{o: o, log: log, ports: newPorts(), motand: exe, versions: map[string]string{motand: version(exe, "version")}}
	if b.dir, err = os.MkdirTemp("", "motand-bench-"); err != nil {
		return nil, fmt.Errorf("folder for what runs: %w", err)
	}
	b.add(agentOf(motand, motandOf(exe)))
	if exe, ok := b.find(motango, "make peers", func() (string, error) { return executable(o.motango) }); ok {
		b.versions[motango] = "v1.2.0"
		b.add(agentOf(motango, motangoOf(exe)))
	}
	if exe, ok := b.find(haproxy, "make test-deps", func() (string, error) { return lookUp("haproxy") }); ok {
		b.versions[haproxy] = version(exe, "-v")
		b.add(haproxyOf(exe))
	}
	if exe, ok := b.find(nginx, "make test-deps", func() (string, error) { return lookUp("nginx") }); ok {
		b.versions[nginx] = version(exe, "-v")
		b.add(nginxOf(exe))
	}
	for _, x := range o.extra {
		b.add(agentOf(x.name, shellOf(x.line)))
	}
	return b, nil
}

// close removes what the run has left.
func (b *bench) close() { _ = os.RemoveAll(b.dir) } // what stays lies in the system's folder for temporary files

// chosen tells whether a contender is raced.
func (b *bench) chosen(name string) bool {
	return len(b.o.against) == 0 || slices.ContainsFunc(b.o.against, func(s string) bool { return strings.EqualFold(s, name) })
}

func (b *bench) add(c contender) {
	if b.chosen(c.name) {
		b.field = append(b.field, c)
	}
}

// find looks for the program of a contender, and notes that it is missing and how it can be had.
func (b *bench) find(name, how string, look func() (string, error)) (exe string, ok bool) {
	if !b.chosen(name) {
		return "", false
	}
	exe, err := look()
	if err != nil {
		b.missing = append(b.missing, fmt.Sprintf("%s: %v; try: %s", name, err, how))
		b.say("left out: %s", b.missing[len(b.missing)-1])
		return "", false
	}
	return exe, true
}

func (b *bench) say(format string, args ...any) {
	printer{b.log}.printf("bench: "+format+"\n", args...)
}

// run runs the scenarios. When it is interrupted it returns what it has, and the reason.
func (b *bench) run(ctx context.Context) (*report.Report, error) {
	machine, err := proc.FS{}.Probe()
	if err != nil {
		return nil, err
	}
	r := &report.Report{
		Date: time.Now(), Machine: machine, Versions: b.versions, Missing: b.missing,
		Rounds: b.o.rounds, Seconds: b.o.duration.Seconds(),
	}
	for _, s := range scenarios(b.o) {
		if len(b.o.only) > 0 && !slices.ContainsFunc(b.o.only, s.is) {
			continue
		}
		result, err := b.scenario(ctx, s)
		if result != nil && len(result.Contenders) > 0 {
			result.SetRatios()
			r.Scenarios = append(r.Scenarios, result)
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", s.id, err)
		}
	}
	return r, nil
}

// entrants are the contenders of a scenario.
func (b *bench) entrants(s *scenario) []contender {
	if s.services > 0 {
		return b.crowded(s)
	}
	var all []contender
	for _, c := range b.field {
		if s.wants(c.name) {
			all = append(all, c)
		}
	}
	return all
}

// scenario runs one scenario.
func (b *bench) scenario(ctx context.Context, s *scenario) (*report.Scenario, error) {
	entrants := b.entrants(s)
	if len(entrants) == 0 {
		return nil, nil
	}
	w, err := newSite(ctx, b.dir, b.ports, s)
	if err != nil {
		return nil, err
	}
	defer w.close()
	b.say("%s %s", s.id, s.title)
	r := &race{bench: b, scenario: s, site: w, result: s.report()}
	if s.kind == report.Memory {
		return r.result, r.idle(ctx, entrants)
	}
	return r.result, r.run(ctx, entrants)
}

// interrupted is the error with which everything has to end: that of ctx.
func interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}
