// Command bench races motand against HAProxy, nginx and motan-go's own agent on this machine, and against any other
// agent that is named. "make bench" runs it; -h lists what can be chosen.
//
// Everything runs on the loopback: echo providers and proxies as processes of their own, the load in this one. In every
// round each contender bears the same load in turn, so that what else the machine does falls on all of them. What counts
// is the CPU time that the processes of a contender take for a call.
//
// It ends only processes that it has started, and with them their groups.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if role(os.Args[1:]) {
		os.Exit(provide(os.Args[2:], os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	measure, args := run, os.Args[1:]
	if len(args) > 0 && args[0] == scaleName {
		measure, args = runScale, args[1:]
	}
	err := measure(ctx, args, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	rounds           int
	duration, warmup time.Duration
	only, against    []string // empty is all
	extra            []command
	out, profiles    string
	markdown         bool
	motand, motango  string
	idle             int
	services         int
}

// command is a further contender: a name and a line for the shell.
type command struct{ name, line string }

const usage = `usage: bench [flags]

Measures what a call costs through motand, HAProxy (mode tcp), nginx and motan-go's agent, and prints a table. Programs
that are missing are left out. In the table: median of the rounds (smallest..largest); ratios are to the reference of
the scenario in the same round. bench.json and bench.svg are written into -out.

Another agent is added with -contender name=command. The command runs in a shell, in a folder of its own, and finds
in its environment:
  MOTAND_BENCH_YAML   path of the configuration, in motan-go's form, that it has to serve
  MOTAND_BENCH_PORT   motan-agent.port: where it must accept Motan2 calls
  MOTAND_BENCH_EPORT  motan-agent.eport: where it must accept calls of exported services
  MOTAND_BENCH_HPORT  motan-agent.hport: where it must accept HTTP calls, as POST /rpc/{service}/{method} or as
                      /proxy_to_rpc
  MOTAND_BENCH_UNIX   motan-agent.httpProxyUnixSock: the socket that takes the place of hport; empty for none
  MOTAND_BENCH_MPORT  motan-agent.mport: management
It is ended by SIGTERM, and by SIGKILL two seconds later. The same values stand in the configuration.

Flags:
`

// parse reads the flags. Errors were already written to stderr when it returns.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		help := printer{stderr}
		help.printf("%s", usage)
		flags.PrintDefaults()
		help.printf("\nScenarios:\n")
		for _, s := range scenarios(o) {
			help.printf("  %-9s %s\n", s.id, s.title)
		}
	}
	flags.IntVar(&o.rounds, "rounds", 5, "how often each contender is measured")
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "how long a round takes")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "how long a contender is under load before the first round")
	quick := flags.Bool("quick", false, "one round of 0.5 s, to see that everything works")
	only := flags.String("only", "", "scenarios to run, such as P1,P5 (P4 is P4-16k and P4-1m); all when empty")
	against := flags.String("against", "", "contenders to race, such as motand,haproxy; all when empty")
	flags.Func("contender", "`name=command`: race another agent; may be given several times", func(text string) error {
		name, line, ok := strings.Cut(text, "=")
		if !ok || name == "" || line == "" {
			return errors.New("it is written name=command")
		}
		o.extra = append(o.extra, command{name, line})
		return nil
	})
	flags.StringVar(&o.out, "out", "bin/bench", "`folder` for bench.json and bench.svg")
	flags.StringVar(&o.profiles, "profile", "", "`folder` for CPU profiles of motand, one more round for each scenario")
	flags.BoolVar(&o.markdown, "md", false, "print the table as Markdown")
	flags.StringVar(&o.motand, "motand", "bin/motand", "`path` of motand")
	flags.StringVar(&o.motango, "motango", "bin/motango", "`path` of motan-go as a peer")
	flags.IntVar(&o.idle, "idle", 10_000, "connections of P8")
	flags.IntVar(&o.services, "services", 10_000, "services of P9")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if *quick {
		o.rounds, o.duration, o.warmup = 1, 500*time.Millisecond, 200*time.Millisecond
	}
	o.only, o.against = list(*only), list(*against)
	return o, o.check(flags.Args())
}

// check refuses what cannot be measured.
func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q; bench -h lists the flags", rest[0])
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds %d: 1 to 1000 are possible", o.rounds)
	case o.duration < 10*time.Millisecond || o.duration > time.Hour || o.warmup < 0 || o.warmup > time.Hour:
		return errors.New("-duration is 10 ms to an hour, -warmup an hour at most")
	case o.idle < 1 || o.idle > 1_000_000:
		return fmt.Errorf("-idle %d: 1 to 1000000 are possible", o.idle)
	case o.services < 1 || o.services > 20_000:
		return fmt.Errorf("-services %d: 1 to 20000 are possible", o.services)
	}
	for _, id := range o.only {
		found := false
		for _, s := range scenarios(o) {
			found = found || s.is(id)
		}
		if !found {
			return fmt.Errorf("-only %s: there is no such scenario; bench -h lists them", id)
		}
	}
	return nil
}

// list splits at commas; empty parts count for nothing.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// run measures what args ask for, prints the table to stdout, and what is going on to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b, err := newBench(o, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	r, err := b.run(ctx)
	if r != nil {
		printer{stdout}.printf("%s", r.Table(o.markdown))
		if werr := r.Write(o.out); werr != nil {
			return errors.Join(err, werr)
		}
		printer{stdout}.printf("\nwritten: %s/bench.json, %s/bench.svg\n", o.out, o.out)
	}
	return err
}
