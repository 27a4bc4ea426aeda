package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
)

// gate is a provider that keeps the calls of method hold until it is opened, and answers all others
// at once with their own body.
type gate struct {
	mu   sync.Mutex
	held []*motan.Call // guarded by mu
	open bool          // guarded by mu
}

func (g *gate) Handle(c *motan.Call) {
	c.Reply.Serialize = c.Request.Serialize
	c.Reply.SetBody(append([]byte(nil), c.Request.Body()...))
	g.mu.Lock()
	if string(c.Request.Method()) == "hold" && !g.open {
		c.Batch = nil
		g.held = append(g.held, c)
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	c.End()
}

// release answers what is held; nothing is held from then on.
func (g *gate) release() {
	g.mu.Lock()
	held := g.held
	g.held, g.open = nil, true
	g.mu.Unlock()
	for _, c := range held {
		c.End()
	}
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.held)
}

// gated runs an agent that exports a gate and refers to it, so that each call goes through both
// directions. r is the registry outside, where the service is announced as well.
func gated(t *testing.T, agentKeys string, r *recorder) (*running, *gate) {
	t.Helper()
	g := new(gate)
	x := withRecorder(r)
	x.Providers["gate"] = func(*conf.Service, ProviderEnv) (motan.Handler, func(), error) { return g, nil, nil }
	c := parse(t, x, agentKeys, recorderYAML+
		"motan-refer:\n  r: {path: svc, group: g, registry: inside, requestTimeout: 9000}\n"+
		"motan-service:\n  s: {path: svc, group: g, provider: gate, registry: \"inside,outside\", available: auto}\n")
	c.Services[0].Export.Port = freePort(t)
	a := start(t, c, x)
	t.Cleanup(g.release) // comes before the agent's clean-up, which waits for calls
	return a, g
}

func frame(method, body string) *motan.Frame {
	text, err := simple.Append(nil, body)
	if err != nil {
		panic(err) // strings can be written
	}
	f := motantest.Request("svc", method, text)
	f.Set("M_g", "g")
	return f
}

// A call of each kind goes in and comes out: Motan and HTTP in, through the export port, to the provider.
func TestCallThrough(t *testing.T) {
	a, _ := gated(t, "", new(recorder))
	f := frame("echo", "ping")
	reply := a.call(f)
	if x, failed := reply.Exception(); failed || string(reply.Body()) != string(f.Body()) {
		t.Fatalf("got %+v %q, want the body back", x, reply.Body())
	}
	meta := motantest.Metadata(reply)
	if meta["x-forwarded-for"] != "127.0.0.1:"+strconv.Itoa(a.snapshot.Load().ports[0]) || meta["M_pt"] == "" {
		t.Errorf("got %v, want the node and the time", meta)
	}
	url := "http://" + a.listeners.of("http")[0].Addr().String() + "/rpc/svc/echo"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`["over HTTP"]`))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "over HTTP") {
		t.Errorf("got %d %q (%v), want over HTTP", answer.StatusCode, body, err)
	}
	if x, _ := a.dial().Call(motantest.Request("nobody", "m", nil)).Exception(); x.Code != 400 {
		t.Errorf("unknown service: got %+v, want 400", x)
	}
}

// At the end nothing is lost: what is in flight is finished, programs that go on calling are
// answered meanwhile, services of this host included, and Run returns nil.
func TestDrain(t *testing.T) {
	a, g := gated(t, "", new(recorder))
	a.call(frame("echo", "warm"))
	busy := a.dial()
	held := frame("hold", "held")
	held.ID = 7
	busy.Send(held)
	motantest.Await(t, "the call at the provider", func() bool { return g.waiting() == 1 })
	a.cancel()
	motantest.Await(t, "the drain", a.stopping.Load)
	motantest.Await(t, "the withdrawal", func() bool { return a.announcer.set(true) != nil })
	for id := uint64(100); id < 120; id++ {
		f := frame("echo", "while stopping")
		f.ID = id
		busy.Send(f)
		reply := busy.Receive()
		if x, failed := reply.Exception(); failed || reply.ID != id {
			t.Fatalf("call while stopping: got id %d and %+v, want %d answered", reply.ID, x, id)
		}
	}
	select {
	case <-a.ended:
		t.Fatal("stopped with a call in flight")
	default:
	}
	g.release()
	if reply := busy.Receive(); reply.ID != 7 || string(reply.Body()) != string(held.Body()) {
		t.Errorf("got id %d and %q, want the held call's answer", reply.ID, reply.Body())
	}
	busy.AwaitClose()
	if err := a.await(); err != nil || ExitCode(err) != 0 {
		t.Errorf("got %v, want nil", err)
	}
	if _, err := net.Dial("tcp", a.listeners.of("motan")[0].Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

// A second signal ends the drain at once, and so does the end of the grace period; what was in
// flight is cut off, and said to be.
func TestDrainEnds(t *testing.T) {
	tests := []struct {
		name, keys string
		force      bool
	}{
		{"forced", "gracePeriod: 600000", true},
		{"grace period", "gracePeriod: 50", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, g := gated(t, tt.keys, new(recorder))
			a.call(frame("echo", "warm"))
			busy := a.dial()
			busy.Send(frame("hold", "held"))
			motantest.Await(t, "the call at the provider", func() bool { return g.waiting() == 1 })
			a.cancel()
			motantest.Await(t, "the drain", a.stopping.Load)
			if tt.force {
				close(a.force)
			}
			if err := a.await(); err != nil {
				t.Errorf("got %v, want nil", err)
			}
			busy.AwaitClose()
			log, err := os.ReadFile(a.snapshot.Load().config.Agent.LogDir + "/motand.log")
			if err != nil || !strings.Contains(string(log), "cut off") {
				t.Errorf("log: got %q (%v), want it to say that calls were cut off", log, err)
			}
		})
	}
}

// Others are told first: when the registry is left every port still answers.
func TestWithdrawComesFirst(t *testing.T) {
	r := new(recorder)
	var a *running
	problem := "the registry was never left"
	r.onClose = func() {
		problem = ""
		for _, l := range append(a.listeners.of("motan"), a.listeners.of("export")...) {
			conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			if err != nil {
				problem = err.Error()
				continue
			}
			_ = conn.Close()
		}
		if len(a.compiler.local.Nodes()) != 1 {
			problem = "programs here do not find the service any more"
		}
	}
	a, _ = gated(t, "", r)
	a.call(frame("echo", "warm"))
	if nodes := r.Announced(); len(nodes) != 1 || !nodes[0].Available {
		t.Fatalf("announced: got %v, want the service", nodes)
	}
	a.cancel()
	if err := a.await(); err != nil {
		t.Error(err)
	}
	if problem != "" {
		t.Error(problem)
	}
	if len(r.Announced()) != 0 {
		t.Errorf("still announced: %v", r.Announced())
	}
}

// A listener that ends by itself ends the agent, in order and with an error.
func TestListenerFails(t *testing.T) {
	a, _ := gated(t, "", new(recorder))
	a.call(frame("echo", "warm"))
	_ = a.listeners.of("motan")[0].Close()
	err := a.await()
	if err == nil || !strings.Contains(err.Error(), "motan listener ended") || ExitCode(err) != 3 {
		t.Errorf("got %v and exit code %d, want the listener and 3", err, ExitCode(err))
	}
}

// When the start fails half-way nothing stays behind: no port, no pid file, no session.
func TestRunThatFails(t *testing.T) {
	watching := "motan-refer:\n  r: {path: svc, group: g, registry: outside}\n"
	service := "motan-service:\n  s: {path: own, group: g, provider: demo, registry: inside}\n"
	tests := []struct {
		name   string
		change func(c *conf.Config, r *recorder)
		want   string
		code   int
	}{
		{"watch", func(_ *conf.Config, r *recorder) { r.refuse = errors.New("bad name") }, "refer r: bad name", 3},
		{"pid file", func(c *conf.Config, _ *recorder) { c.Agent.PIDFile = "/dev/null/pid" }, "/dev/null", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := new(recorder)
			x := withRecorder(r)
			c := parse(t, x, "", recorderYAML+watching+service)
			c.Services[0].Export.Port = freePort(t)
			tt.change(c, r)
			a := start(t, c, x)
			err := a.await()
			if err == nil || !strings.Contains(err.Error(), tt.want) || ExitCode(err) != tt.code {
				t.Errorf("got %v and exit code %d, want %s and %d", err, ExitCode(err), tt.want, tt.code)
			}
			for _, l := range []net.Listener{a.listeners.of("motan")[0], a.listeners.of("http")[0], a.listeners.of("management")[0]} {
				if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
					t.Errorf("%s is still open", l.Addr())
				}
			}
			if _, err := os.Stat(c.Agent.PIDFile); err == nil {
				t.Error("the pid file is still there")
			}
		})
	}
}

func TestPIDFile(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		a, _ := gated(t, "", new(recorder))
		path := a.snapshot.Load().config.Agent.PIDFile
		a.call(frame("echo", "warm"))
		if text, err := os.ReadFile(path); err != nil || string(text) != strconv.Itoa(os.Getpid()) {
			t.Errorf("got %q (%v), want %d", text, err, os.Getpid())
		}
		if foreign { // a successor has written its own
			if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a.cancel()
		if err := a.await(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); (err == nil) != foreign {
			t.Errorf("pid file there after the end: got %t, want %t", err == nil, foreign)
		}
	}
}

// New opens everything or nothing.
func TestNewWithATakenPort(t *testing.T) {
	l, port := tcp(t)
	defer l.Close()
	c := parse(t, Default(), "", "")
	c.Agent.HTTPPort = port
	a, err := New(c, Default())
	if a != nil || ExitCode(err) != 2 {
		t.Errorf("got %v, %v, want no agent and exit code 2", a, err)
	}
}

// Stopping before anything came is quick and in order.
func TestStopAtOnce(t *testing.T) {
	c := parse(t, Default(), "", demoYAML)
	c.Services[0].Export.Port = freePort(t)
	a, err := New(c, Default())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx, nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
