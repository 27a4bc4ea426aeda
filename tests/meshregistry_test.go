package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// meshRequest is what a program whose registry is the agent sends.
func meshRequest(path, group, port, registry string, params ...string) string {
	var more strings.Builder
	for i := 0; i+1 < len(params); i += 2 {
		fmt.Fprintf(&more, ",%q:%q", params[i], params[i+1])
	}
	return fmt.Sprintf(`{"protocol":"motan2","host":"10.0.0.9","port":%s,"path":%q,"group":%q,"parameters":{"proxyRegistry":%q%s}}`, port, path, group, registry, more.String())
}

// motangoMeshYAML is read by motan-go and by motand.
const motangoMeshYAML = `
motan-agent:
  port: {{.motan}}
  eport: {{.export}}
  hport: {{.http}}
  mport: {{.mgmt}}
  application: test-app
  log_dir: "."
  runtime_dir: runtime
  registry: one
motan-registry:
  one: {protocol: direct, host: 127.0.0.1, port: 21999}
  two: {protocol: direct, host: 127.0.0.1, port: 21998}
motan-refer:
  known: {path: com.example.Known, group: g, protocol: motan2, registry: one}
motan-service:
  own: {path: com.example.Own, group: g, protocol: motan2, registry: one, export: "motan2:{{.export}}", provider: motan2, proxy: "motan2:21100"}
`

// TestMeshAsMotango sends the same requests to motan-go's agent and to motand, and compares the answers.
func TestMeshAsMotango(t *testing.T) {
	theirs := newSetup(t)
	p := startProcess(t, "motango agent", theirs.dir, motango(t), "agent", "-c", theirs.configure(motangoMeshYAML), "-localIP", "127.0.0.1")
	await(t, "motan-go's agent to be up", func() bool {
		if !p.Running() {
			t.Fatalf("motan-go ended: %s", p.Output())
		}
		_, _, err := fetch(http.MethodGet, "http://"+theirs.addr("mgmt")+"/registry/info", "")
		return err == nil
	})
	ours := startMotandUp(t, newSetup(t), motangoMeshYAML)

	const one = "direct://127.0.0.1:21999"
	dynamic := meshRequest("com.example.Dyn", "g1", "21100", one, "filter", "accessLog,af_metrics", "requestTimeout", "500")
	subscription := `{"protocol":"motan2","host":"1.2.3.4","port":5,"path":"com.example.Sub","group":"g","parameters":{"proxyRegistryUrlString":"direct%3A%2F%2F127.0.0.1%3A21998%2Fx%3Fa%3Db"}}`
	steps := []struct{ path, body string }{
		{"/registry/info", ""},
		{"/registry/list", ""},
		{"/registry/status", ""},
		{"/registry/register", dynamic},
		{"/registry/register", dynamic},
		{"/registry/list", ""},
		{"/registry/register", "nonsense"},
		{"/registry/register", ""},
		{"/registry/register", "null"},
		{"/registry/register", `{"protocol":"motan2","path":"x","group":"g"}`},
		{"/registry/subscribe", subscription},
		{"/registry/subscribe", subscription},
		{"/registry/subscribe", `{"protocol":"motan2","path":"x","group":"g","parameters":{"proxyRegistryUrlString":"zookeeper%3A%2F%2F127.0.0.1%3A21998"}}`},
		{"/registry/subscribe", `{"protocol":"motan2","port":"7","path":"x","group":"g"}`},
		{"/registry/subscribe", `{"path":{}}`},
		{"/registry/unregister", `{"path":7}`},
		{"/registry/unregister", dynamic},
		{"/registry/list", ""},
		{"/getReferService", ""},
	}
	for _, s := range steps {
		want := askPlain(t, theirs, s.path, s.body)
		got := askPlain(t, ours.setup, s.path, s.body)
		if s.path == "/registry/status" { // motan-go does not know; motand does
			want = strings.Replace(want, "null", `[{"group":"g","service":"com.example.Own","registry":"one","status":"unregister-success","errMsg":"","isCheck":true}]`, 1)
		}
		if inOrder(got) != inOrder(want) {
			t.Errorf("%s %s:\ngot  %s\nwant %s", s.path, s.body, got, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(theirs.dir, "runtime", "registry.snap"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(ours.dir, "runtime", "registry.snap"))
	if err != nil || ours.plain(string(kept)) != theirs.plain(string(text)) {
		t.Errorf("registry.snap:\ngot  %s (%v)\nwant %s", kept, err, text)
	}
}

// askPlain is status, content type and body of an answer, with the agent's own ports by their names.
func askPlain(t *testing.T, s *setup, path, body string) string {
	t.Helper()
	a := ask(t, http.MethodPost, "http://"+s.addr("mgmt")+path, body)
	return fmt.Sprintf("%d %s %s", a.status, a.header.Get("Content-Type"), s.plain(a.body))
}

var namedServices = regexp.MustCompile(`(\{"name":[^{}]*\},?)+`)

// inOrder is text with the services of /getReferService by their names: motan-go tells them in the order of a map.
func inOrder(text string) string {
	return namedServices.ReplaceAllStringFunc(text, func(list string) string {
		all := strings.SplitAfter(strings.TrimSuffix(list, ","), "},")
		all[len(all)-1] += ","
		slices.Sort(all)
		return strings.Join(all, "")
	})
}

var ipAddress = regexp.MustCompile(`"host":"[0-9.]+"`)

// plain is text with the ports of s by their names and hosts by none.
func (s *setup) plain(text string) string {
	for name, port := range s.ports {
		text = strings.ReplaceAll(text, fmt.Sprint(port), name)
	}
	return ipAddress.ReplaceAllString(text, `"host":"ip"`)
}

// TestMeshOverZooKeeper has a program register its service with one motand and another subscribe to it at
// another; the first motand is killed, comes back and still knows.
func TestMeshOverZooKeeper(t *testing.T) {
	server := zktest.Start(t)
	z := tree{t, server.Client()}
	zk := "zookeeper://" + server.Addr
	provider := motantest.NewServer(t, bodyBack)
	yaml := strings.Replace(agentYAML, "accessLog: off", "accessLog: off\n  runtime_dir: runtime\n  snapshot_dir: snapshot\n  recover: true", 1) +
		"motan-registry:\n  zk: {protocol: zookeeper, address: \"" + server.Addr + "\", registrySessionTimeout: 4}\n"
	s := newSetup(t)
	host, caller := startMotandUp(t, s, yaml), startMotandUp(t, newSetup(t), yaml)
	post := func(d *daemon, verb, body string) {
		t.Helper()
		if a := ask(t, http.MethodPost, d.url("mgmt", "/registry/"+verb), body); a.status != http.StatusOK || a.body != `{"code":200,"message":"ok"}` {
			t.Fatalf("%s: got %d %s", verb, a.status, a.body)
		}
	}
	node := host.addr("export")
	echo := func() bool { return caller.rpc(echoService, "echo", `["x"]`).status == http.StatusOK }
	registration := meshRequest(echoService, "demo", portOf(provider.Addr()), zk, "version", "1.0", "serialization", "simple")
	host.get("mgmt", "/200")
	post(host, "register", registration)
	z.awaitNode(node, "server") // at once, since everything is in use
	post(caller, "subscribe", meshRequest(echoService, "demo", "0", zk))
	await(t, "the service to be called", echo)

	host.Signal(syscall.SIGKILL)
	host.Wait()
	host = startMotandUp(t, s, yaml)
	await(t, "the service to be called after the kill", echo)
	z.awaitNode(node, "server")
	host.get("mgmt", "/503")
	z.awaitNode(node, "unavailableServer")
	host.Signal(syscall.SIGKILL)
	host.Wait()
	host = startMotandUp(t, s, yaml)
	z.awaitNode(node, "unavailableServer")
	host.get("mgmt", "/200")
	z.awaitNode(node, "server")
	post(host, "unregister", registration)
	z.awaitNode(node, "")
}

// TestMeshOfMotango has motan-go's own libraries find each other through two agents: its server registers with one, its client
// subscribes at the other and calls.
func TestMeshOfMotango(t *testing.T) {
	server := zktest.Start(t)
	yaml := agentYAML + "motan-registry:\n  zk: {protocol: zookeeper, address: \"" + server.Addr + "\", registrySessionTimeout: 4}\n"
	host, caller := startMotandUp(t, newSetup(t), yaml), startMotandUp(t, newSetup(t), yaml)
	host.get("mgmt", "/200")
	behind := func(d *daemon) string {
		return "mesh://" + d.addr("mgmt") + "?proxyRegistry=" + url.QueryEscape("zookeeper://"+server.Addr)
	}
	startMotango(t, "server", "-port", strconv.Itoa(freePort(t)), "-registry", behind(host))
	z := tree{t, server.Client()}
	await(t, "the agent to announce the service of motan-go's server", func() bool {
		return len(z.children("/motan/demo/com.example.Echo/server")) == 1
	})
	if names := z.children("/motan/demo/com.example.Echo/server"); names[0] != host.addr("export") {
		t.Errorf("announced: got %q, want the agent's %s", names, host.addr("export"))
	}
	call := func() (string, error) {
		said, err := exec.CommandContext(t.Context(), motango(t), "client", "-registry", behind(caller), `"hello"`).Output()
		return string(said), err
	}
	last := ""
	defer func() { t.Logf("motan-go's client last said %q", last) }()
	await(t, "motan-go's client to be answered", func() bool { // its first call comes before the agent knows the nodes
		said, err := call()
		last = said
		return err == nil && strings.Contains(said, `"value":"hello"`)
	})
}

// TestReload changes the file under calls and says so by SIGHUP; a broken one changes nothing.
func TestReload(t *testing.T) {
	first, second := motantest.NewServer(t, bodyBack), motantest.NewServer(t, bodyBack)
	yaml := func(addr, more string) string {
		return agentYAML + "motan-registry:\n  there: {protocol: direct, address: \"" + addr + "\"}\n" +
			"motan-refer:\n  echo: {path: com.example.Echo, group: demo, registry: there, requestTimeout: 20000}\n" + more
	}
	s := newSetup(t)
	d := startMotandIn(s, yaml(first.Addr(), ""))
	c := d.dial("motan")
	reload := func(text string, taken, refused float64) {
		t.Helper()
		s.configure(text)
		d.Signal(syscall.SIGHUP)
		await(t, "the reload", func() bool {
			if c.Call(motantest.Request(echoService, "echo", []byte{0}, "M_g", "demo")).Failed() {
				t.Error("a call failed")
			}
			return d.metric("motand_config_reloads_total", "outcome", "taken") == taken && d.metric("motand_config_reloads_total", "outcome", "refused") == refused
		})
	}
	reload(yaml(first.Addr(), "  more: {path: com.example.More, group: demo, registry: there}\n"), 1, 0)
	if reply := c.Call(motantest.Request("com.example.More", "echo", []byte{0}, "M_g", "demo")); reply.Failed() {
		t.Errorf("the new refer: got %v", motantest.Metadata(reply))
	}
	reload(yaml(first.Addr(), "  more: {path: com.example.More, group: demo, registry: nowhere}\n"), 1, 1)
	await(t, "the mistake to be told by the log, which is written behind a buffer", func() bool {
		return strings.Contains(d.Output(), "motan.yaml:") && strings.Contains(d.Output(), "nowhere")
	})
	reload(yaml(second.Addr(), ""), 2, 1)
	n := len(first.Frames())
	reply := c.Call(motantest.Request(echoService, "echo", []byte{0}, "M_g", "demo"))
	if reply.Failed() || len(first.Frames()) != n || len(second.Frames()) == 0 {
		t.Errorf("after the node changed: the first has %d frames more, the second %d", len(first.Frames())-n, len(second.Frames()))
	}
	s.configure(strings.Replace(yaml(first.Addr(), ""), "accessLog: off", "accessLog: off\n  watchConfig: true", 1))
	if a := ask(t, http.MethodPost, d.url("mgmt", "/api/v1/reload"), ""); a.status != http.StatusOK || a.body != "{\"refers\":1,\"services\":0}\n" {
		t.Errorf("/api/v1/reload: got %d %s", a.status, a.body)
	}
	if x, _ := c.Call(motantest.Request("com.example.More", "echo", []byte{0}, "M_g", "demo")).Exception(); x.Code != motan.CodeDefault {
		t.Errorf("the refer that is gone: got %+v", x)
	}
}

// TestWatchedConfig replaces the file of a motand that watches it, as tools push files.
func TestWatchedConfig(t *testing.T) {
	s := newSetup(t)
	yaml := strings.Replace(outboundYAML(echoService, "127.0.0.1:1"), "accessLog: off", "accessLog: off\n  watchConfig: true", 1)
	d := startMotandIn(s, yaml)
	provider := motantest.NewServer(t, bodyBack)
	path := filepath.Join(s.dir, "motan.yaml")
	if err := os.WriteFile(path+".new", []byte(s.fill(strings.Replace(yaml, "127.0.0.1:1\"", provider.Addr()+"\"", 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	await(t, "the new provider to be called", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == http.StatusOK })
}
