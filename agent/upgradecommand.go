package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/motand/motand/conf"
)

func upgradeCommand(x Extensions) *cobra.Command {
	var o conf.Options
	var r upgradeRequest
	var dir string
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Have another binary take the place of the running agent",
		Long: `Have the running agent start the file that it was started from, as it is now, and hand everything over
to it: listening sockets, established connections, what it is told and announces. No call is lost, and
callers keep their connections. When the new process does not become ready, the old one goes on. SIGUSR2
does the same. Exit code 0 when the new process serves, 1 for a wrong command line, 3 when the old one
goes on.`,
		Example: `  motand upgrade -c /etc/motand/motan.yaml
  motand upgrade --runtime-dir /run/motand --binary /opt/motand-1.3/motand`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				o.Known = x.known()
				c, err := load(o, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				dir = c.Agent.RuntimeDir
			}
			if r.Binary != "" {
				path, err := exec.LookPath(r.Binary)
				if err == nil {
					path, err = filepath.Abs(path)
				}
				if err != nil {
					return &ConfigError{fmt.Errorf("upgrade: --binary: %w", err)}
				}
				r.Binary = path
			}
			pid, err := askUpgrade(filepath.Join(dir, controlFile), r)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "upgraded: process %d serves\n", pid)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.Path, "config", "c", "", "configuration of the agent, which names its runtime_dir (default ./motan.yaml)")
	f.StringVar(&o.Application, "application", "", "application, for a configuration folder")
	f.StringVar(&o.Pool, "pool", "", "pool (application-idc-level), for a configuration folder")
	f.StringVar(&dir, "runtime-dir", "", "runtime_dir of the agent, instead of -c")
	f.StringVar(&r.Binary, "binary", "", "file to run (default: the one that the agent was started from)")
	f.DurationVarP(&r.Wait, "timeout", "t", defaultWait, "how long the new process may take to be ready")
	configEnvironment(&o)
	return cmd
}

// askUpgrade asks the agent at the socket, and returns the process that serves from then on.
func askUpgrade(path string, r upgradeRequest) (pid int, err error) {
	conn, err := net.DialTimeout("unix", path, controlTime)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return 0, fmt.Errorf("no agent answers at %s: does it run, with this runtime_dir? %w", path, err)
	case err != nil:
		return 0, err
	}
	defer func() { _ = conn.Close() }() // nothing is left to be written
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return 0, fmt.Errorf("ask the agent: %w", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(r.Wait + upgradeTime)); err != nil {
		return 0, err
	}
	var a controlAnswer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return 0, fmt.Errorf("the agent has not said how the upgrade went, its log does: %w", err)
	}
	if a.Error != "" {
		return 0, errors.New(a.Error)
	}
	return a.PID, nil
}
