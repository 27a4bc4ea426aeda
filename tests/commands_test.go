package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// command runs motand with the arguments, for the agent d where that is not nil.
func command(t *testing.T, d *daemon, args ...string) (out, problems string, code int) {
	t.Helper()
	exe, err := buildMotand()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = environment()
	if d != nil {
		cmd.Env = append(cmd.Env, "MOTAND_MANAGEMENT="+d.addr("mgmt"))
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestCommands asks a running agent as an operator does.
func TestCommands(t *testing.T) {
	p := newProvider(t, "127.0.0.1", echo)
	yaml := strings.Replace(outboundYAML("com.example.Asked", p.listener.Addr().String()), "accessLog: off", "accessLog: {{.dir}}/calls.log", 1) +
		"switcher: {one_rateLimit: true}\nmetrics: {period: 1}\n"
	yaml = strings.Replace(yaml, "serialization: simple}", "serialization: simple, filter: rateLimit, rateLimit: 100000}", 1)
	d := startMotand(t, yaml)
	motantest.Dial(t, d.addr("motan")).Call(motantest.Request("com.example.Asked", "hello", []byte("x"), "M_g", "demo"))

	out, problems, code := command(t, d, "status")
	if code != 0 || !strings.Contains(out, "ready") || !strings.Contains(out, d.addr("motan")) {
		t.Errorf("status: got %d %s%s", code, out, problems)
	}
	out, _, code = command(t, d, "status", "-o", "json")
	var status struct {
		State string
		PID   int
	}
	if err := json.Unmarshal([]byte(out), &status); code != 0 || err != nil || status.PID != d.cmd.Process.Pid {
		t.Errorf("status -o json: got %d %s (%v)", code, out, err)
	}
	if out, problems, code = command(t, d, "switch", "one_rateLimit", "10% for shop"); code != 0 || out != "one_rateLimit is 10% for shop\n" {
		t.Errorf("switch: got %d %s%s", code, out, problems)
	}
	if out, _, code = command(t, d, "switch", "one_rateLimit"); code != 0 || !strings.Contains(out, "10% for shop") {
		t.Errorf("switch: got %d %s", code, out)
	}
	if _, problems, code = command(t, d, "switch", "nobody", "true"); code != 3 || !strings.Contains(problems, "no switch") {
		t.Errorf("switch of none: got %d %s", code, problems)
	}

	if out, problems, code = command(t, d, "diff"); code != 0 || out != "nothing would change\n" {
		t.Errorf("diff of the same: got %d %s%s", code, out, problems)
	}
	path := filepath.Join(d.dir, "motan.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), "requestTimeout: 30000", "requestTimeout: 20000", 1)
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, problems, code = command(t, d, "diff"); code != 1 || !strings.Contains(out, "~ motan-refer.one.requestTimeout: 30000 -> 20000  # "+path+":") {
		t.Errorf("diff: got %d %s%s", code, out, problems)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("motan-refers: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems, code = command(t, d, "diff", "-c", broken); code != 1 || !strings.Contains(problems, `motan.yaml:1:1: unknown section "motan-refers"; did you mean "motan-refer"?`) {
		t.Errorf("diff of a broken file: got %d %s", code, problems)
	}
	if _, problems, code = command(t, nil, "status", "-m", "127.0.0.1:1"); code != 3 || !strings.Contains(problems, "no agent at 127.0.0.1:1") {
		t.Errorf("status of nobody: got %d %s", code, problems)
	}
	if status, _, err := fetch(http.MethodPost, d.url("mgmt", "/api/v1/reload"), ""); err != nil || status != http.StatusOK {
		t.Errorf("reload: got %d, %v", status, err)
	}
	if out, _, code = command(t, d, "diff"); code != 0 {
		t.Errorf("diff after the reload: got %d %s", code, out)
	}
}

// TestTailCommand follows the calls that fail.
func TestTailCommand(t *testing.T) {
	d := startMotand(t, strings.Replace(outboundYAML("com.example.Gone", "127.0.0.1:"+strconv.Itoa(freePort(t))), "accessLog: off", "accessLog: {{.dir}}/calls.log", 1))
	exe, err := buildMotand()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, exe, "tail", "--failed", "-m", d.addr("mgmt"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { err = cmd.Wait() }) // ends with the command
	client := motantest.Dial(t, d.addr("motan"))
	await(t, "the line of a call that failed", func() bool {
		client.Call(motantest.Request("com.example.Gone", "hello", nil, "M_g", "demo"))
		return strings.Contains(out.String(), "|com.example.Gone|hello|")
	})
	cancel()
	wait.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("got exit code %d (%v) after an interrupt: %s", code, err, out.String())
	}
}

// TestGeneratedTexts makes what is generated of the commands' and the keys' definitions, and has real programs read it.
func TestGeneratedTexts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if _, problems, code := command(t, nil, "man", dir); code != 0 {
		t.Fatalf("man: got %d %s", code, problems)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "motand*.1"))
	if err != nil || len(pages) < 15 {
		t.Errorf("got %d man pages, %v", len(pages), err)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, problems, code := command(t, nil, "completion", shell)
		if code != 0 || !strings.Contains(out, "motand") {
			t.Errorf("completion %s: got %d %s", shell, code, problems)
		}
		if exe, err := exec.LookPath(shell); err == nil {
			check := exec.CommandContext(t.Context(), exe, "-n")
			check.Stdin = strings.NewReader(out)
			if said, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s -n: %v\n%s", shell, err, said)
			}
		}
	}
	out, _, code := command(t, nil, "schema")
	var schema struct {
		Properties map[string]any
	}
	if err := json.Unmarshal([]byte(out), &schema); code != 0 || err != nil || len(schema.Properties) < 15 {
		t.Errorf("schema: got %d, %v, %d properties", code, err, len(schema.Properties))
	}
	out, problems, code := command(t, nil, "config", "-w", "-c", example(t, "direct.yaml"))
	if code != 0 || !strings.Contains(out, "motan-refer.orders.path") || !strings.Contains(out, "direct.yaml:") {
		t.Errorf("config: got %d %s%s", code, out, problems)
	}
}

func example(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "conf", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
