package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runMain makes the test binary be motango: the peers are processes, as their users see them.
const runMain = "MOTANGO_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// motango is a command that runs motango with args in a folder of its own.
func motango(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.Dir = dir
	return cmd
}

// start runs a peer until the test ends; its messages are shown when the test fails.
func start(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := motango(t, dir, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("motango %s:\n%s", strings.Join(args, " "), out.String())
		}
	})
}

// port returns a free port and waitFor waits until something listens there.
func port(t *testing.T) string {
	t.Helper()
	p, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(p)
}

func waitFor(t *testing.T, port string) {
	t.Helper()
	d := net.Dialer{Deadline: time.Now().Add(30 * time.Second)}
	for {
		conn, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(d.Deadline) {
			t.Fatalf("nothing listens on port %s: %v", port, err)
		}
	}
}

// call runs the client and returns its line, without the metadata, and its exit code.
func call(t *testing.T, args ...string) (line string, meta map[string]string, code int) {
	t.Helper()
	cmd := motango(t, t.TempDir(), append([]string{"client"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run the client: %v", err)
	}
	var a struct {
		Value     json.RawMessage `json:"value"`
		Type      string          `json:"type,omitempty"`
		Exception json.RawMessage `json:"exception,omitempty"`
	}
	var m struct{ Metadata map[string]string }
	if len(out) > 0 {
		if err := errors.Join(json.Unmarshal(out, &a), json.Unmarshal(out, &m)); err != nil {
			t.Fatalf("the client printed %q: %v\n%s", out, err, stderr.String())
		}
		short, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		line = string(short)
	}
	return line, m.Metadata, cmd.ProcessState.ExitCode()
}

// TestCalls holds what motan-go answers, directly and through its agent: where this fails, the peer has
// changed, and what other tests conclude from it has to be read again.
func TestCalls(t *testing.T) {
	server, agent := port(t), port(t)
	start(t, t.TempDir(), "server", "-port", server, "-name", "one")
	waitFor(t, server) // the agent tries a connection that failed at first only after a minute
	dir := t.TempDir()
	conf := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, agentYAML, server), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, dir, "agent", "-c", conf, "-port", agent, "-eport", port(t), "-hport", port(t), "-mport", port(t))
	waitFor(t, agent)

	tests := []struct {
		name string
		args []string
		want string
		code int
	}{
		{"string", []string{"-method", "hello", `"日本"`}, `{"value":"hello 日本","type":"string"}`, 0},
		{"int64", []string{"-method", "add", "40", "2"}, `{"value":42,"type":"int64"}`, 0},
		{"null", []string{"-method", "echo", "null"}, `{"value":null}`, 0},
		{"no argument", []string{"-method", "echo"}, `{"value":null}`, 0},
		{"map of strings", []string{"-method", "echo", `{"a":"b"}`}, `{"value":{"a":"b"},"type":"map[string]string"}`, 0},
		{
			"map",
			[]string{"-method", "echo", `{"a":[1,2.5,"x",true]}`},
			`{"value":{"a":[1,2.5,"x",true]},"type":"map[interface {}]interface {}"}`, 0,
		},
		{"list of strings", []string{"-method", "echo", `["a"]`}, `{"value":["a"],"type":"[]string"}`, 0},
		{"bytes", []string{"-method", "echo", "bytes:AAH/"}, `{"value":"AAH/","type":"[]uint8"}`, 0},
		{
			"several",
			[]string{"-method", "echo", "byte:7", "int16:-2", "int32:-3", "float32:1.5"},
			`{"value":[7,-2,-3,1.5],"type":"[]interface {}"}`, 0,
		},
		{"breeze", []string{"-serialization", "breeze", "-method", "add", "1", "2"}, `{"value":3,"type":"int64"}`, 0},
		{"no result", []string{"-method", "nothing"}, `{"value":null}`, 0},
		{"slow", []string{"-method", "slow", "20"}, `{"value":20,"type":"int64"}`, 0},
		{"which server", []string{"-method", "name"}, `{"value":"one","type":"string"}`, 0},
		{
			"business exception",
			[]string{"-method", "fail", `"no <money>"`, "17"},
			`{"value":null,"exception":{"errcode":17,"errmsg":"no \u003cmoney\u003e","errtype":2}}`, 1,
		},
		{
			"panic",
			[]string{"-method", "panics"},
			`{"value":null,"exception":{"errcode":500,"errmsg":"provider call panic","errtype":1}}`, 1,
		},
		{
			"no such method",
			[]string{"-method", "nosuch"},
			`{"value":null,"exception":{"errcode":500,"errmsg":"method nosuch is not found in provider.","errtype":1}}`, 1,
		},
		{
			// motan-go's simple serialization cannot write null inside a list.
			"null in a list",
			[]string{"-method", "echo", "null", "1"},
			`{"value":null,"exception":{"errcode":500,` +
				`"errmsg":"convert to response fail. err:not support type by SimpleSerialization","errtype":1}}`, 1,
		},
	}
	for _, via := range []struct{ name, port string }{{"direct", server}, {"agent", agent}} {
		for _, tt := range tests {
			t.Run(via.name+"/"+tt.name, func(t *testing.T) {
				got, _, code := call(t, append([]string{"-addr", "127.0.0.1:" + via.port}, tt.args...)...)
				if got != tt.want || code != tt.code {
					t.Errorf("got %s and exit code %d, want %s and %d", got, code, tt.want, tt.code)
				}
			})
		}
	}
	t.Run("agent/metadata", func(t *testing.T) {
		line, meta, _ := call(t, "-addr", "127.0.0.1:"+agent, "-meta", "k=v", "-method", "metadata")
		for _, want := range []string{`"k":"v"`, `"M_rid":"`, `"M_s":"motango-client"`, `"M_p":"com.example.Echo"`} {
			if !strings.Contains(line, want) {
				t.Errorf("the server saw %s, want %s in it", line, want)
			}
		}
		if got, want := meta["x-forwarded-for"], "127.0.0.1:"+server; got != want {
			t.Errorf("the reply's x-forwarded-for is %q, want the server's address %q", got, want)
		}
	})
}

// agentYAML forwards the demo service to the server's port.
const agentYAML = `
motan-agent:
  application: motango-test
  log_dir: ./logs
motan-registry:
  direct:
    protocol: direct
    host: 127.0.0.1
    port: %s
motan-refer:
  echo:
    registry: direct
    protocol: motan2
    path: com.example.Echo
    group: demo
    requestTimeout: 2000
`

func TestServerPrintsItsAddress(t *testing.T) {
	cmd := motango(t, t.TempDir(), "server")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	if _, err := fmt.Fscanf(out, "listening %s\n", &addr); err != nil {
		t.Fatalf("read the server's first line: %v", err)
	}
	if got, _, code := call(t, "-addr", addr, "-method", "size", "bytes:AAH/"); got != `{"value":3,"type":"int64"}` || code != 0 {
		t.Errorf("got %s and exit code %d, want 3 and 0", got, code)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v, want exit code 0", err)
	}
}

func TestWrongUse(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, taken, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "usage: motango"},
		{"unknown", []string{"nonsense"}, "unknown subcommand"},
		{"port taken", []string{"server", "-port", taken}, "listen on port " + taken},
		{"unknown flag", []string{"server", "-nonsense"}, "not defined"},
		{"no address", []string{"client"}, "-addr or -registry"},
		{"no port", []string{"client", "-addr", "localhost"}, "want host:port"},
		{"registry", []string{"client", "-registry", "etcd://h:1"}, "zookeeper://host:port"},
		{"registry behind an agent", []string{"client", "-registry", "mesh://h:1"}, "?proxyRegistry="},
		{"argument", []string{"client", "-addr", "h:1", "text"}, "argument 1"},
		{"metadata", []string{"client", "-meta", "k"}, "key=value"},
		{"agent without configuration", []string{"agent", "-c", "none.yaml"}, "motan-go's agent returned"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := motango(t, t.TempDir(), tt.args...)
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != exitUsage {
				t.Errorf("exit code %d (%v), want %d", code, err, exitUsage)
			}
			if !strings.Contains(string(out), tt.want) {
				t.Errorf("printed %q, want %q in it", out, tt.want)
			}
		})
	}
}
