package agent

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

// tailCommand shows the calls of the running agent as they end.
func tailCommand() *cobra.Command {
	var m managementClient
	var service, method, caller string
	var failed bool
	var slow int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the calls of the running agent as they end, as lines of its access log",
		Long: `Show the lines of the access log as they are written, also where only a sample of them is written,
until interrupted. Bodies are not shown.`,
		Example: `  motand tail --failed
  motand tail --service com.example.UserService --slow 100`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"service": service, "method": method, "caller": caller} {
				if value != "" {
					q.Set(key, value)
				}
			}
			if failed {
				q.Set("failed", "1")
			}
			if slow > 0 {
				q.Set("slow", strconv.Itoa(slow))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			body, err := m.open(ctx, http.MethodGet, "/api/v1/tail?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(lineByLine{cmd.OutOrStdout()}, body)
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				err = io.EOF
			}
			return fmt.Errorf("the agent has ended the tail: %w", err)
		},
	}
	m.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&service, "service", "", "calls of this service only")
	f.StringVar(&method, "method", "", "calls of this method only")
	f.StringVar(&caller, "caller", "", "calls of this application only")
	f.BoolVar(&failed, "failed", false, "calls that failed only")
	f.IntVar(&slow, "slow", 0, "calls that took at least so many ms only")
	return cmd
}

// lineByLine keeps what others have written from moving the terminal's cursor. The access log has escaped it already,
// but for its tabs and ends of lines.
type lineByLine struct{ w io.Writer }

// Write writes p but for control characters other than tab and newline; empty lines, which only show that the agent lives, are left out.
func (l lineByLine) Write(p []byte) (int, error) {
	clean := make([]byte, 0, len(p))
	for i, b := range p {
		empty := b == '\n' && (i == 0 || p[i-1] == '\n')
		if !empty && (b >= ' ' && b != 0x7f || b == '\n' || b == '\t') {
			clean = append(clean, b)
		}
	}
	if _, err := l.w.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}
