package tests

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// block is a fenced block of a document.
type block struct {
	language string
	text     string
	line     int // of its fence
}

// blocks are the fenced blocks of a Markdown file of the project.
func blocks(t testing.TB, name string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	open, n := false, 0
	for line := range strings.Lines(string(text)) {
		n++
		fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case ok && !open:
			all = append(all, block{language: fence, line: n})
			open = true
		case ok:
			open = false
		case open:
			all[len(all)-1].text += line
		}
	}
	if open {
		t.Fatalf("%s: the block of line %d has no end", name, all[len(all)-1].line)
	}
	return all
}

// reader does what a reader of the README does, in a folder that looks like the project's after make build, with
// free ports instead of the default ones.
type reader struct {
	t       *testing.T
	dir     string
	setup   *setup   // whose ports stand for the default ones
	running *process // the motand that was started last; nil before the first
}

func newReader(t *testing.T) *reader {
	t.Helper()
	exe, err := buildMotand()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(r.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(r.dir, "bin", "motand")); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Abs(filepath.Join("..", "scripts"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(scripts, filepath.Join(r.dir, "scripts")); err != nil {
		t.Fatal(err)
	}
	r.setup = &setup{t, r.dir, map[string]int{}}
	return r
}

// here is text with the default ports replaced.
func (r *reader) here(text string) string {
	return r.setup.fill(strings.NewReplacer(
		"9981", "{{.motan}}", "9982", "{{.export}}", "9983", "{{.http}}", "8002", "{{.mgmt}}").Replace(text))
}

func (r *reader) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(r.here(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// stop ends what was started before, so that the next may have its ports.
func (r *reader) stop() {
	if r.running != nil {
		r.running.Kill()
	}
}

// start runs a command line that stays, until the next one or the end of the test.
func (r *reader) start(line string) {
	r.t.Helper()
	r.stop()
	r.running = startProcess(r.t, line, r.dir, "sh", "-c", "exec "+r.here(line))
	await(r.t, line, func() bool {
		if !r.running.Running() {
			r.t.Fatalf("%s: ended at once: %s", line, r.running.Output())
		}
		status, _, err := fetch("GET", "http://"+r.setup.addr("mgmt")+"/healthz", "")
		return err == nil && status == 200
	})
}

// do runs one line of a block in sh.
func (r *reader) do(t *testing.T, line string) {
	t.Helper()
	switch words := strings.Fields(line); {
	case words[0] == "make":
		need(t, "make")
		wanted := map[string]string{"run": "bin/motand run -c conf/examples/demo.yaml", "demo": "sh scripts/demo.sh"}[words[1]]
		if out := run(t, 0, "..", "make", "-n", words[1]); wanted == "" || !strings.Contains(out, wanted) {
			t.Fatalf("make %s would run %q, the test knows %q", words[1], out, wanted)
		}
		if words[1] == "run" {
			r.start(wanted)
		} // what make demo runs has a test of its own
	case words[0] == "curl":
		need(t, "curl")
		r.curl(t, line, "200")
	case strings.HasPrefix(line, "bin/motand call "):
		out := run(t, 0, r.dir, "sh", "-c", strings.Replace(line, "call ", "call --addr "+r.setup.addr("motan")+" ", 1))
		if out != "\"hello world\"\n" {
			t.Errorf("%s: got %q", line, out)
		}
	case strings.HasPrefix(line, "bin/motand check "):
		run(t, 0, r.dir, "sh", "-c", line)
	case strings.HasPrefix(line, "bin/motand run "):
		command, _, _ := strings.Cut(line, "#")
		r.start(command + r.here("-port 9981 -hport 9983 -mport 8002"))
	default:
		t.Errorf("README has a command that this test does not know: %s", line)
	}
}

// curl runs a curl line and checks the status that it got. It returns the body.
func (r *reader) curl(t *testing.T, line, status string) string {
	t.Helper()
	out := run(t, 0, r.dir, "sh", "-c", strings.Replace(r.here(line), "curl -s", `curl -s -w '\n%{http_code}'`, 1))
	body, got := "", out
	if i := strings.LastIndexByte(out, '\n'); i >= 0 {
		body, got = out[:i], out[i+1:]
	}
	if got != status {
		t.Errorf("%s: got status %s, want %s: %s", line, got, status, cut(body))
	}
	return body
}

// TestReadme does everything that README.md says, from top to bottom.
func TestReadme(t *testing.T) {
	r := newReader(t)
	demo, err := os.ReadFile(filepath.Join("..", "conf", "examples", "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "conf/examples/demo.yaml", string(demo))
	seen := map[string]int{}
	for _, b := range blocks(t, "README.md") {
		seen[b.language]++
		t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
			switch b.language {
			case "": // a drawing
			case "sh":
				for line := range strings.Lines(b.text) {
					r.do(t, strings.TrimSpace(line))
				}
			case "php":
				r.snippet(t, b, "php", "snippet.php", "hello PHP\n")
			case "python":
				r.snippet(t, b, "python3", "snippet.py", "hello Python\n")
			case "yaml":
				r.stop()
				r.write(t, "motand.yaml", b.text)
			default:
				t.Errorf("README has a block of %s, which this test cannot run", b.language)
			}
		})
	}
	for language, least := range map[string]int{"sh": 4, "php": 1, "python": 1, "yaml": 1} {
		if seen[language] < least {
			t.Errorf("README has %d blocks of %s, want at least %d", seen[language], language, least)
		}
	}
	r.stop()
}

func (r *reader) snippet(t *testing.T, b block, program, name, want string) {
	t.Helper()
	need(t, program)
	r.write(t, name, b.text)
	if got := run(t, 0, r.dir, program, name); got != want {
		t.Errorf("the snippet of line %d printed %q, want %q", b.line, got, want)
	}
}

var wantedStatus = regexp.MustCompile(`# (\d{3}):`)

// TestHTTPReadme runs the commands of httpbridge/README.md that call the demo. A comment may name the status that is not 200.
func TestHTTPReadme(t *testing.T) {
	need(t, "curl")
	r := newReader(t)
	demo, err := os.ReadFile(filepath.Join("..", "conf", "examples", "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "conf/examples/demo.yaml", string(demo))
	r.start("bin/motand run -c conf/examples/demo.yaml")
	n := 0
	for _, b := range blocks(t, "httpbridge/README.md") {
		if b.language != "sh" || !strings.Contains(b.text, "127.0.0.1:9983/rpc") {
			continue
		}
		for _, command := range strings.Split("\n"+b.text, "\ncurl ")[1:] { // some take more than one line
			n++
			status := "200"
			if found := wantedStatus.FindStringSubmatch(command); found != nil {
				status, command = found[1], command[:strings.Index(command, "#")]
			}
			if body := r.curl(t, "curl "+command, status); body == "" || status == "200" && strings.Contains(body, "errcode") {
				t.Errorf("line %d: curl %s: got %q", b.line, command, body)
			}
		}
	}
	if n < 6 {
		t.Errorf("ran %d commands, want those of each way to call", n)
	}
}

// TestGreeting runs each command that motand prints when it runs the demo.
func TestGreeting(t *testing.T) {
	need(t, "curl")
	r := newReader(t)
	demo, err := os.ReadFile(filepath.Join("..", "conf", "examples", "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "conf/examples/demo.yaml", string(demo))
	r.start("bin/motand run -c conf/examples/demo.yaml")
	var ways []string
	for line := range strings.Lines(r.running.Output()) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "curl ") && strings.Contains(line, "|"), strings.HasPrefix(line, "bin/motand "):
			ways = append(ways, line)
			if out := run(t, 0, r.dir, "sh", "-c", line); strings.TrimSpace(out) == "" {
				t.Errorf("%s: printed nothing", line)
			}
		case strings.HasPrefix(line, "curl ") && strings.Contains(line, "/fail"):
			ways = append(ways, line)
			if body := r.curl(t, line, "500"); !strings.HasPrefix(body, `{"errcode":`) {
				t.Errorf("%s: got %s, want an error in JSON", line, body)
			}
		case strings.HasPrefix(line, "curl "):
			ways = append(ways, line)
			r.curl(t, line, "200")
		}
	}
	if len(ways) < 5 {
		t.Errorf("motand printed %q, want a command for each way in:\n%s", ways, r.running.Output())
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows the links of all documents to files of the project.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join("..", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*", "*/*", "*/*/*"} {
		more, err := filepath.Glob(filepath.Join("..", pattern, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, more...)
	}
	n := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(found[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", document, found[1])
			}
		}
	}
	if n < 5 {
		t.Errorf("followed %d links, want those of README.md at least", n)
	}
}

// TestListensOnLoopback holds that other hosts reach the export port alone unless the configuration says more.
func TestListensOnLoopback(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux has a second address, 127.0.0.2, on every host")
	}
	d := startMotand(t, demoYAML)
	for name, want := range map[string]bool{"motan": false, "http": false, "mgmt": false, "export": true} {
		_, port, err := net.SplitHostPort(d.addr(name))
		if err != nil {
			t.Fatal(err)
		}
		if got := listens("127.0.0.2:" + port); got != want {
			t.Errorf("port %s reached at 127.0.0.2: got %t, want %t", name, got, want)
		}
	}
}

// demoYAML exports the built-in demo service and refers to it, all within one motand.
const demoYAML = agentYAML + `
motan-registry:
  embedded: {protocol: local}
motan-refer:
  demo: {path: com.example.DemoService, group: demo, protocol: motan2, registry: embedded, requestTimeout: 20000}
motan-service:
  demo: {path: com.example.DemoService, group: demo, protocol: motan2, provider: demo, export: "motan2:{{.export}}", registry: embedded}
`
