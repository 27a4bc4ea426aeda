package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// peerCalls are calls of motan-go's client to motan-go's server: every kind of value, and exceptions.
var peerCalls = []struct {
	name string
	args []string // of motango client
}{
	{"string", []string{"-method", "hello", `"日本"`}},
	{"empty string", []string{"-method", "echo", `""`}},
	{"int64", []string{"-method", "add", "40", "2"}},
	{"least int64", []string{"-method", "echo", "int64:-9223372036854775808"}},
	{"narrow numbers", []string{"-method", "echo", "byte:7", "int16:-2", "int32:-3", "float32:1.5", "float64:0.1"}},
	{"bool", []string{"-method", "echo", "true"}},
	{"null", []string{"-method", "echo", "null"}},
	{"no argument", []string{"-method", "echo"}},
	{"no result", []string{"-method", "nothing"}},
	{"map of strings", []string{"-method", "keys", `{"b":"2","a":"1"}`}},
	{"map", []string{"-method", "echo", `{"a":[1,2.5,"x",true],"b":{"c":"d"}}`}},
	{"list of strings", []string{"-method", "join", `["a","b"]`}},
	{"list", []string{"-method", "echo", `[1,"a",[2]]`}},
	{"bytes", []string{"-method", "echo", "bytes:AAH/"}},
	{"many bytes", []string{"-method", "bytes", "300000"}},
	{"gzip", []string{"-gzip", "100", "-method", "hello", `"` + strings.Repeat("long ", 200) + `"`}},
	{"breeze", []string{"-serialization", "breeze", "-method", "add", "1", "2"}},
	{"slow", []string{"-method", "slow", "50"}},
	{"business exception", []string{"-method", "fail", `"no <money>\nat all"`, "17"}},
	{"panic of the provider", []string{"-method", "panics"}},
	{"unknown method", []string{"-method", "nosuch"}},
	{"metadata", []string{"-meta", "uid=42", "-method", "name"}},
}

// peerAnswer is what motango client prints, without the metadata, and its exit code.
func peerAnswer(t *testing.T, args ...string) (line string, metadata map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), motango(t), append([]string{"client"}, args...)...)
	cmd.Dir = t.TempDir()
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || len(out) == 0 {
		t.Fatalf("motango client %q: %v\n%s", args, err, messages.String())
	}
	var a struct {
		Value     json.RawMessage   `json:"value"`
		Type      string            `json:"type"`
		Exception json.RawMessage   `json:"exception"`
		Metadata  map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("motango client printed %q: %v", out, err)
	}
	return string(a.Value) + " " + a.Type + " " + string(a.Exception), a.Metadata
}

// startPeerServer starts motan-go's server and returns its address.
func startPeerServer(t *testing.T, args ...string) string {
	t.Helper()
	p := startMotango(t, append([]string{"server"}, args...)...)
	addr := ""
	await(t, "motan-go's server to listen", func() bool {
		if !p.Running() {
			t.Fatal("motan-go's server ended")
		}
		_, rest, ok := strings.Cut(p.Output(), "listening ")
		line, _, whole := strings.Cut(rest, "\n")
		addr = strings.TrimSpace(line)
		return ok && whole
	})
	return addr
}

const peerService = "com.example.Echo" // of motango server, group demo

// TestMotanGoThroughMotand has motan-go's client call motan-go's server directly, through motand, and through
// two of them: the answers are the same.
func TestMotanGoThroughMotand(t *testing.T) {
	server := startPeerServer(t)
	out := startMotand(t, outboundYAML(peerService, server))
	b := startMotand(t, peerExportYAML(server, "{protocol: local}"))
	a := startMotand(t, outboundYAML(peerService, b.addr("export")))
	for _, tt := range peerCalls {
		t.Run(tt.name, func(t *testing.T) {
			want, _ := peerAnswer(t, append([]string{"-addr", server}, tt.args...)...)
			for _, via := range []struct{ name, addr, served string }{
				{"one motand", out.addr("motan"), server},
				{"two", a.addr("motan"), b.addr("export")},
				{"the export port", b.addr("export"), ""},
			} {
				got, metadata := peerAnswer(t, append([]string{"-addr", via.addr}, tt.args...)...)
				if got != want {
					t.Errorf("through %s: got %s, want %s", via.name, got, want)
				}
				if metadata["x-forwarded-for"] != via.served {
					t.Errorf("through %s: x-forwarded-for is %q, want %q", via.name, metadata["x-forwarded-for"], via.served)
				}
			}
		})
	}
}

// peerExportYAML exports motan-go's service, announced in one registry.
func peerExportYAML(server, registry string) string {
	_, port, _ := strings.Cut(server, ":")
	return agentYAML + `
motan-registry:
  announced: ` + registry + `
motan-service:
  echo:
    path: ` + peerService + `
    group: demo
    protocol: motan2
    provider: motan2
    proxy: motan2:` + port + `
    export: motan2:{{.export}}
    registry: announced
    requestTimeout: 30000
    available: auto
`
}

// TestZooKeeperWithMotanGo has motan-go and motand find each other in a real ZooKeeper, both ways.
func TestZooKeeperWithMotanGo(t *testing.T) {
	zk := zktest.Start(t)
	registry := "zookeeper://" + zk.Addr
	ours := "{protocol: zookeeper, address: \"" + zk.Addr + "\"}"
	host, port, _ := strings.Cut(zk.Addr, ":")
	theirs := "{protocol: zookeeper, host: " + host + ", port: " + port + "}"
	refer := func(settings string) string {
		return agentYAML + `  log_dir: ./logs
motan-registry:
  zk: ` + settings + `
motan-refer:
  echo: {path: ` + peerService + `, group: demo, protocol: motan2, registry: zk, requestTimeout: 5000, asyncInitConnection: false}
`
	}
	t.Run("motan-go's server is found by motand", func(t *testing.T) {
		server := startPeerServer(t, "-registry", registry)
		d := startMotand(t, refer(ours))
		await(t, "the server to be found", func() bool { return d.metric("motand_upstream_nodes") == 1 })
		got, metadata := peerAnswer(t, "-addr", d.addr("motan"), "-method", "hello", `"zk"`)
		if got != `"hello zk" string ` || metadata["x-forwarded-for"] != server {
			t.Errorf("got %s from %q, want hello zk from %s", got, metadata["x-forwarded-for"], server)
		}
	})
	t.Run("motand's export is found by motan-go", func(t *testing.T) {
		server := startPeerServer(t, "-name", "behind motand")
		b := startMotand(t, peerExportYAML(server, ours), "-localIP", "127.0.0.1")
		await(t, "the service to be announced", func() bool { return b.metric("motand_registry_announced") == 1 })
		s := newSetup(t)
		agent := startProcess(t, "motan-go's agent", s.dir, motango(t), "agent", "-c", s.configure(refer(theirs)))
		for _, via := range []struct{ name, flag, at string }{
			{"its client", "-registry", registry}, {"its agent", "-addr", s.addr("motan")},
		} {
			got := ""
			await(t, "an answer through "+via.name, func() bool {
				if !agent.Running() {
					t.Fatal("motan-go's agent ended")
				}
				got, _ = peerAnswer(t, via.flag, via.at, "-method", "name")
				return !strings.Contains(got, "errcode")
			})
			if got != `"behind motand" string ` {
				t.Errorf("%s: got %s, want the server behind motand", via.name, got)
			}
		}
		if got := b.metric("motand_requests_total", "listener", "export"); got < 2 {
			t.Errorf("calls that came in at motand: got %v, want 2 or more", got)
		}
	})
}
