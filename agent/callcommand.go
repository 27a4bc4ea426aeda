package agent

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
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
it from standard input. Exit code 0 for an answer, 3 for an error, which is printed as JSON.`,
		Example: `  motand call com.example.HelloService hello '["world"]'
  motand call --addr 10.0.0.1:8002 --group demo com.example.HelloService hello '["world"]'`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			arguments := ""
			if len(args) == 3 {
				arguments = args[2]
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
		return fmt.Errorf("arguments: %w", err)
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
	return printAnswer(w, c)
}

func printAnswer(w io.Writer, c *motan.Call) error {
	if c.Err != nil {
		return printException(w, c.Err.Exception(), c.Err)
	}
	if x, ok := c.Reply.Exception(); ok {
		return printException(w, x, nil)
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

func printException(w io.Writer, x motan.Exception, cause error) error {
	if _, err := fmt.Fprintln(w, string(x.AppendJSON(nil))); err != nil {
		return err
	}
	if cause != nil {
		fmt.Fprintln(os.Stderr, "motand: "+cause.Error())
	}
	return &exitError{code: 3}
}
