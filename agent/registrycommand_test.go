package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// library is a registry to look through.
type library struct {
	registry.Static
	entries []registry.Entry
	err     error
}

func (l *library) Groups(context.Context) ([]string, error) {
	return []string{"books", "ma\x1b[31mps"}, l.err
}

func (l *library) Services(_ context.Context, group string) ([]string, error) {
	if group != "books" {
		return nil, l.err
	}
	return []string{"svc"}, l.err
}

func (l *library) Entries(_ context.Context, _, service string) ([]registry.Entry, error) {
	if service != "svc" {
		return nil, l.err
	}
	return l.entries, l.err
}

// lookInto runs motand registry with words on a registry called library, and one that cannot be looked through.
func lookInto(t *testing.T, l *library, words ...string) (out, errors string, err error) {
	t.Helper()
	x := Default()
	x.Registries["library"] = func(r *conf.Registry, _ RegistryEnv) (registry.Registry, error) {
		if strings.Join(r.Address, ",")+r.Params["chroot"] != "h:1,h:2/f" {
			t.Errorf("address: got %q %v", r.Address, r.Params)
		}
		return l, nil
	}
	x.Registries["closed"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return new(registry.Static), nil }
	cmd := rootCommand(x)
	var stdout, stderr bytes.Buffer
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(append([]string{"registry"}, words...))
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func TestRegistryCommand(t *testing.T) {
	const address = "--address=library://h:1,h:2/f"
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	l := &library{entries: []registry.Entry{
		{Kind: "server", Name: "10.0.0.1:80", Text: "motan2://10.0.0.1:80/svc", Session: "0x1", Modified: at, Node: registry.Node{
			Service: registry.Service{Protocol: "motan2", Version: "1.0"}, Params: map[string]string{"application": "shelf"},
		}},
		{Kind: "client", Name: "ba\td", Problem: "no\nURL", Modified: at},
	}}
	tests := []struct {
		name  string
		words []string
		want  []string // what the output has; none: no output
	}{
		{"groups, a terminal is safe", []string{"ls", address}, []string{"books\nma?[31mps\n"}},
		{"services", []string{"ls", "books", address}, []string{"svc\n"}},
		{"services of nothing", []string{"ls", "none", address}, nil},
		{"json of nothing", []string{"ls", "none", "-o", "json", address}, []string{"[]\n"}},
		{"entries", []string{"get", "books", "svc", address}, []string{
			"KIND    NAME         PROTOCOL  VERSION  APPLICATION  SESSION  WRITTEN              PROBLEM\n",
			"server  10.0.0.1:80  motan2    1.0      shelf        0x1      2026-01-02 03:04:05", "client  ba?d", "no?URL",
		}},
		{"entries with URLs", []string{"get", "books", "svc", "-l", address}, []string{"motan2://10.0.0.1:80/svc\n"}},
		{"entries of nothing", []string{"get", "books", "none", address}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, _, err := lookInto(t, l, tt.words...)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("got:\n%swant %q in it", out, want)
				}
			}
			if tt.want == nil && out != "" {
				t.Errorf("got:\n%swant no output", out)
			}
		})
	}
	out, _, err := lookInto(t, l, "get", "books", "svc", "-o", "json", address)
	var got []map[string]any
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got) != 2 || got[0]["session"] != "0x1" || got[1]["problem"] != "no\nURL" {
		t.Errorf("json: got %v, %s", err, out)
	}
}

func TestRegistryCommandRefuses(t *testing.T) {
	config := filepath.Join(t.TempDir(), "c.yaml")
	text := "motan-agent:\n  application: a\nmotan-registry:\n  one: {protocol: closed, address: 'h:1'}\n  two: {protocol: closed, address: 'h:1'}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		words []string
		want  string
		code  int
	}{
		{"no such command", []string{"rm"}, "knows ls, get and watch", 3},
		{"address without protocol", []string{"ls", "--address", "h:1"}, "--address must be such as", 1},
		{"protocol", []string{"ls", "--address", "books://h:1"}, "--address must be such as", 1},
		{"output", []string{"ls", "-o", "xml", "--address", "library://h:1"}, "--output is table or json", 1},
		{"time", []string{"ls", "-t", "0s", "--address", "library://h:1"}, "--timeout must be more than 0", 1},
		{"several", []string{"ls", "-c", config}, "choose one with -r: one, two", 1},
		{"unknown", []string{"ls", "-c", config, "-r", "three"}, `registry "three" is not one of one, two`, 1},
		{"not to be looked through", []string{"ls", "-c", config, "-r", "two"}, "cannot be looked through", 3},
		{"no configuration", []string{"ls", "-c", config + ".none"}, "c.yaml.none", 1},
		{"too few words", []string{"get", "books"}, "accepts 2 arg(s)", 3},
		{"watch of nothing", []string{"watch", "books", "none", "--address=library://h:1,h:2/f"}, "the registry has no service none", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := lookInto(t, new(library), tt.words...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || ExitCode(err) != tt.code {
				t.Errorf("got %v (exit code %d), want %q (%d)", err, ExitCode(err), tt.want, tt.code)
			}
		})
	}
	if _, _, err := lookInto(t, &library{err: context.DeadlineExceeded}, "ls", "--address=library://h:1,h:2/f"); err == nil ||
		!strings.Contains(err.Error(), "no answer within 10s") {
		t.Errorf("a registry that is silent: got %v", err)
	}
}

func TestRegistryWatch(t *testing.T) {
	l := new(library)
	s := registry.Service{Group: "books", Path: "svc"}
	node := func(host string) registry.Node {
		return registry.Node{Service: s, Host: host, Port: 80, Available: true}
	}
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(chan string, 16)
	done := make(chan error, 1)
	o := registryOptions{timeout: time.Minute, output: "table"}
	go func() { done <- o.watch(ctx, lineWriter(lines), l, s) }() // ends with ctx
	l.Set(s, node("a"))
	expect := func(want string) {
		t.Helper()
		for line := range lines { // the first list may still be empty
			if _, line, _ = strings.Cut(line, "  "); line != "0 nodes\n" {
				if line != want {
					t.Errorf("got %q, want %q", line, want)
				}
				return
			}
		}
	}
	expect("1 nodes  +a:80\n")
	l.Set(s, node("a"), node("b"))
	expect("2 nodes  +b:80\n")
	changed := node("b")
	changed.Params = map[string]string{"weight": "5"}
	l.Set(s, node("a"), changed)
	expect("2 nodes  parameters changed\n")
	l.Set(s, changed)
	expect("1 nodes  -a:80\n")
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// lineWriter hands on what is written, line by line.
type lineWriter chan<- string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
