package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/motand/motand/conf"
)

// configCommand prints a configuration as it counts.
func configCommand(x Extensions) *cobra.Command {
	var o conf.Options
	var output string
	var written bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print a configuration as it counts: every key, its value, and where that comes from",
		Long: `Print every key of a configuration with the value that counts after inheritance, placeholders, flags
and the environment, and the place where it is written. Passwords are not shown. Exit code 0, or 1
and every mistake as file:line:column: message.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"table", "json", "yaml"}, output) {
				return fmt.Errorf("--output is table, json or yaml, not %q", output)
			}
			o.Known = x.known()
			c, err := load(o, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if output == "yaml" {
				_, err := cmd.OutOrStdout().Write(secrets.ReplaceAll(c.YAML, []byte("${1}***")))
				return err
			}
			all := c.Settings()
			if written {
				all = slices.DeleteFunc(all, func(s conf.Setting) bool { return s.Origin == conf.OriginDefault })
			}
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printSettings(cmd.OutOrStdout(), all)
		},
	}
	configFlags(cmd.Flags(), &o)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json, or yaml for the merged files")
	cmd.Flags().BoolVarP(&written, "written", "w", false, "leave out what has its default")
	return cmd
}

func printSettings(w io.Writer, all []conf.Setting) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var text bytes.Buffer
	text.WriteString("KEY\tVALUE\tORIGIN\n")
	for _, s := range all {
		fmt.Fprintf(&text, "%s\t%s\t%s\n", shown(s.Name()), shown(s.Value), s.Origin)
	}
	if _, err := t.Write(text.Bytes()); err != nil {
		return err
	}
	return t.Flush()
}

// schemaCommand prints the form of the configuration for editors.
func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the form of the configuration as JSON Schema, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := conf.Schema()
			if err != nil {
				return fmt.Errorf("schema: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
			return err
		},
	}
}

// diffCommand tells what a configuration would change of the running agent's.
func diffCommand() *cobra.Command {
	var m managementClient
	var file, output string
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Tell what a configuration would change in the running agent",
		Long: `Ask the running agent what it would change: by its own files as they are now, which it would read at
SIGHUP, or by the file of -c. Nothing is changed. Exit code 0: nothing would change; 1: something
would, or the configuration cannot be used, which is told with every mistake; 3: no answer.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var body io.Reader
			if file != "" {
				text, err := readConfigFile(file)
				if err != nil {
					return &ConfigError{err}
				}
				body = bytes.NewReader(text)
			}
			var p proposal
			err := m.ask(cmd.Context(), http.MethodPost, "/api/v1/config/check", body, &p)
			if refused, ok := errors.AsType[*managementError](err); ok && refused.status == http.StatusUnprocessableEntity {
				return &ConfigError{placed{errors.New(refused.text)}}
			}
			if err != nil {
				return err
			}
			if output == "json" {
				err = printJSON(cmd.OutOrStdout(), p)
			} else {
				err = p.print(cmd.OutOrStdout())
			}
			if err == nil && len(p.Changes) > 0 {
				return &exitError{1}
			}
			return err
		},
	}
	m.flags(cmd)
	cmd.Flags().StringVarP(&file, "config", "c", "", "one file to compare with what the agent has in use (default: the agent's own files)")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, or json for scripts")
	return cmd
}

// readConfigFile reads a file of at most maxConfigBody bytes.
func readConfigFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; name one file with -c", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBody+1))
	if err == nil && len(text) > maxConfigBody {
		err = errors.New("larger than 4 MiB")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; name one file with -c", path, err)
	}
	return text, nil
}

func (p *proposal) print(w io.Writer) error {
	var text bytes.Buffer
	for _, line := range p.Warnings {
		fmt.Fprintln(&text, line)
	}
	for _, d := range p.Changes {
		fmt.Fprintln(&text, shown(d.String()))
	}
	switch {
	case len(p.Changes) == 0:
		text.WriteString("nothing would change\n")
	case len(p.Restart) > 0:
		fmt.Fprintf(&text, "a restart is needed for %s; until then they stay as they are\n", strings.Join(p.Restart, ", "))
	}
	_, err := w.Write(text.Bytes())
	return err
}
