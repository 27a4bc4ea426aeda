package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

func checkCommand(x Extensions) *cobra.Command {
	var o conf.Options
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration without running it",
		Long: `Read the configuration and build everything that run would build, without listening, dialling or
telling anybody. Exit code 0 and a summary, or 1 and every mistake as file:line:column: message.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Known = x.known()
			var said bytes.Buffer
			c, err := load(o, io.MultiWriter(cmd.ErrOrStderr(), &said))
			if err != nil {
				return err
			}
			if err := tryCompile(c, x, slog.New(&warnings{w: cmd.ErrOrStderr(), said: said.String()})); err != nil {
				return &ConfigError{placed{err}}
			}
			line := fmt.Sprintf("configuration is good: %d registries, %d refers, %d services, %d http clients",
				len(c.Registries), len(c.Refers), len(c.Services), len(c.HTTPClients))
			if n := len(c.Syncs); n > 0 {
				line += fmt.Sprintf(", %d entries of registry-sync", n)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	}
	configFlags(cmd.Flags(), &o)
	return cmd
}

// tryCompile builds a snapshot and throws it away. What run would warn of goes to log.
func tryCompile(c *conf.Config, x Extensions, log *slog.Logger) error {
	k := &compiler{
		extensions: x, pool: new(cluster.Pool), metrics: newMetrics(),
		local: new(registry.Local), localIP: localIP(), log: log,
	}
	s, err := k.compile(c, nil)
	if err != nil {
		return err
	}
	warnOfUnserved(log, c, s.registries)
	expiries := &certificates{log: log}
	expiries.read(c)
	expiries.tell(time.Now())
	s.close()
	return nil
}

// warnings is a log that check shows: warnings only, in the form of those of the configuration.
type warnings struct {
	w    io.Writer
	said string // lines of the configuration's own warnings: no place is told twice
}

var _ slog.Handler = (*warnings)(nil)

// Enabled is true for warnings and errors.
func (h *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle writes a line: the place, which is the attribute at, and the message with the others.
func (h *warnings) Handle(_ context.Context, r slog.Record) error {
	place, text := "motand", strings.TrimPrefix(r.Message, "agent: ")
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "at" {
			place = a.Value.String()
		} else {
			text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		return true
	})
	if strings.Contains("\n"+h.said, "\n"+place+": ") {
		return nil
	}
	_, err := fmt.Fprintf(h.w, "%s: warning: %s\n", place, text)
	return err
}

// WithAttrs returns h: the parts that check builds add none.
func (h *warnings) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup returns h, likewise.
func (h *warnings) WithGroup(string) slog.Handler { return h }
