package agent

import (
	"fmt"
	"log/slog"

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
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Known = x.known()
			c, err := load(o, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := tryCompile(c, x); err != nil {
				return &ConfigError{err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "configuration is good: %d registries, %d refers, %d services, %d http clients\n",
				len(c.Registries), len(c.Refers), len(c.Services), len(c.HTTPClients))
			return err
		},
	}
	configFlags(cmd.Flags(), &o)
	return cmd
}

// tryCompile builds a snapshot and throws it away.
func tryCompile(c *conf.Config, x Extensions) error {
	k := &compiler{
		extensions: x, pool: new(cluster.Pool), metrics: newMetrics(),
		local: new(registry.Local), localIP: localIP(), log: slog.New(slog.DiscardHandler),
	}
	s, err := k.compile(c)
	if err != nil {
		return err
	}
	s.close()
	return nil
}
