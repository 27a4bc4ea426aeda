package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// configStatus is what /api/v1/status tells of the configuration.
type configStatus struct {
	Config struct {
		Refused   int
		LastError string
		Pushed    *struct {
			InUse          bool
			Version, Error string
		}
	}
}

func (d *daemon) configStatus() configStatus {
	d.t.Helper()
	var v configStatus
	status, text := d.get("mgmt", "/api/v1/status")
	if err := json.Unmarshal([]byte(text), &v); status != http.StatusOK || err != nil {
		d.t.Fatalf("/api/v1/status: got %d %s (%v)", status, text, err)
	}
	return v
}

// answers tells whether a call of the service is answered.
func (d *daemon) answers(service string) bool {
	d.t.Helper()
	return !motantest.Dial(d.t, d.addr("motan")).Call(motantest.Request(service, "echo", []byte("x"), "M_g", "demo")).Failed()
}

// TestPushedConfiguration pushes a part of the configuration through ZooKeeper to three agents: a good one reaches all, a bad one
// none, and each says why; a start without ZooKeeper uses the last good one; only {} takes it back.
func TestPushedConfiguration(t *testing.T) {
	server := zktest.Start(t)
	tree := server.Client()
	addr := newProvider(t, "127.0.0.1", echo).listener.Addr().String()
	yaml := strings.Replace(agentYAML, "accessLog: off", "accessLog: off\n  configRegistry: zk\n  runtime_dir: runtime\n  snapshot_dir: snapshot", 1) +
		"motan-registry:\n  zk: " + zkSettings(server.Addr) + "\n  direct: {protocol: direct, address: \"" + addr + "\"}\n"
	agents := make([]*daemon, 3)
	for i := range agents {
		agents[i] = startMotand(t, yaml)
	}
	everywhere := func(what string, is func(d *daemon) bool) {
		t.Helper()
		for _, d := range agents {
			await(t, what, func() bool { return is(d) })
		}
	}
	const node = "/motan/agent/test-app/config"
	for _, path := range []string{"/motan", "/motan/agent", "/motan/agent/test-app"} {
		if _, err := tree.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && err != zk.ErrNodeExists { //nolint:errorlint // the client returns it as it is
			t.Fatal(err)
		}
	}
	good := "motan-refer:\n  pushed: {path: com.example.Pushed, group: demo, registry: direct, requestTimeout: 30000}\n"
	if _, err := tree.Create(node, []byte(good), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	everywhere("the refer that was pushed to be served", func(d *daemon) bool { return d.answers("com.example.Pushed") })
	version := agents[0].configStatus().Config.Pushed.Version

	push := func(text string) {
		t.Helper()
		if _, err := tree.Set(node, []byte(text), -1); err != nil {
			t.Fatal(err)
		}
	}
	push(strings.Replace(good, "requestTimeout", "requestTimeuot", 1) + "motan-refers: {}\n")
	everywhere("the broken one to be refused", func(d *daemon) bool { return d.configStatus().Config.Refused == 1 })
	for _, d := range agents {
		s := d.configStatus().Config
		if s.Pushed == nil || s.Pushed.InUse || s.Pushed.Version == version || !strings.Contains(s.LastError, "zk:"+node+`:3:1: unknown section "motan-refers"`) {
			t.Errorf("got %+v, %+v; want it refused with its place", s, s.Pushed)
		}
		if d.metric("motand_config_reloads_total", "outcome", "refused") != 1 || !d.answers("com.example.Pushed") {
			t.Error("the refusal is not counted, or the one before is not in use any more")
		}
	}
	if err := tree.Delete(node, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Create(node, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	push(good)
	everywhere("the good one to be known again", func(d *daemon) bool {
		p := d.configStatus().Config.Pushed
		return p != nil && p.InUse && p.Version == version
	})

	agents[0].Stop()
	push("{}")
	agents = agents[1:]
	everywhere("what was pushed to be taken back", func(d *daemon) bool { return !d.answers("com.example.Pushed") })
	server.Stop()
	again := launchMotand(newSetup(t), yaml) // a place that has never been pushed to
	await(t, "the agent to serve", func() bool {
		status, _, err := fetch(http.MethodGet, again.url("mgmt", "/healthz"), "")
		return err == nil && status == http.StatusOK
	})
	if again.answers("com.example.Pushed") {
		t.Error("an agent that nothing was ever pushed to has it")
	}
}

// TestPushedConfigurationOverRestart starts an agent without ZooKeeper: what was pushed last and could be used is used.
func TestPushedConfigurationOverRestart(t *testing.T) {
	server := zktest.Start(t)
	tree := server.Client()
	addr := newProvider(t, "127.0.0.1", echo).listener.Addr().String()
	yaml := strings.Replace(agentYAML, "accessLog: off", "accessLog: off\n  configRegistry: zk\n  runtime_dir: runtime\n  snapshot_dir: snapshot", 1) +
		"motan-registry:\n  zk: " + zkSettings(server.Addr) + "\n  direct: {protocol: direct, address: \"" + addr + "\"}\n"
	for _, path := range []string{"/motan", "/motan/agent", "/motan/agent/test-app"} {
		if _, err := tree.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tree.Create("/motan/agent/test-app/config", []byte("motan-refer:\n  pushed: {path: com.example.Pushed, group: demo, registry: direct, requestTimeout: 30000}\n"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	s := newSetup(t)
	d := startMotandIn(s, yaml)
	await(t, "the refer that was pushed to be served", func() bool { return d.answers("com.example.Pushed") })
	var info os.FileInfo
	await(t, "it to be kept", func() bool {
		var err error
		info, err = os.Stat(filepath.Join(s.dir, "runtime", "pushed.yaml"))
		return err == nil
	})
	if info.Mode().Perm() != 0o600 {
		t.Errorf("pushed.yaml: got %v, want it for its owner alone", info.Mode())
	}
	d.Stop()
	server.Stop()
	d = startMotandIn(s, yaml)
	if !d.answers("com.example.Pushed") {
		t.Error("after a start without ZooKeeper the refer is gone")
	}
	if status, _ := d.get("mgmt", "/api/v1/reload"); status == http.StatusOK {
		t.Error("a reload by GET was taken")
	}
	d.Signal(syscall.SIGHUP)
	await(t, "a reload", func() bool { return d.metric("motand_config_reloads_total", "outcome", "taken") == 1 })
	if !d.answers("com.example.Pushed") {
		t.Error("after a reload without ZooKeeper the refer is gone")
	}
}

// TestLastGoodConfiguration breaks the file and starts again.
func TestLastGoodConfiguration(t *testing.T) {
	addr := newProvider(t, "127.0.0.1", echo).listener.Addr().String()
	s := newSetup(t)
	good := filepath.Join(s.dir, "last-good.yaml")
	d := startMotandIn(s, outboundYAML("com.example.Kept", addr), "--last-good", good)
	d.Stop()
	broken := outboundYAML("com.example.Kept", addr) + "motan-refers: {}\n"
	d = startMotandIn(s, broken, "--last-good", good)
	if !d.answers("com.example.Kept") {
		t.Error("the last good configuration is not in use")
	}
	if c := d.configStatus().Config; c.Refused != 1 || !strings.Contains(c.LastError, `unknown section "motan-refers"`) {
		t.Errorf("got %+v, want the broken one refused", c)
	}
	s.configure(outboundYAML("com.example.Mended", addr))
	d.Signal(syscall.SIGHUP)
	await(t, "the mended one to be in use", func() bool { return d.answers("com.example.Mended") })
	if c := d.configStatus().Config; c.LastError != "" {
		t.Errorf("got %+v, want no error any more", c)
	}
	d.Stop()
	d = launchMotand(newSetup(t), broken)
	if code := d.Wait(); code != 1 {
		t.Errorf("without --last-good: got exit code %d, want 1", code)
	}
}
