package tests

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// motandExe is the built program.
func motandExe(t testing.TB) string {
	t.Helper()
	exe, err := buildMotand()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// TestCheckTellsEveryMistake has one of each of many mistakes in a file: check and run tell all of them with
// their places, and what would have been right where that can be guessed.
func TestCheckTellsEveryMistake(t *testing.T) {
	s := newSetup(t)
	path := s.configure(`motan-agent:
  mport: {{.mgmt}}
  port: many
  mprt: 8002
motan-registry:
  zk: {protocol: zookeper, address: "127.0.0.1:2181"}
  good: {protocol: local}
motan-refer:
  a: {path: com.example.A, group: g, registry: nope}
  b: {group: g, registry: good}
  c: {path: x, group: g, registry: good, basicRefer: missing, loadbalance: fastest}
  d: {path: y, group: g, registry: good, loadblance: random}
motan-service:
  s: {path: com.example.S, group: g, registry: good, provider: nosuch, export: "motan2:9982"}
  u: {path: com.example.U, group: g, registry: good, provider: motan2, export: "http:9982"}
`)
	want := []string{
		`3:9: "port" must be a port`, `4:3: unknown key "mprt"; did you mean "mport"?`, `6:18: registry "zk": unknown registry protocol "zookeper"; did you mean "zookeeper"?`,
		`9:48: refer "a": registry "nope" is not defined`, `10:3: refer "b" has no path`, `11:54: refer "c": basicRefer "missing" is not defined`,
		`11:76: refer "c": unknown loadbalance "fastest"`, `14:64: service "s": unknown provider "nosuch"`, `15:3: service "u" has no proxy`,
		`15:80: service "u": unknown protocol "http"`, `12:42: warning: unknown key "loadblance"; did you mean "loadbalance"?`,
	}
	for _, command := range [][]string{{"check", "-c"}, {"run", "-c"}, {"-c"}} {
		p := startProcess(t, "motand", s.dir, motandExe(t), append(command, path)...)
		if code := p.Wait(); code != 1 {
			t.Errorf("motand %s: got exit code %d, want 1", command, code)
		}
		for _, text := range want {
			if !strings.Contains("\n"+p.Output(), "\n"+path+":"+text) {
				t.Errorf("motand %s: nothing is said of %s", command, text)
			}
		}
	}
}

// TestCheckRefuses holds what is no configuration at all.
func TestCheckRefuses(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"tabs", "motan-agent:\n\tport: 1\n", ":2:1: a tab"},
		{"a list", "- a\n- b\n", ":1:1: "},
		{"cut off", "motan-agent: {port: 1\n", "motan.yaml:"},
		{"two of a kind", "motan-agent: {}\nmotan-agent: {}\n", ":2:1: "},
		{"binary", "\x00\x01\x02", "motan.yaml:"},
		{"bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
			"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n", "motan.yaml:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			p := startProcess(t, "motand", s.dir, motandExe(t), "check", "-c", s.configure(tt.yaml))
			if code := p.Wait(); code != 1 || !strings.Contains(p.Output(), tt.want) {
				t.Errorf("got exit code %d and %q, want 1 and something with %q", code, cut(p.Output()), tt.want)
			}
		})
	}
	p := startProcess(t, "motand", t.TempDir(), motandExe(t), "check", "-c", "nothing.yaml")
	if code := p.Wait(); code != 1 || !strings.Contains(p.Output(), "nothing.yaml: cannot be read") {
		t.Errorf("no file: got exit code %d and %q", code, p.Output())
	}
	p = startProcess(t, "motand", t.TempDir(), motandExe(t))
	if code := p.Wait(); code != 0 || !strings.Contains(p.Output(), "Usage:") {
		t.Errorf("no argument: got exit code %d and %q, want 0 and how it is used", code, p.Output())
	}
}

// TestWrongCommandLine holds that a mistake on the command line is told apart from a fault of motand's own.
func TestWrongCommandLine(t *testing.T) {
	for _, args := range [][]string{{"rnu"}, {"run", "-prot", "1"}, {"run", "more"}, {"-port", "many"}, {"check", "--nothing"}, {"call"}} {
		p := startProcess(t, "motand", t.TempDir(), motandExe(t), args...)
		if code := p.Wait(); code != 1 || !strings.HasPrefix(p.Output(), "motand: ") {
			t.Errorf("motand %s: got exit code %d and %q, want 1 and a message", args, code, p.Output())
		}
	}
}

// TestCheckExamples checks every configuration that comes with motand.
func TestCheckExamples(t *testing.T) {
	examples, err := filepath.Glob(filepath.Join("..", "conf", "examples", "*.yaml"))
	if err != nil || len(examples) < 5 {
		t.Fatalf("found %d examples, %v", len(examples), err)
	}
	for _, example := range examples {
		t.Run(filepath.Base(example), func(t *testing.T) {
			if out := run(t, 0, ".", motandExe(t), "check", "-c", example); !strings.Contains(out, "configuration is good") {
				t.Errorf("got %q", out)
			}
		})
	}
	folder := filepath.Join("..", "conf", "examples", "folder")
	out := run(t, 0, ".", motandExe(t), "check", "-c", folder, "-pool", "shop-north-core", "-application", "shop")
	if want := "2 refers, 2 services"; !strings.Contains(out, want) {
		t.Errorf("folder: got %q, want %s", out, want)
	}
}

// TestPortInUse takes each port away: motand says who wants it for what, and does not serve on the others.
func TestPortInUse(t *testing.T) {
	for port, want := range map[string]string{
		"motan": "for Motan calls of programs on this host (motan-agent.port)", "http": "for HTTP calls of programs on this host (motan-agent.hport)",
		"export": "for services exported to other hosts (motan-service export)", "mgmt": "for management (motan-agent.mport)",
	} {
		t.Run(port, func(t *testing.T) {
			s := newSetup(t)
			l, err := net.Listen("tcp", s.addr(port))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d := launchMotand(s, demoYAML)
			if code := d.Wait(); code != 2 {
				t.Errorf("got exit code %d, want 2", code)
			}
			want := "cannot listen on " + regexp.QuoteMeta(":"+strconv.Itoa(s.port(port))) + " " + regexp.QuoteMeta(want)
			if port != "export" {
				want = strings.Replace(want, "on ", "on 127[.]0[.]0[.]1", 1)
			}
			if ok, _ := regexp.MatchString(want+".*another process", d.Output()); !ok {
				t.Errorf("got %q, want something like %s", d.Output(), want)
			}
		})
	}
}

// TestMotanGoFlags starts motand as motan-go is started. Flags win over the file.
func TestMotanGoFlags(t *testing.T) {
	s := newSetup(t)
	path := s.configure(`
motan-agent: {port: 1, hport: 2, mport: 3, eport: 4, pidfile: wrong.pid, accessLog: off, propagationDelay: 0}
motan-registry:
  embedded: {protocol: local}
motan-service:
  demo: {path: com.example.DemoService, group: demo, protocol: motan2, provider: demo, registry: embedded}
motan-refer:
  demo: {path: com.example.DemoService, group: demo, protocol: motan2, registry: embedded, requestTimeout: 20000}
`)
	port := func(name string) string { return strconv.Itoa(s.port(name)) }
	p := startProcess(t, "motand", s.dir, motandExe(t), "-c", path, "-port", port("motan"), "-eport="+port("export"), "-hport", port("http"), "-mport="+port("mgmt"),
		"-pidfile", "right.pid", "-log_dir", "logs", "-application", "flagged", "-idc", "north", "-localIP", "127.0.0.1", "-recover",
		"-log_level", "info", "-log_async=false", "-rotate_per_hour=false")
	d := &daemon{t: t, process: p, setup: s}
	await(t, "motand to be ready", func() bool {
		if !p.Running() {
			t.Fatalf("motand ended with exit code %d: %s", p.Wait(), p.Output())
		}
		status, _, err := fetch(http.MethodGet, d.url("mgmt", "/readyz"), "")
		return err == nil && status == http.StatusOK
	})
	d.rpc("com.example.DemoService", "hello", `["flags"]`).want(http.StatusOK, `"hello flags"`)
	for _, name := range []string{"motan", "export"} {
		out := run(t, 0, s.dir, motandExe(t), "call", "--addr", s.addr(name), "-g", "demo", "com.example.DemoService", "hello", `["x"]`)
		if out != "\"hello x\"\n" {
			t.Errorf("port %s: got %q", name, out)
		}
	}
	pid, err := os.ReadFile(filepath.Join(s.dir, "right.pid"))
	if want := strconv.Itoa(p.cmd.Process.Pid); err != nil || string(pid) != want {
		t.Errorf("pid file: got %q, %v, want %s", pid, err, want)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "logs", "motand.log")); err != nil {
		t.Errorf("log_dir: %v", err)
	}
	d.Stop()
	for _, name := range []string{"right.pid", "wrong.pid"} {
		if _, err := os.Stat(filepath.Join(s.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s after the end: got %v, want that it is not there", name, err)
		}
	}
}

// TestSecondSignal stops a motand in the middle of a call that will not end: the first signal waits for it,
// the second does not.
func TestSecondSignal(t *testing.T) {
	for _, first := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(first.String(), func(t *testing.T) {
			provider := motantest.NewServer(t, motantest.Silent)
			yaml := strings.Replace(outboundYAML(echoService, provider.Addr()), "accessLog: off", "accessLog: off\n  gracePeriod: 3600000", 1)
			d := startMotand(t, strings.Replace(yaml, "requestTimeout: 30000", "requestTimeout: 3600000", 1))
			c := d.dial("motan")
			c.Send(motantest.Request(echoService, "echo", nil))
			provider.Await(1)
			d.Signal(first)
			await(t, "motand to stop listening", func() bool { return !listens(d.addr("motan")) })
			if status, _ := d.get("mgmt", "/healthz"); status != http.StatusOK {
				t.Errorf("/healthz while calls are finished: got %d, want 200", status)
			}
			if status, body := d.get("mgmt", "/readyz"); status != http.StatusServiceUnavailable || body != "stopping\n" {
				t.Errorf("/readyz while calls are finished: got %d %q, want 503 stopping", status, body)
			}
			d.stopped = true
			d.Signal(syscall.SIGTERM)
			if code := d.Wait(); code != 0 {
				t.Errorf("got exit code %d after the second signal, want 0", code)
			}
		})
	}
}

// TestManagementPortRange takes the first port of a range away.
func TestManagementPortRange(t *testing.T) {
	s := newSetup(t)
	// Two ports of which the second follows the first: what is free is looked for.
	for {
		s.ports["mgmt"] = freePort(t)
		if l, err := net.Listen("tcp", ":"+strconv.Itoa(s.ports["mgmt"]-1)); err == nil {
			defer l.Close()
			break
		}
	}
	first := strconv.Itoa(s.port("mgmt") - 1)
	yaml := strings.Replace(demoYAML, "mport: {{.mgmt}}", "managementPortRange: "+first+"-{{.mgmt}}", 1)
	d := startMotandIn(s, yaml)
	if status, _ := d.get("mgmt", "/healthz"); status != http.StatusOK {
		t.Errorf("got %d at the second port of the range, want 200", status)
	}
}
