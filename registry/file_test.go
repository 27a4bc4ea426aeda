package registry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const exampleList = `
services:
  - path: com.example.HelloService
    group: test-group
    nodes:
      - 10.0.0.1:8002
      - {address: "10.0.0.2:8002", weight: 5, version: 1.10, protocol: motan}
      - "[::1]:8002"
      - unix:///run/hello.sock
  - path: com.example.Empty
    group: test-group
    nodes: []
`

func TestParseList(t *testing.T) {
	lists, err := parseList([]byte(exampleList))
	if err != nil {
		t.Fatal(err)
	}
	nodes := lists[hello.key()]
	if len(lists) != 2 || len(nodes) != 4 {
		t.Fatalf("got %+v", lists)
	}
	n := nodes[1]
	if n.Version != "1.10" || n.Protocol != "motan" || n.Params["weight"] != "5" || !n.Available || n.Group != "test-group" {
		t.Errorf("got %+v; want values as they are written", n)
	}
	if nodes[0].Protocol != "motan2" || nodes[0].Params != nil {
		t.Errorf("got %+v", nodes[0])
	}
}

func TestParseListRefuses(t *testing.T) {
	service := func(nodes string) string { return "services:\n  - path: s\n    nodes:\n" + nodes }
	tests := []struct{ name, text, want string }{
		{"empty", " \n", "write \"services: []\""},
		{"not YAML", "services: [", "line 1"},
		{"a word", "services", "cannot unmarshal"},
		{"unknown key", "service: []", "not found"},
		{"unknown key of a service", "services:\n  - path: s\n    node: []\n", "line 3: unknown key \"node\""},
		{"no path", "services:\n  - group: g\n", "line 2: a service without path"},
		{"twice", "services:\n  - path: s\n  - path: s\n", "line 3: service s"},
		{"no port", service("      - 10.0.0.1\n"), "line 4: address \"10.0.0.1\": it has no port"},
		{"name that begins like unix", service("      - ubuntu\n"), "it has no port"},
		{"bad host", service("      - a b:1\n"), "neither an address nor a name"},
		{"no address", service("      - {weight: 1}\n"), "line 4: address \"\""},
		{"node twice", service("      - h:1\n      - h:1\n"), "node h:1 is there twice"},
		{"nested parameter", service("      - {address: \"h:1\", weight: [1]}\n"), "line 4: weight"},
		{"a list as node", service("      - [h:1]\n"), "line 4: a node is host:port"},
		{"two documents", "services: []\n---\nservices: []\n", "more than one document"},
		{"bomb", "services: []\na: &a [x,x,x,x,x,x,x,x,x]\n" + bomb(), ""},
		{"deep", strings.Repeat("[", 100000), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lists, err := parseList([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, error %v; want an error with %q", lists, err, tt.want)
			}
		})
	}
}

// bomb is nine levels of nine references each.
func bomb() string {
	var b strings.Builder
	for c := 'b'; c < 'j'; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	return b.String()
}

func FuzzList(f *testing.F) {
	f.Add([]byte(exampleList))
	f.Add([]byte("services: [{path: s, nodes: [{address: 'h:1', <<: {a: b}}]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := parseList(data)
		if err != nil {
			return
		}
		for k, nodes := range lists {
			for _, n := range nodes {
				if n.Path != k.path || n.Path == "" || n.Addr() == "" || !n.Available {
					t.Errorf("got %+v", n)
				}
			}
		}
	})
}

// list returns the text of a file with one service at the ports.
func list(ports ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "services:\n  - path: %s\n    group: %s\n    nodes:\n", hello.Path, hello.Group)
	for _, p := range ports {
		fmt.Fprintf(&b, "      - 10.0.0.1:%d\n", p)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openFile(t *testing.T, path string, poll time.Duration) *File {
	t.Helper()
	f, err := NewFile(FileOptions{Path: path, Poll: poll, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every way in which files are replaced is seen by the kernel's notices alone.
func TestFileChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nodes.yaml")
	f := openFile(t, path, time.Hour)
	write(t, path, list(1))
	got := watch(t.Context(), t, f, hello)
	got.expect(t, "10.0.0.1:1")

	write(t, path, list(2))
	got.expect(t, "10.0.0.1:2")

	write(t, path+".new", list(3))
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	got.expect(t, "10.0.0.1:3")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if st := f.State(); st.Connected || !strings.Contains(st.LastError, "no such file") {
			return fmt.Sprintf("state: got %+v, want the file missed", st)
		}
		return ""
	})
	got.expect(t, "10.0.0.1:3")
	write(t, path, list(3, 4))
	got.expect(t, "10.0.0.1:3", "10.0.0.1:4")
	write(t, path, "services: []\n")
	got.expect(t)
	if st := f.State(); !st.Connected || st.LastError != "" || len(st.Watches) != 1 || st.Watches[0].Stale {
		t.Errorf("state: got %+v", st)
	}
}

// Configuration tools replace a folder by turning a symbolic link: nodes.yaml -> ..data/nodes.yaml, ..data -> ..1.
func TestFileSymlinkFlip(t *testing.T) {
	dir := t.TempDir()
	for i := 1; i <= 2; i++ {
		sub := filepath.Join(dir, fmt.Sprintf("..%d", i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(sub, "nodes.yaml"), list(i))
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link("..data/nodes.yaml", "nodes.yaml")
	f := openFile(t, filepath.Join(dir, "nodes.yaml"), time.Hour)
	got := watch(t.Context(), t, f, hello)
	got.expect(t, "10.0.0.1:1")
	link("..2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	got.expect(t, "10.0.0.1:2")
}

// Without notices, here because the folder does not exist at first, polling finds the file.
func TestFilePolls(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	f := openFile(t, filepath.Join(dir, "nodes.yaml"), 10*time.Millisecond)
	got := watch(t.Context(), t, f, hello)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nodes.yaml"), list(1))
	got.expect(t, "10.0.0.1:1")
}

func TestFileKeepsLastGood(t *testing.T) {
	for name, text := range map[string]string{
		"broken": "services: [", "empty": "", "mistake": list(1) + "      - nonsense\n", "big": list(1) + strings.Repeat("#", maxListBytes),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "nodes.yaml")
			write(t, path, list(1))
			f := openFile(t, path, time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := watch(ctx, t, f, hello)
			got.expect(t, "10.0.0.1:1")
			write(t, path, text)
			eventually(t, func() string {
				if st := f.State(); st.Connected || st.LastError == "" {
					return fmt.Sprintf("state: got %+v, want an error", st)
				}
				return ""
			})
			if nodes, _ := got.latest(); len(nodes) != 1 {
				t.Errorf("list: got %v, want the last good one", addrs(nodes))
			}
			write(t, path, list(1, 2))
			got.expect(t, "10.0.0.1:1", "10.0.0.1:2")
			if st := f.State(); !st.Connected || st.LastError != "" {
				t.Errorf("state after the repair: got %+v", st)
			}
		})
	}
}

// The goroutine ends with the last watch and begins again with the next.
func TestFileRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.yaml")
	write(t, path, list(1))
	f := openFile(t, path, time.Hour)
	for port := 1; port <= 3; port++ {
		ctx, cancel := context.WithCancel(t.Context())
		got := watch(ctx, t, f, hello)
		got.expect(t, fmt.Sprintf("10.0.0.1:%d", port))
		cancel()
		eventually(t, func() string {
			f.mu.Lock()
			stopped := f.stopped
			f.mu.Unlock()
			select {
			case <-stopped:
				return ""
			default:
				return "the goroutine has not ended"
			}
		})
		write(t, path, list(port+1))
	}
	if err := f.Announce(t.Context(), node(t, "10.0.0.9:1")); err != nil {
		t.Errorf("announce: %v", err)
	}
	if _, err := NewFile(FileOptions{}); err == nil {
		t.Error("a file without path was accepted")
	}
}
