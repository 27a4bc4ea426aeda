package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// callOptions are the flags of motand call.
type callOptions struct {
	addr, group, version string
	timeout              time.Duration
	meta                 []string
}

func callCommand() *cobra.Command {
	var o callOptions
	cmd := &cobra.Command{
		Use:   "call SERVICE METHOD [ARGUMENTS]",
		Short: "Make one Motan call and print the answer as JSON",
		Long: `Make one Motan call through the agent of this host, or straight to a node with --addr, and print
the answer as JSON. ARGUMENTS is a JSON array, one argument that is not an array, or - to read
it from standard input. Exit code 0 for an answer, 1 for a wrong command line, 3 for an error,
which is printed as JSON.`,
		Example: `  motand call com.example.HelloService hello '["world"]'
  motand call --addr 10.0.0.1:8002 --group demo com.example.HelloService hello '["world"]'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return fmt.Errorf("call needs SERVICE METHOD [ARGUMENTS], got %d words; the arguments are one word in quotes: '[\"world\", 1]'", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			arguments := ""
			if len(args) == 3 {
				arguments = args[2]
			}
			if err := o.check(args[0], args[1]); err != nil {
				return &ConfigError{err}
			}
			return call(cmd.OutOrStdout(), o, args[0], args[1], arguments)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:9981", "agent or node to call: host:port or unix:///path")
	f.StringVarP(&o.group, "group", "g", "", "group (M_g); needed for a node, and where the agent refers to several")
	f.StringVar(&o.version, "version", "", "version (M_v)")
	f.DurationVarP(&o.timeout, "timeout", "t", 5*time.Second, "how long to wait")
	f.StringArrayVarP(&o.meta, "meta", "m", nil, "further metadata as key=value; may be repeated")
	return cmd
}

// check refuses what cannot be called.
func (o *callOptions) check(service, method string) error {
	switch _, _, err := net.SplitHostPort(o.addr); {
	case service == "" || method == "":
		return errors.New("SERVICE and METHOD must not be empty")
	case o.timeout <= 0:
		return fmt.Errorf("--timeout must be more than 0, such as 2s; got %s", o.timeout)
	case err != nil && !strings.HasPrefix(o.addr, "unix:///"):
		return fmt.Errorf("--addr must be host:port or unix:///path, such as 127.0.0.1:9981; got %q", o.addr)
	}
	return nil
}

func call(w io.Writer, o callOptions, service, method, arguments string) error {
	if arguments == "-" {
		all, err := io.ReadAll(io.LimitReader(os.Stdin, 10<<20))
		if err != nil {
			return fmt.Errorf("read the arguments: %w", err)
		}
		arguments = string(all)
	}
	body, err := simple.AppendJSONArgs(nil, []byte(arguments))
	if err != nil {
		return fmt.Errorf("arguments: %w; write a JSON array such as '[\"world\", 1]'", err)
	}
	c := motan.NewCall()
	defer c.Release()
	q := &c.Request
	q.SetSerialization(motan.SerializeSimple)
	q.SetInt("M_rid", time.Now().UnixNano()) // seen in the logs of every host on the way
	for _, pair := range append([]string{"M_p=" + service, "M_m=" + method, "M_g=" + o.group, "M_v=" + o.version, "M_pp=motan2"}, o.meta...) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("--meta %q is not key=value", pair)
		}
		q.Set(key, value)
	}
	q.SetBody(body)
	c.Deadline = motan.Now() + int64(o.timeout)
	conn := motan.NewConn(o.addr, motan.ConnOptions{ConnectTimeout: o.timeout})
	defer conn.Close()
	motan.Do(conn, c)
	if c.Err != nil {
		fmt.Fprintf(os.Stderr, "motand: call %s: %v%s\n", o.addr, c.Err, o.hint(c.Err))
	}
	return printAnswer(w, c)
}

// hint is what to do about an err that is about the connection and not about the call.
func (o *callOptions) hint(err *motan.Error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return "; nothing listens there: is the agent running? --addr names another agent or a node"
	case err.Kind == motan.KindTimeout:
		return fmt.Sprintf("; it was asked for %s, --timeout waits longer", o.timeout)
	case err.Kind == motan.KindBroken:
		return "; does it speak Motan there? Of the agent's ports, 9981 does for programs here, 9982 for other hosts"
	}
	return ""
}

func printAnswer(w io.Writer, c *motan.Call) error {
	if c.Err != nil {
		return printException(w, c.Err.Exception())
	}
	if x, ok := c.Reply.Exception(); ok {
		return printException(w, x)
	}
	if err := c.Reply.Inflate(10 << 20); err != nil {
		return err
	}
	body := c.Reply.Body()
	if n := c.Reply.Serialization(); n != motan.SerializeSimple && len(body) > 0 {
		return fmt.Errorf("the answer has serialization %d, only simple (6) can be shown; %d bytes: %x", n, len(body), body[:min(len(body), 64)])
	}
	text := []byte("null")
	if len(body) > 0 {
		var err error
		if text, err = simple.AppendJSONValue(nil, body); err != nil {
			return fmt.Errorf("show the answer: %w", err)
		}
	}
	_, err := w.Write(append(bytes.TrimSpace(text), '\n'))
	return err
}

func printException(w io.Writer, x motan.Exception) error {
	if _, err := fmt.Fprintln(w, string(x.AppendJSON(nil))); err != nil {
		return err
	}
	return &exitError{code: 3}
}
