package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// scaleName as the first argument asks for the measurements of scale instead of a race.
const scaleName = "scale"

// scaleOptions are what the flags after it say.
type scaleOptions struct {
	only     []string // empty is all
	motand   string
	idle     int           // connections of G6
	rest     time.Duration // before memory is read
	sockets  int           // of G7a
	memory   int           // connections of G7b
	services int           // of G8
	nodes    int           // of each of them
	duration time.Duration // of the loads of G7a
}

// figure is one line of the table: what was measured and what it may be at most; 0 is no limit.
type figure struct {
	id, what string
	got      float64
	limit    float64
	unit     string
}

// scaleParts are the measurements, in the order in which they are made.
var scaleParts = []struct {
	id, title string
	measure   func(ctx context.Context, s *scale) error
}{
	{"G6", "memory at rest, with idle connections, and after them", measureIdle},
	{"G7a", "calls spread over many sockets", measureSockets},
	{"G7b", "connections in memory", measureMemory},
	{"G8", "many services, each with many nodes", measureServices},
}

// scale is one run.
type scale struct {
	o       *scaleOptions
	bench   *bench
	figures []figure
}

func (s *scale) add(id, what string, got, limit float64, unit string) {
	s.figures = append(s.figures, figure{id, what, got, limit, unit})
	s.bench.say("%s %s: %.4g %s", id, what, got, unit)
}

func parseScale(args []string, stderr io.Writer) (*scaleOptions, error) {
	o := new(scaleOptions)
	flags := flag.NewFlagSet("bench scale", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		printer{stderr}.printf("usage: bench scale [flags]\n\nMeasures what large numbers cost motand, in memory and in time, and prints a table:\n")
		for _, p := range scaleParts {
			printer{stderr}.printf("  %-5s %s\n", p.id, p.title)
		}
		printer{stderr}.printf("\nFlags:\n")
		flags.PrintDefaults()
	}
	only := flags.String("only", "", "parts to run, such as G6,G8; all when empty")
	flags.StringVar(&o.motand, "motand", "bin/motand", "`path` of motand")
	flags.IntVar(&o.idle, "idle", 10_000, "connections of G6")
	flags.DurationVar(&o.rest, "rest", time.Minute, "how long nothing happens before memory is read")
	flags.IntVar(&o.sockets, "sockets", 18_000, "connections of G7a; as many as the descriptors of a process allow")
	flags.IntVar(&o.memory, "memory", 100_000, "connections of G7b")
	flags.IntVar(&o.services, "services", 10_000, "services of G8")
	flags.IntVar(&o.nodes, "nodes", 100, "nodes of each service of G8")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long a load of G7a takes")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.only = list(*only)
	return o, o.check(flags.Args())
}

func (o *scaleOptions) check(rest []string) error {
	for _, id := range o.only {
		known := false
		for _, p := range scaleParts {
			known = known || strings.EqualFold(id, p.id)
		}
		if !known {
			return fmt.Errorf("-only %s: there is no such part; bench scale -h lists them", id)
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q; bench scale -h lists the flags", rest[0])
	case min(o.idle, o.sockets, o.memory, o.services, o.nodes) < 1 || max(o.idle, o.sockets, o.memory, o.services) > 1_000_000 || o.nodes > 1000:
		return errors.New("numbers are 1 to 1000000, -nodes 1000 at most")
	case min(o.rest, o.duration) < 100*time.Millisecond || max(o.rest, o.duration) > time.Hour:
		return errors.New("-rest and -duration are 100 ms to an hour")
	}
	return nil
}

// runScale measures what args ask for and prints the table to stdout, and what is going on to stderr. Figures over their
// limits are no error: machines differ.
func runScale(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseScale(args, stderr)
	if err != nil {
		return err
	}
	exe, err := executable(o.motand)
	if err != nil {
		return fmt.Errorf("find motand: %w; build it with: make build", err)
	}
	dir, err := os.MkdirTemp("", "motand-scale-")
	if err != nil {
		return fmt.Errorf("folder for what runs: %w", err)
	}
	b := &bench{o: new(options), log: stderr, ports: newPorts(), motand: exe, dir: dir}
	defer b.close()
	s := &scale{o: o, bench: b}
	for _, p := range scaleParts {
		if len(o.only) > 0 && !slices.ContainsFunc(o.only, func(id string) bool { return strings.EqualFold(id, p.id) }) {
			continue
		}
		b.say("%s %s", p.id, p.title)
		if err := p.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", p.id, err)
		}
	}
	s.print(printer{stdout})
	return nil
}

// print prints the table.
func (s *scale) print(p printer) {
	width := 0
	for _, f := range s.figures {
		width = max(width, len(f.what))
	}
	for _, f := range s.figures {
		verdict := ""
		switch {
		case f.limit > 0 && f.got <= f.limit:
			verdict = fmt.Sprintf("  reached <= %g", f.limit)
		case f.limit > 0:
			verdict = fmt.Sprintf("  MISSED <= %g", f.limit)
		}
		p.printf("%-4s %-*s %10.4g %s%s\n", f.id, width, f.what, f.got, f.unit, verdict)
	}
}

// rest waits for the time before memory is read, or for the end of ctx.
func (s *scale) rest(ctx context.Context) error {
	if err := rest(ctx, s.o.rest); err != nil {
		return interrupted(ctx)
	}
	return nil
}
