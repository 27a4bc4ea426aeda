// Command motand is the RPC mesh agent of a host. See package agent.
package main

import (
	"os"

	"github.com/motand/motand/agent"
)

func main() {
	os.Exit(agent.Main(os.Args[1:], agent.Default()))
}
