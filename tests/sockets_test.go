package tests

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// socketsYAML has a unix socket in place of each port. Paths are relative to where motand runs: a full one
// may be longer than a socket's path can be.
const socketsYAML = `
motan-agent:
  unixSock: motan.sock
  httpProxyUnixSock: http.sock
  managementUnixSock: management.sock
  accessLog: off
motan-registry:
  embedded: {protocol: local}
motan-refer:
  demo: {path: com.example.DemoService, group: demo, protocol: motan2, registry: embedded, requestTimeout: 20000}
motan-service:
  demo: {path: com.example.DemoService, group: demo, protocol: motan2, provider: demo, export: "motan2:{{.export}}", registry: embedded}
`

// TestUnixSockets runs a motand on unix sockets and does what it then says can be done. A second one is refused
// and told why; a socket that a crash has left behind is replaced.
func TestUnixSockets(t *testing.T) {
	need(t, "curl")
	r := newReader(t)
	r.write(t, "motan.yaml", socketsYAML)
	start := func() *process {
		p := startProcess(t, "motand", r.dir, motandExe(t), "run", "-c", "motan.yaml")
		await(t, "motand to be ready", func() bool {
			if !p.Running() {
				t.Fatalf("motand ended with exit code %d: %s", p.Wait(), p.Output())
			}
			conn, err := socketClient(filepath.Join(r.dir, "management.sock")).Get("http://localhost/readyz")
			if err != nil {
				return false
			}
			conn.Body.Close()
			return conn.StatusCode == http.StatusOK
		})
		return p
	}
	p := start()
	ways := 0
	for line := range strings.Lines(p.Output()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "curl ") && !strings.HasPrefix(line, "bin/motand ") {
			continue
		}
		ways++
		if out := run(t, 0, r.dir, "sh", "-c", line); strings.TrimSpace(out) == "" {
			t.Errorf("%s: printed nothing", line)
		}
	}
	if ways < 5 {
		t.Errorf("motand told %d ways in, want all of them:\n%s", ways, p.Output())
	}

	second := startProcess(t, "second motand", r.dir, motandExe(t), "run", "-c", "motan.yaml")
	if code := second.Wait(); code != 2 {
		t.Errorf("a second motand: got exit code %d, want 2", code)
	}
	for _, key := range []string{"motan-agent.unixSock", "motan-agent.httpProxyUnixSock", "motan-agent.managementUnixSock", "motan-service export"} {
		if !strings.Contains(second.Output(), "("+key+")") {
			t.Errorf("a second motand says nothing of %s: %s", key, second.Output())
		}
	}

	p.Kill()
	if _, err := os.Lstat(filepath.Join(r.dir, "motan.sock")); err != nil {
		t.Fatalf("what a crash leaves behind: %v", err)
	}
	d := &daemon{t: t, process: start(), setup: r.setup}
	d.Stop()
	if left, _ := filepath.Glob(filepath.Join(r.dir, "*.sock")); len(left) > 0 {
		t.Errorf("%q are left after a stop", left)
	}
}

// TestSocketIsNoSocket holds that motand removes nothing that is not its own.
func TestSocketIsNoSocket(t *testing.T) {
	r := newReader(t)
	r.write(t, "motan.yaml", socketsYAML)
	r.write(t, "motan.sock", "precious")
	p := startProcess(t, "motand", r.dir, motandExe(t), "run", "-c", "motan.yaml")
	if code := p.Wait(); code != 2 || !strings.Contains(p.Output(), "motan.sock exists and is not a socket") {
		t.Errorf("got exit code %d and %q", code, p.Output())
	}
	if text, err := os.ReadFile(filepath.Join(r.dir, "motan.sock")); err != nil || string(text) != "precious" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}

// TestPIDFileCannotBeWritten holds that motand says so before it serves anybody.
func TestPIDFileCannotBeWritten(t *testing.T) {
	s := newSetup(t)
	d := launchMotand(s, strings.Replace(demoYAML, "accessLog: off", "accessLog: off\n  pidfile: motan.yaml/agent.pid", 1))
	if code := d.Wait(); code != 1 || !strings.Contains(d.Output(), "pid file motan.yaml/agent.pid: ") {
		t.Errorf("got exit code %d and %q, want 1 and a message", code, d.Output())
	}
}

// TestPortsBesideSockets has a port and a unix socket for calls over Motan at once, and for calls over HTTP: each of the four
// answers.
func TestPortsBesideSockets(t *testing.T) {
	yaml := strings.Replace(outboundYAML("com.example.Both", newProvider(t, "127.0.0.1", echo).listener.Addr().String()),
		"propagationDelay: 0", "propagationDelay: 0\n  unixSock: motan.sock\n  httpProxyUnixSock: http.sock", 1)
	d := startMotand(t, yaml)
	for _, network := range []string{"tcp", "unix"} {
		addr := d.addr("motan")
		client := http.DefaultClient
		url := d.url("http", "/rpc/com.example.Both/echo")
		if network == "unix" {
			addr, client, url = filepath.Join(d.dir, "motan.sock"), socketClient(filepath.Join(d.dir, "http.sock")), "http://localhost/rpc/com.example.Both/echo"
		}
		conn, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		c := motantest.NewClient(t, conn)
		if reply := c.Call(motantest.Request("com.example.Both", "echo", []byte{0}, "M_g", "demo")); reply.Failed() {
			t.Errorf("Motan over %s: got %v", network, motantest.Metadata(reply))
		}
		response, err := client.Post(url, "application/json", strings.NewReader("[]"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("HTTP over %s: got %s", network, response.Status)
		}
	}
}
