package tests

import (
	"net"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// TestHarness shows that the harness starts, reads and stops a motand, and that placeholders keep their values.
func TestHarness(t *testing.T) {
	provider := motantest.NewServer(t, motantest.Reply([]byte("pong")))
	d := startMotand(t, outboundYAML("com.example.Echo", provider.Addr()))
	reply := d.call(motantest.Request("com.example.Echo", "echo", []byte("ping"), "M_g", "demo"))
	if got := string(reply.Body()); got != "pong" || reply.Failed() {
		t.Errorf("got %q, failed %t, want pong", got, reply.Failed())
	}
	if status, body := d.get("mgmt", "/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("/healthz: got %d %q, want 200 ok", status, body)
	}
	if got := d.metric("motand_requests_total", "listener", "motan"); got != 1 {
		t.Errorf("requests: got %v, want 1", got)
	}
	if d.rss() == 0 {
		t.Error("resident memory: got 0")
	}
	if got := d.fill("{{.motan}}"); d.addr("motan") != "127.0.0.1:"+got {
		t.Errorf("port: got %s, want that of %s", got, d.addr("motan"))
	}
	d.Stop()
}

// TestCannotStart holds the exit codes of a motand that does not come up.
func TestCannotStart(t *testing.T) {
	tests := []struct {
		name, yaml, want string
		code             int
	}{
		{"bad configuration", "motan-agent:\n  mport: {{.mgmt}}\n  port: many\n", ":3:9: ", 1},
		{"cannot listen", "motan-agent:\n  mport: {{.mgmt}}\n  port: {{.taken}}\n", "cannot listen on ", 2},
	}
	s := newSetup(t)
	l, err := net.Listen("tcp", s.addr("taken"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := launchMotand(&setup{t, t.TempDir(), s.ports}, tt.yaml)
			if got := d.Wait(); got != tt.code {
				t.Errorf("exit code: got %d, want %d", got, tt.code)
			}
			if !strings.Contains(d.Output(), tt.want) {
				t.Errorf("got %q, want something with %q", d.Output(), tt.want)
			}
		})
	}
}

// agentYAML is the section of an agent in a setup of its own. It waits for nobody at its end.
const agentYAML = `
motan-agent:
  application: test-app
  port: {{.motan}}
  eport: {{.export}}
  hport: {{.http}}
  mport: {{.mgmt}}
  propagationDelay: 0
  accessLog: off
`

// outboundYAML refers to a service of group demo at one address, patiently: a busy machine is no failure.
func outboundYAML(service, addr string) string {
	return agentYAML + `
motan-registry:
  here: {protocol: direct, address: "` + addr + `"}
motan-refer:
  one: {path: ` + service + `, group: demo, protocol: motan2, registry: here, requestTimeout: 30000, connectTimeout: 10000, serialization: simple}
`
}
