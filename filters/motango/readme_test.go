package motango

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// blocks are the fenced blocks of a language in README.md.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i, part := range strings.Split(string(text), "```") {
		if code, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 {
			all = append(all, code)
		}
	}
	return all
}

// TestReadme builds the program of README.md in a module of its own, with the filter that stands there, runs it with the configuration
// that stands there, and sees the filter act in both directions.
func TestReadme(t *testing.T) {
	code, yaml := blocks(t, "go"), blocks(t, "yaml")
	if len(code) != 2 || len(yaml) != 1 {
		t.Fatalf("README.md has %d blocks of Go and %d of YAML, want 2 and 1", len(code), len(yaml))
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", code[0])
	write("audit.go", code[1])
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	write("go.mod", "module example.com/my-motand\n\ngo 1.26.8\n"+
		"\nrequire github.com/motand/motand/filters/motango v0.0.0\n"+genproto(t)+
		"\nreplace github.com/motand/motand/filters/motango => "+here+
		"\nreplace github.com/motand/motand => "+filepath.Join(here, "..", "..")+"\n")
	write("go.sum", read(t, "go.sum"))
	command(t, dir, "go", "mod", "tidy")
	command(t, dir, "go", "build", "-o", "my-motand", ".")

	ports := make([]string, 4)
	for i := range ports {
		ports[i] = freePort(t)
	}
	write("motan.yaml", "motan-agent: {application: a, propagationDelay: 0, accessLog: off}\n"+strings.ReplaceAll(yaml[0], "9982", ports[1]))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	agent := exec.CommandContext(ctx, filepath.Join(dir, "my-motand"), "run", "-c", "motan.yaml", "--port", ports[0], "--eport", ports[1], "--hport", ports[2], "--mport", ports[3])
	var out bytes.Buffer
	agent.Dir, agent.Stdout, agent.Stderr = dir, &out, &out
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = agent.Wait() // it was killed
		if t.Failed() {
			t.Log(out.String())
		}
	}()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	call := func() (*http.Response, error) {
		return client.Post("http://127.0.0.1:"+ports[2]+"/rpc/com.example.DemoService/hello", "application/json", strings.NewReader(`["world"]`))
	}
	for end := time.Now().Add(time.Minute); ; {
		answer, err := call()
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				if got := answer.Header.Get("Motan-Meta-Audited-At"); got != "north" {
					t.Errorf("got audited-at %q of %s, want the filter's", got, body)
				}
				return
			}
			err = fmt.Errorf("%s: %s", answer.Status, body)
		}
		if time.Now().After(end) {
			t.Fatalf("no answer: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// genproto is the requirement that README.md tells to add.
func genproto(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(strings.Join(blocks(t, "sh"), "")) {
		if version, ok := strings.CutPrefix(line, "go get google.golang.org/genproto@"); ok {
			return "require google.golang.org/genproto " + strings.Fields(version)[0] + "\n"
		}
	}
	t.Fatal("README.md has no go get google.golang.org/genproto@...")
	return ""
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
