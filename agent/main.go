package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/motand/motand/conf"
)

// ConfigError says that the configuration cannot be used. Its text has one line for each
// mistake, with its place.
type ConfigError struct{ Err error }

// Error is the text of all mistakes.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// Main is the whole program: it runs the command that args (without the program's name) ask
// for and returns the exit code. A main of one's own calls it with extended tables.
func Main(args []string, x Extensions) int {
	root := rootCommand(x)
	begun := false // set once the command line was understood
	root.PersistentPreRun = func(*cobra.Command, []string) { begun = true }
	root.SetArgs(spell(root, args))
	err := root.Execute()
	if err != nil && !begun {
		err = &ConfigError{errors.New(advice(err))}
	}
	var quiet *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &quiet):
		return quiet.code
	}
	prefix := "motand: "
	if _, ok := errors.AsType[placed](err); ok {
		prefix = ""
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(os.Stderr, prefix+strings.TrimRight(line, "\n"))
	}
	return ExitCode(err)
}

// placed is an error each line of which begins with its place, where editors look for it.
type placed struct{ error }

// Unwrap returns the cause.
func (p placed) Unwrap() error { return p.error }

// advice is the text of an error of the command line, in one line and with what to do.
func advice(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if !strings.Contains(text, "--help") {
		text += "; motand --help lists the commands, motand COMMAND --help the flags of one"
	}
	return text
}

// noArguments refuses what is no flag; most who write it mean the configuration.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes flags only, not %q; a configuration is named with -c", cmd.Name(), args[0])
}

// exitError ends the program with a code and without a further word.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func rootCommand(x Extensions) *cobra.Command {
	root := &cobra.Command{
		Use:   "motand",
		Short: "The RPC mesh agent of this host",
		Long: `motand stands between the programs on this host and the services of the mesh: local programs
call it over HTTP or Motan, it finds the provider and forwards the call; and it exports the
services of this host to others. Without a command it takes motan-go's own flags and runs.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       Version,
	}
	root.AddCommand(
		runCommand(x), checkCommand(x), configCommand(x), diffCommand(), schemaCommand(), upgradeCommand(x),
		statusCommand(), switchCommand(), tailCommand(), callCommand(), registryCommand(x), manCommand(), versionCommand(),
	)
	return root
}

// spell puts motan-go's spelling of flags (-port 9981) into the one of the library (--port
// 9981), and lets flags without a command mean run.
func spell(root *cobra.Command, args []string) []string {
	if len(args) == 0 {
		return args
	}
	if strings.HasPrefix(args[0], "-") && !slices.Contains([]string{"-h", "--help", "--version", "-v"}, args[0]) {
		args = append([]string{"run"}, args...)
	}
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	out := slices.Clone(args)
	for i, arg := range out {
		name, ok := strings.CutPrefix(arg, "-")
		name, _, _ = strings.Cut(name, "=")
		if ok && len(name) > 1 && name[0] != '-' && cmd.Flags().Lookup(name) != nil {
			out[i] = "-" + arg
		}
	}
	return out
}

// unusedFlags are motan-go's flags that are taken and have no effect; who gives one is told.
var unusedFlags = []string{"log_async", "log_structured", "rotate_per_hour", "log_filter_caller", "log_level", "log_buffer_size"}

// warnOfUnused tells of flags that have no effect.
func warnOfUnused(cmd *cobra.Command) {
	for _, name := range unusedFlags {
		if cmd.Flags().Changed(name) {
			cmd.PrintErrf("-%s: warning: the flag has no effect, set motan-agent.%s in the configuration\n", name, name)
		}
	}
}

// configFlags are motan-go's flags, in its spelling.
func configFlags(f *pflag.FlagSet, o *conf.Options) {
	f.StringVarP(&o.Path, "config", "c", "", "configuration: a file, or a folder in motan-go's form (default ./motan.yaml)")
	f.IntVar(&o.Port, "port", 0, "port for Motan calls of programs on this host (default 9981)")
	f.IntVar(&o.ExportPort, "eport", 0, "port on which services are exported (default 9982)")
	f.IntVar(&o.HTTPPort, "hport", 0, "port for HTTP calls of programs on this host (default 9983)")
	f.IntVar(&o.ManagementPort, "mport", 0, "management port (default 8002)")
	f.StringVar(&o.PIDFile, "pidfile", "", "file for the process id (default ./agent.pid)")
	f.StringVar(&o.LogDir, "log_dir", "", "folder for log files, or stdout (default: log to standard error, access log in .)")
	f.StringVar(&o.Application, "application", "", "application, for a configuration folder")
	f.StringVar(&o.Pool, "pool", "", "pool (application-idc-level), for a configuration folder")
	f.StringVar(&o.IDC, "idc", "", "value of ${idc} in groups")
	f.StringVar(&o.LocalIP, "localIP", "", "address under which this host is registered (default: its first IPv4 address)")
	f.BoolVar(&o.Recover, "recover", false, "restore what /200, /503 and programs on this host asked the last run for")
	for _, name := range unusedFlags {
		f.String(name, "", "of motan-go; set it in the configuration")
		if name != "log_level" && name != "log_buffer_size" { // booleans may stand alone
			f.Lookup(name).NoOptDefVal = "true"
		}
		_ = f.MarkHidden(name) // fails for unknown names only
	}
	configEnvironment(o)
}

// configEnvironment lets a configuration see the environment.
func configEnvironment(o *conf.Options) { o.Getenv, o.Environ = os.Getenv, os.Environ }

func runCommand(x Extensions) *cobra.Command {
	var o conf.Options
	var lastGood string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent in the foreground",
		Long: `Run the agent in the foreground until SIGTERM or SIGINT, which withdraw its services and let
what is in flight finish; a second one stops at once. Exit code: 0 stopped as asked, 1 bad
configuration, 2 cannot listen, 3 internal.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asked := hearRequests()
			defer asked.stop()
			o.Known = x.known()
			warnOfUnused(cmd)
			given, err := inherit()
			if err != nil {
				return err
			}
			src := &source{options: o, lastGood: lastGood, warnings: cmd.ErrOrStderr()}
			c, unusable, err := src.first()
			if err != nil {
				given.refuse(err)
				return err
			}
			a, err := newAgent(c, x, given)
			if err != nil {
				given.refuse(err)
				return err
			}
			if a.successor() == nil { // else it was said at the first start
				err = greet(cmd.OutOrStdout(), c, a)
			}
			if err != nil {
				return err
			}
			a.load, a.source = src.load, src
			src.began(a, c, unusable)
			return runUntilSignal(a, o, asked)
		},
	}
	configFlags(cmd.Flags(), &o)
	cmd.Flags().StringVar(&lastGood, "last-good", "", "file in which the configuration in use is kept, and which is used at a start where that of -c cannot be")
	return cmd
}

// watchTick is how often a watched configuration is looked at; it is read after two looks.
const watchTick = time.Second

// requests are the signals that ask for something but the end. They are taken from the first moment on: unheard, they would
// end the process.
type requests struct{ reload, reopen, upgrade chan os.Signal }

func hearRequests() *requests {
	r := &requests{make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)}
	signal.Notify(r.reload, syscall.SIGHUP)
	signal.Notify(r.reopen, syscall.SIGUSR1)
	signal.Notify(r.upgrade, syscall.SIGUSR2)
	return r
}

func (r *requests) stop() {
	signal.Stop(r.reload)
	signal.Stop(r.reopen)
	signal.Stop(r.upgrade)
}

// runUntilSignal runs a until SIGTERM or SIGINT; a second one forces the end. SIGHUP makes it
// read the configuration again, and so does a change of its files where watchConfig says so.
func runUntilSignal(a *Agent, o conf.Options, asked *requests) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with ctx
		for {
			select {
			case <-asked.reload:
				_ = a.readAgain("SIGHUP") // which logs
			case <-asked.reopen:
				a.logs.reopen()
			case <-asked.upgrade:
				go func() { // ends before Run does
					<-a.begun
					_, _ = a.upgrade(ctx, upgradeRequest{}) // which logs
				}()
			case <-ctx.Done():
				return
			}
		}
	}()
	if a.base.Agent.WatchConfig {
		go conf.Watch(ctx, o, watchTick, func() { _ = a.readAgain("watchConfig") }) // ends with ctx; errors are logged
	}
	force := make(chan struct{})
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		close(force)
	}()
	defer cancel()
	p := processors{most: runtime.GOMAXPROCS(0), log: a.log}
	go p.run(ctx, a.snapshot.Load().config.Agent.Processors) // ends with ctx
	m := memory{log: a.log}
	go m.run(ctx) // ends with ctx
	return a.Run(ctx, force)
}

// load reads the configuration and writes its warnings to w; its errors are the error.
func load(o conf.Options, w io.Writer) (*conf.Config, error) {
	c, found := conf.Load(o)
	var lines []string
	for _, d := range found {
		if d.Severity == conf.Warning {
			if _, err := fmt.Fprintln(w, d); err != nil {
				return nil, err
			}
			continue
		}
		lines = append(lines, d.String())
	}
	if c == nil {
		return nil, &ConfigError{placed{errors.New(strings.Join(lines, "\n"))}}
	}
	return c, nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "motand "+Version)
			return err
		},
	}
}
