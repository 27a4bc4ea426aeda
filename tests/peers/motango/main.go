// Command motango runs the three parts of motan-go v1.2.0 as separate processes: its server, its client
// and its agent. The interop tests and the bench talk to it over the network; nothing of motand imports
// it, and it imports nothing of motand. It only chooses motan-go's parameters and adds no protocol of its
// own, so that what is seen on the wire is motan-go's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Exit codes of motango.
const (
	exitOK        = 0 // an answer without exception, or stopped as asked
	exitException = 1 // client: the answer is an exception, or no answer came
	exitUsage     = 2 // wrong flags or arguments, cannot listen
)

const usage = `usage: motango server|client|agent [flags]

  server   serve one service over Motan2 (motan-go's server)
  client   make one call and print the answer as a line of JSON (motan-go's client)
  agent    run motan-go's agent with its own flags (-c, -port, -eport, -hport, -mport, ...)

'motango server -h' and 'motango client -h' list the flags.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the subcommand named by args[0] and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "server":
		return serverMain(args[1:], stdout, stderr)
	case "client":
		return clientMain(args[1:], stdout, stderr)
	case "agent":
		return agentMain(args[1:], stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	default:
		fmt.Fprintf(stderr, "motango: unknown subcommand %q\n%s", args[0], usage)
		return exitUsage
	}
}

// parse reads args into flags; exit is the code to end with when done is true. The flag package has
// already written the message.
func parse(flags *flag.FlagSet, args []string) (exit int, done bool) {
	switch err := flags.Parse(args); {
	case err == nil:
		return exitOK, false
	case errors.Is(err, flag.ErrHelp):
		return exitOK, true
	default:
		return exitUsage, true
	}
}
