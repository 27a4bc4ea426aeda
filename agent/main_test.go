package agent

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's clock, its idle workers and connections, and lumberjack's clean-up, have no end of their own.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

// parse reads a configuration whose agent keeps its files in a folder of the test and listens on
// free ports. agentKeys are further lines of motan-agent, rest the other sections.
func parse(t testing.TB, x Extensions, agentKeys, rest string) *conf.Config {
	t.Helper()
	dir := t.TempDir()
	text := "motan-agent:\n  application: test-agent\n  propagationDelay: 0\n" +
		"  log_dir: " + dir + "\n  pidfile: " + filepath.Join(dir, "pid") + "\n" +
		"  runtime_dir: " + filepath.Join(dir, "runtime") + "\n  snapshot_dir: " + filepath.Join(dir, "snapshot") + "\n"
	for line := range strings.Lines(agentKeys) {
		text += "  " + strings.TrimSpace(line) + "\n"
	}
	c, found := conf.Parse("motan.yaml", []byte(text+rest), conf.Options{Known: x.known(), LocalIP: "127.0.0.1"})
	if c == nil {
		t.Fatalf("configuration: %v", found)
	}
	c.Agent.Port, c.Agent.HTTPPort, c.Agent.ManagementPort = 0, 0, 0 // any free ones
	return c
}

// newCompiler is for tests that run no agent.
func newCompiler(t testing.TB, x Extensions) *compiler {
	t.Helper()
	k := &compiler{
		extensions: x, pool: new(cluster.Pool), metrics: newMetrics(),
		local: new(registry.Local), localIP: "127.0.0.1", log: slog.New(slog.DiscardHandler), switches: new(filters.Switches),
	}
	t.Cleanup(k.close)
	return k
}

// request is a call as it comes in, of the service's method with metadata.
func request(service, method string, pairs ...string) *motan.Call {
	c := motan.NewCall()
	c.Request.CopyFrom(motantest.Request(service, method, nil, pairs...))
	return c
}

// do hands c to h and returns it when it has ended.
func do(t testing.TB, h motan.Handler, c *motan.Call) *motan.Call {
	t.Helper()
	motan.Do(h, c)
	t.Cleanup(c.Release)
	return c
}

// freePort is a port that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// running is an agent that serves until the test ends.
type running struct {
	*Agent
	t      testing.TB
	cancel context.CancelFunc
	force  chan struct{}
	ended  chan struct{}
	err    error // what Run returned, after ended
}

// start runs an agent with the configuration.
func start(t testing.TB, c *conf.Config, x Extensions) *running {
	t.Helper()
	a, err := New(c, x)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Agent: a, t: t, cancel: cancel, force: make(chan struct{}), ended: make(chan struct{})}
	go func() { // ends with the test
		r.err = a.Run(ctx, r.force)
		close(r.ended)
	}()
	t.Cleanup(func() {
		cancel()
		_ = r.await() // looked at by tests that care
	})
	return r
}

// await returns what Run returned.
func (r *running) await() error {
	r.t.Helper()
	motantest.Await(r.t, "the agent to stop", func() bool {
		select {
		case <-r.ended:
			return true
		default:
			return false
		}
	})
	return r.err
}

// dial connects to where programs of this host call.
func (r *running) dial() *motantest.Client {
	r.t.Helper()
	return motantest.Dial(r.t, dialable(r.listeners.of("motan")[0]))
}

// call makes calls until one gets past "no nodes known yet".
func (r *running) call(f *motan.Frame) *motan.Frame {
	r.t.Helper()
	client := r.dial()
	var reply *motan.Frame
	motantest.Await(r.t, "nodes to be known", func() bool {
		reply = client.Call(f)
		x, failed := reply.Exception()
		return !failed || x.Code != motan.CodeNoEndpoints
	})
	return reply
}
