package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// statusOptions are the flags of motand status.
type statusOptions struct {
	management managementClient
	output     string
	watch      bool
	every      time.Duration
}

// statusCommand shows the running agent at a glance.
func statusCommand() *cobra.Command {
	o := new(statusOptions)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the running agent at a glance",
		Long: `Show the running agent at a glance: its state, its configuration, listeners, registries, services, and
the calls of the last period. Exit code 0 for an agent that is ready, 3 for one that is not, or for
no answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"table", "json"}, o.output) || o.every < 100*time.Millisecond {
				return fmt.Errorf("--output is table or json, not %q, and --interval at least 100ms", o.output)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if o.watch {
				o.repeat(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
				return nil
			}
			v, err := o.show(ctx, cmd.OutOrStdout())
			if err == nil && v.State != "ready" {
				return &exitError{3}
			}
			return err
		},
	}
	o.management.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "table", "table, or json for scripts")
	f.BoolVarP(&o.watch, "watch", "w", false, "show it again and again, until interrupted")
	f.DurationVar(&o.every, "interval", 2*time.Second, "how often with --watch")
	return cmd
}

// repeat shows the agent until ctx ends; an agent that does not answer for a while is waited for.
func (o *statusOptions) repeat(ctx context.Context, w, problems io.Writer) {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		if _, err := o.show(ctx, w); err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintln(problems, "motand: "+err.Error()) // it is tried again
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// show asks once and prints; with watch it begins at the top of the terminal.
func (o *statusOptions) show(ctx context.Context, w io.Writer) (statusView, error) {
	var v statusView
	if err := o.management.ask(ctx, http.MethodGet, "/api/v1/status", nil, &v); err != nil {
		return v, err
	}
	if o.output == "json" {
		return v, printJSON(w, v)
	}
	var text bytes.Buffer
	if o.watch {
		text.WriteString("\x1b[H\x1b[2J")
	}
	v.print(&text)
	_, err := w.Write(text.Bytes())
	return v, err
}

// print writes the agent for people.
func (v *statusView) print(w *bytes.Buffer) {
	state, available := v.State, "out of use (GET /200 takes its services into use)"
	switch {
	case v.Available:
		available = "in use"
	case slices.ContainsFunc(v.Services, func(s serviceSummary) bool { return s.Available }):
		available = "/200 was not asked for, which services with available: auto do not wait for"
	}
	if state == "waiting" {
		state = "waiting for the nodes of a refer, see below"
	}
	fmt.Fprintf(w, "motand %s, pid %d, up %s: %s; %s\n", v.Version, v.PID, time.Since(v.Started).Round(time.Second), state, available)
	fmt.Fprintf(w, "%d MB, %d %% of a CPU since the start, %d goroutines\n", v.MemoryMB, v.CPUPercent, v.Goroutines)
	fmt.Fprintf(w, "configuration %s of %s, reloaded %d times, %d refused\n", shown(strings.Join(v.Config.Files, ", ")),
		v.Config.LastTaken.Format(time.DateTime), v.Config.Reloads, v.Config.Refused)
	if p := v.Config.Pushed; p != nil {
		state := "in use"
		if !p.InUse {
			state = "REFUSED, see below"
		}
		fmt.Fprintf(w, "pushed through registry %s, version %s: %s\n", shown(p.Registry), p.Version, state)
	}
	if v.Config.LastError != "" {
		fmt.Fprintf(w, "THE LAST CONFIGURATION WAS REFUSED, an older one is in use:\n  %s\n", strings.ReplaceAll(v.Config.LastError, "\n", "\n  "))
	}
	for _, p := range v.Holdups {
		fmt.Fprintf(w, "A FILTER BLOCKS: %s\n", shown(p))
	}
	for _, p := range v.Commands {
		fmt.Fprintf(w, "COMMAND IGNORED of registry %s\n", shown(p))
	}
	w.WriteByte('\n')
	v.printTables(w)
	fmt.Fprintf(w, "%d refers", v.Refers)
	if len(v.NoNodes) > 0 {
		fmt.Fprintf(w, ", WITHOUT NODES: %s", shown(strings.Join(v.NoNodes, ", ")))
	}
	w.WriteByte('\n')
}

func (v *statusView) printTables(w *bytes.Buffer) {
	choose := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	table(w, "LISTENER\tADDRESS\tCONNECTIONS\tIN FLIGHT", func(row func(...any)) {
		for _, l := range v.Listeners {
			if len(l.Addresses) > 0 {
				row(l.Name, strings.Join(l.Addresses, " "), l.Connections, l.InFlight)
			}
		}
	})
	table(w, "REGISTRY\tSTATE\tWATCHED\tSTALE\tKEPT NODES\tANNOUNCED\tERROR", func(row func(...any)) {
		for _, r := range v.Registries {
			row(r.ID, choose(r.Connected, "connected", "CANNOT BE REACHED"), r.Watched, r.Stale, r.Kept, r.Announced, orDash(r.Error))
		}
	})
	table(w, "SERVICE HERE\tGROUP\tAVAILABLE\tPROVIDER", func(row func(...any)) {
		for _, s := range v.Services {
			provider := "not checked"
			if s.Healthy != nil {
				provider = choose(*s.Healthy, "passes", "FAILS")
			}
			row(shown(s.Service), shown(s.Group), choose(s.Available, "yes", "no"), provider)
		}
	})
	table(w, "CERTIFICATE OF\tKIND\tFILE OR SERVER\tENDS", func(row func(...any)) {
		for _, c := range v.Certificates {
			if now := time.Now(); c.near(now) {
				row(shown(c.Entry), c.Kind, shown(c.Name), c.state(now))
			}
		}
	})
	table(w, fmt.Sprintf("CALLS IN %gs\tSERVICE\tGROUP\tCALLS\tFAILED\tP50 MS\tP99 MS", v.Period), func(row func(...any)) {
		for _, l := range v.Load {
			row(l.Direction, shown(l.Service), shown(l.Group), l.Calls, l.Failed, fmt.Sprintf("%.2f", l.P50), fmt.Sprintf("%.2f", l.P99))
		}
	})
}

// table writes rows below a head, with an empty line behind; nothing where there are none.
func table(w io.Writer, head string, rows func(row func(...any))) {
	var text bytes.Buffer
	rows(func(cells ...any) {
		if text.Len() == 0 {
			text.WriteString(head + "\n")
		}
		for i, c := range cells {
			if i > 0 {
				text.WriteByte('\t')
			}
			fmt.Fprint(&text, c)
		}
		text.WriteByte('\n')
	})
	if text.Len() == 0 {
		return
	}
	text.WriteByte('\n')
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = t.Write(text.Bytes()) // kept until Flush
	_ = t.Flush()                // a terminal that has gone is no concern
}
