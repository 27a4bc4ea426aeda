package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/spf13/cobra"
)

// switchCommand shows and sets the switches of the running agent.
func switchCommand() *cobra.Command {
	var m managementClient
	var output string
	cmd := &cobra.Command{
		Use:   "switch [NAME [VALUE]]",
		Short: "Show the switches of the running agent, or set one",
		Long: `Show all switches, or one, or set one: true, false, a share of the calls as 30%, each of them for some
applications as in "30% for shop-web,shop-app". What is set by hand is kept over restarts until the
configuration says something else.`,
		Example: `  motand switch
  motand switch users.degrade true
  motand switch users.degrade "10% for shop-web"`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				body, err := json.Marshal(map[string]string{args[0]: args[1]})
				if err != nil {
					return fmt.Errorf("switch: %w", err)
				}
				all := map[string]string{}
				if err := m.ask(cmd.Context(), http.MethodPut, "/api/v1/switches", bytes.NewReader(body), &all); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", shown(args[0]), all[args[0]])
				return err
			}
			all := map[string]string{}
			if err := m.ask(cmd.Context(), http.MethodGet, "/api/v1/switches", nil, &all); err != nil {
				return err
			}
			if len(args) == 1 {
				value, ok := all[args[0]]
				if !ok {
					return fmt.Errorf("there is no switch %q; motand switch lists them", args[0])
				}
				all = map[string]string{args[0]: value}
			}
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), all)
			}
			table(cmd.OutOrStdout(), "SWITCH\tVALUE", func(row func(...any)) {
				for _, name := range slices.Sorted(maps.Keys(all)) {
					row(shown(name), shown(all[name]))
				}
			})
			return nil
		},
	}
	m.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, or json for scripts")
	return cmd
}
