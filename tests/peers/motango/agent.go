package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	motan "github.com/weibocom/motan-go"
)

// agentMain runs motan-go's agent. It parses its flags from the global set, looks for "-log_dir" in
// os.Args and names its log files after os.Args[0], so only the subcommand is taken out of os.Args.
// The agent handles no signal: it ends when the process is killed, or at once when its configuration
// does not parse. It writes agent.pid, agent_runtime, snapshot and its logs into the working directory
// unless the YAML file names other places.
func agentMain(args []string, stderr io.Writer) int {
	os.Args = append(os.Args[:1:1], args...)
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(stderr, "motango agent: unexpected argument %q\n", flag.Arg(0))
		return exitUsage
	}
	agent := motan.NewAgent(nil)
	agent.ConfigFile = flag.Lookup("c").Value.String()
	agent.StartMotanAgent()
	// motan-go prints why it could not start, or logs it, and returns.
	fmt.Fprintln(stderr, "motango agent: motan-go's agent returned, see its messages above and its log")
	return exitUsage
}
