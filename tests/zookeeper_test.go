package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// meshYAML exports com.example.Echo of the provider's port and refers to com.example.Echo, both by the
// ZooKeeper at addr.
func meshYAML(addr, port string) string {
	return strings.Replace(agentYAML, "accessLog: off", "accessLog: off\n  runtime_dir: runtime\n  snapshot_dir: snapshot", 1) + `
motan-registry:
  zk: {protocol: zookeeper, address: "` + addr + `"}
motan-refer:
  echo: {path: com.example.Echo, group: demo, protocol: motan2, registry: zk, requestTimeout: 20000, version: "1.0", serialization: simple}
motan-service:
  echo:
    path: com.example.Echo
    group: demo
    protocol: motan2
    provider: motan2
    proxy: "motan2:` + port + `"
    export: "motan2:{{.export}}"
    registry: zk
    requestTimeout: 20000
    version: "1.0"
    serialization: simple
`
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// tree looks at a ZooKeeper's tree.
type tree struct {
	t    testing.TB
	conn *zk.Conn
}

const echoPath = "/motan/demo/com.example.Echo"

// children are the names below a path; none where it does not exist. A server that has just been restarted is waited for.
func (z tree) children(path string) (names []string) {
	z.t.Helper()
	await(z.t, "the children of "+path, func() bool {
		var err error
		names, _, err = z.conn.Children(path)
		if !slices.Contains([]error{nil, zk.ErrNoNode, zk.ErrNoServer, zk.ErrConnectionClosed, zk.ErrSessionExpired}, err) {
			z.t.Fatalf("children of %s: %v", path, err)
		}
		return err == nil || err == zk.ErrNoNode //nolint:errorlint // the client returns it as it is
	})
	return names
}

// awaitNode waits until the node is below exactly that one of server and unavailableServer; "" for neither.
func (z tree) awaitNode(node, state string) {
	z.t.Helper()
	await(z.t, node+" to be announced as "+state, func() bool {
		for _, name := range []string{"server", "unavailableServer"} {
			if slices.Contains(z.children(echoPath+"/"+name), node) != (name == state) {
				return false
			}
		}
		return true
	})
}

// TestAvailability follows a service through /200, /503, a stop and -recover, in a real ZooKeeper.
func TestAvailability(t *testing.T) {
	server := zktest.Start(t)
	z := tree{t, server.Client()}
	provider := motantest.NewServer(t, bodyBack)
	s := newSetup(t)
	yaml := meshYAML(server.Addr, portOf(provider.Addr()))
	d := startMotandUp(t, s, yaml)
	node := d.addr("export")
	status := func(want int, body string) {
		t.Helper()
		if got, text := d.get("mgmt", "/"); got != want || text != body {
			t.Errorf("/: got %d %q, want %d %q", got, text, want, body)
		}
	}
	z.awaitNode(node, "unavailableServer")
	status(503, "Service Unavailable")
	checkNode(z, echoPath+"/unavailableServer/"+node)

	d.get("mgmt", "/200")
	z.awaitNode(node, "server")
	status(200, "OK")
	checkNode(z, echoPath+"/server/"+node)
	await(t, "the service to be called", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == http.StatusOK })
	lookInto(d, server.Addr, node)

	d.get("mgmt", "/503")
	z.awaitNode(node, "unavailableServer")
	status(503, "Service Unavailable")
	d.get("mgmt", "/200")
	d.Stop()
	z.awaitNode(node, "")

	d = startMotandUp(t, s, yaml, "-recover")
	z.awaitNode(node, "server")
	status(200, "OK")
	d.Stop()
	d = startMotandUp(t, s, yaml) // without -recover it starts out of use, and forgets what was asked for
	z.awaitNode(node, "unavailableServer")
	status(503, "Service Unavailable")
	d.Stop()
	d = startMotandUp(t, s, yaml, "-recover")
	z.awaitNode(node, "unavailableServer")
	d.get("mgmt", "/200")
	d.get("mgmt", "/503")
	d.Stop()
	d = startMotandUp(t, s, yaml, "-recover")
	z.awaitNode(node, "unavailableServer")
	status(503, "Service Unavailable")
}

// lookInto holds what motand registry shows of a service in use.
func lookInto(d *daemon, address, node string) {
	d.t.Helper()
	look := func(code int, words ...string) string {
		return run(d.t, code, d.dir, d.cmd.Path, append([]string{"registry", "--address", "zookeeper://" + address}, words...)...)
	}
	if got := look(0, "ls"); got != "demo\n" {
		d.t.Errorf("groups: got %q, want demo", got)
	}
	if got := look(0, "ls", "demo"); !strings.Contains(got, echoService+"\n") {
		d.t.Errorf("services: got %q, want %s in it", got, echoService)
	}
	if got := look(0, "get", "demo", echoService); !strings.Contains(got, "\nserver  "+node+"  ") {
		d.t.Errorf("entries: got:\n%swant %s as server", got, node)
	}
	look(3, "watch", "demo", "com.example.Unknown")
}

// checkNode holds what motan-go and Java clients read in a node (motan protocol, section 5.2).
func checkNode(z tree, path string) {
	z.t.Helper()
	data, stat, err := z.conn.Get(path)
	if err != nil {
		z.t.Fatalf("get %s: %v", path, err)
	}
	if stat.EphemeralOwner == 0 {
		z.t.Errorf("%s is not ephemeral", path)
	}
	// As Java's ZkClient writes a string, which every peer reads: a head of 5 bytes, the length, the text.
	text, ok := strings.CutPrefix(string(data), "\xac\xed\x00\x05t")
	if !ok || len(text) < 2 || int(text[0])<<8|int(text[1]) != len(text)-2 {
		z.t.Fatalf("%s: got %q, want a string in Java's serialization", path, data)
	}
	url, query, _ := strings.Cut(text[2:], "?")
	if want := "motan2://" + path[strings.LastIndexByte(path, '/')+1:] + "/com.example.Echo"; url != want {
		z.t.Errorf("%s: got the URL %q, want %s", path, data, want)
	}
	pairs := strings.Split(query, "&")
	for _, want := range []string{"group=demo", "nodeType=service", "version=1.0", "serialization=simple", "application=test-app"} {
		if !slices.Contains(pairs, want) {
			z.t.Errorf("%s: got %q, want %s in it", path, data, want)
		}
	}
}

// TestWithdrawsBeforeItCloses holds the order of a stop: the node goes, callers get propagationDelay to notice,
// here without end, and are served meanwhile.
func TestWithdrawsBeforeItCloses(t *testing.T) {
	server := zktest.Start(t)
	z := tree{t, server.Client()}
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, strings.Replace(meshYAML(server.Addr, portOf(provider.Addr())), "propagationDelay: 0", "propagationDelay: 3600000", 1), "-localIP", "127.0.0.1")
	d.get("mgmt", "/200")
	z.awaitNode(d.addr("export"), "server")
	await(t, "the service to be called", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == http.StatusOK })
	d.Signal(syscall.SIGTERM)
	z.awaitNode(d.addr("export"), "")
	reply := d.dial("export").Call(motantest.Request(echoService, "echo", []byte{0}, "M_g", "demo"))
	if reply.Failed() {
		t.Errorf("a call while the withdrawal is noticed: got %v, want an answer", motantest.Metadata(reply))
	}
	for path, want := range map[string]int{"/": 503, "/readyz": 503, "/healthz": 200, "/200": 500} {
		if status, body := d.get("mgmt", path); status != want {
			t.Errorf("%s while stopping: got %d %q, want %d", path, status, body, want)
		}
	}
	d.stopped = true
	d.Signal(syscall.SIGTERM)
	if code := d.Wait(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// TestRegistryDownAtStart starts a motand three times: with a registry, without one but with what the disk
// remembers, and with neither.
func TestRegistryDownAtStart(t *testing.T) {
	server := zktest.Start(t)
	provider := motantest.NewServer(t, bodyBack)
	yaml := meshYAML(server.Addr, portOf(provider.Addr()))
	exporter := startMotandUp(t, newSetup(t), yaml)
	exporter.get("mgmt", "/200")
	s := newSetup(t)
	refers, _, _ := strings.Cut(yaml, "motan-service:")
	called := func(d *daemon) func() bool {
		return func() bool { return d.rpc(echoService, "echo", `["x"]`).status == http.StatusOK }
	}
	d := startMotandIn(s, refers)
	await(t, "the service to be called", called(d))
	await(t, "the nodes to be on disk", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "snapshot", "demo_com.example.Echo"))
		return err == nil && strings.Contains(string(text), `"address":"127.0.0.1:`)
	})
	d.Stop()
	server.Stop()

	d = startMotandIn(s, refers) // is ready by what is on disk
	d.rpc(echoService, "echo", `["from the disk"]`).want(http.StatusOK, `"from the disk"`)
	if got := d.metric("motand_registry_up", "registry", "zk"); got != 0 {
		t.Errorf("motand_registry_up: got %v, want 0", got)
	}
	fresh := startMotandUp(t, newSetup(t), refers)
	if status, body := fresh.get("mgmt", "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "waiting for the registry") {
		t.Errorf("/readyz with nothing known: got %d %q, want 503", status, body)
	}
	fresh.rpc(echoService, "echo", `["x"]`).problem(http.StatusServiceUnavailable)
	server.Restart()
	await(t, "the registry to be up again", func() bool { return d.metric("motand_registry_up", "registry", "zk") == 1 })
	await(t, "the service to be called", called(fresh))
	if status, _ := fresh.get("mgmt", "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz with everything known: got %d, want 200", status)
	}
	d.rpc(echoService, "echo", `["x"]`).want(http.StatusOK, `"x"`)
}

// startMotandUp runs a motand until it answers; it need not be ready.
func startMotandUp(t testing.TB, s *setup, yaml string, args ...string) *daemon {
	t.Helper()
	d := launchMotand(s, yaml, append([]string{"-localIP", "127.0.0.1"}, args...)...)
	await(t, "motand to be up", func() bool {
		if !d.Running() {
			t.Fatalf("motand ended with exit code %d: %s", d.Wait(), d.Output())
		}
		status, _, err := fetch(http.MethodGet, d.url("mgmt", "/healthz"), "")
		return err == nil && status == http.StatusOK
	})
	return d
}
