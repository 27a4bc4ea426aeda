package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOwnFilter builds the program of filters/README.md with the filter that stands there, in a module of its own, and
// runs it with the configuration that stands there.
func TestOwnFilter(t *testing.T) {
	text, err := os.ReadFile("../filters/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var code, settings []string
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 0 {
			continue
		}
		if block, ok := strings.CutPrefix(part, "go\n"); ok {
			code = append(code, block)
		}
		if block, ok := strings.CutPrefix(part, "yaml\n"); ok && strings.Contains(block, `"zone"`) {
			settings = append(settings, block)
		}
	}
	if len(code) != 2 || len(settings) != 1 {
		t.Fatalf("got %d blocks of Go and %d of YAML with the filter, want 2 and 1", len(code), len(settings))
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	s := newSetup(t)
	for name, content := range map[string]string{
		"main.go": code[0], "zone.go": code[1], "go.sum": string(sum),
		"go.mod": strings.Replace(string(mod), "module "+module, "module example.com/my-motand", 1) +
			"\nrequire " + module + " v0.0.0\nreplace " + module + " => " + root + "\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, 0, s.dir, "go", "build", "-mod=mod", "-o", "my-motand", ".")
	exe := filepath.Join(s.dir, "my-motand")
	yaml := strings.ReplaceAll(settings[0], "9982", "{{.export}}")

	broken := s.configure(agentYAML + strings.Replace(yaml, "zone.name: north", "", 1))
	checked := startProcess(t, "my-motand check", s.dir, exe, "check", "-c", broken)
	if code, out := checked.Wait(), checked.Output(); code != 1 || !strings.Contains(out, "zone.name: is missing") || !strings.Contains(out, "motan.yaml:") {
		t.Errorf("check ends with %d and says %s, want 1, what is missing and where", code, out)
	}
	p := startProcess(t, "my-motand", s.dir, exe, "run", "-c", s.configure(agentYAML+yaml))
	d := &daemon{t: t, process: p, setup: s}
	t.Cleanup(p.Kill)
	await(t, "the program to be ready", func() bool {
		status, _, err := fetch("GET", d.url("mgmt", "/readyz"), "")
		return err == nil && status == 200
	})
	answer := d.rpc("com.example.DemoService", "hello", `["world"]`)
	if got := answer.header.Get("Motan-Meta-Zone"); answer.status != 200 || got != "north" {
		t.Errorf("got %d %s in zone %q, want the zone that the filter tells", answer.status, answer.body, got)
	}
	if answer := d.rpc("com.example.DemoService", "hello", `["world"]`, "Motan-Meta-zone", "south"); !strings.Contains(answer.body, "zone north does not answer calls from zone south") {
		t.Errorf("got %d %s, want that the filter refuses it", answer.status, answer.body)
	}
}
