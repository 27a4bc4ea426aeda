package agent_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/motand/motand/agent"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// greeter is a filter of one's own: it tells every answer that comes back.
type greeter struct{ greeting string }

func (g greeter) Request(*motan.Call) motan.Verdict { return motan.Next }

func (g greeter) Reply(c *motan.Call) {
	if c.Err == nil {
		fmt.Println(g.greeting, c.Service, "answered")
	}
}

// newGreeter reads the setting of the filter from the entry that it stands in.
func newGreeter(s filters.Settings) (motan.Filter, error) {
	return greeter{s.Params["greeting"]}, nil
}

// A motand with a filter of one's own is a main of a few lines:
//
//	func main() {
//		x := agent.Default()
//		x.Filters["greeter"] = filters.Entry{Position: filters.Cluster, New: newGreeter}
//		os.Exit(agent.Main(os.Args[1:], x))
//	}
//
// Here the same tables make an agent in this process, which calls a service of its own.
func Example() {
	x := agent.Default()
	x.Filters["greeter"] = filters.Entry{Position: filters.Cluster, New: newGreeter}

	dir, err := os.MkdirTemp("", "motand")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the system's folder for such
	socket := filepath.Join(dir, "motan.sock")
	c, problems := conf.Parse("motan.yaml", fmt.Appendf(nil, `
motan-agent:
  unixSock: %[1]s
  managementUnixSock: %[2]s/management.sock
  httpProxyEnable: false
  pidfile: %[2]s/pid
  runtime_dir: %[2]s
  log_dir: %[2]s
motan-registry:
  inside: {protocol: local}
motan-refer:
  demo: {path: com.example.Demo, group: demo, registry: inside, filter: greeter, greeting: Hurrah!}
motan-service:
  demo: {path: com.example.Demo, group: demo, registry: inside, provider: demo, export: "motan2:%[3]d"}
`, socket, dir, freePort()), conf.Options{Known: conf.Known{Filters: []string{"greeter"}, Providers: []string{"demo"}}})
	if c == nil {
		fmt.Println(problems)
		return
	}
	a, err := agent.New(c, x)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	ended := make(chan error)
	go func() { ended <- a.Run(ctx, nil) }() // ends with stop

	conn := motan.NewConn("unix://"+socket, motan.ConnOptions{})
	for ctx.Err() == nil {
		if hello(conn) { // the agent has heard of its own service
			break
		}
	}
	conn.Close()
	stop()
	fmt.Println("stopped:", <-ended)
	// Output:
	// Hurrah! com.example.Demo answered
	// stopped: <nil>
}

// hello makes a call and reports whether it was answered.
func hello(conn *motan.Conn) bool {
	c := motan.NewCall()
	defer c.Release()
	c.Request.Set("M_p", "com.example.Demo")
	c.Request.Set("M_m", "hello")
	c.Request.SetSerialization(motan.SerializeSimple)
	c.Deadline = c.Start + int64(time.Second)
	motan.Do(conn, c)
	return c.Err == nil && !c.Reply.Failed()
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
