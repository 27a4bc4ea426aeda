package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// silent is a registry that cannot be reached: it accepts everything and tells nothing.
type silent struct{}

func (silent) Watch(context.Context, Service, func([]Node)) error { return nil }
func (silent) Announce(context.Context, Node) error               { return nil }

// flushed closes c, so that all is on disk.
func flushed(t *testing.T, c *Cache) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// What one process knew, the next one hands out until its registry tells something.
func TestCacheOverRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "snapshot")
	var reg Static
	a := node(t, "10.0.0.1:8002")
	a.Params["url"] = "http://x/?a=%s&b" // even what is never registered
	b := node(t, "unix:///run/a.sock")
	c := Cached(&reg, dir, testLog(t))
	reg.Set(hello, a, b)
	watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:8002", "unix:///run/a.sock")
	flushed(t, c)

	next := Cached(silent{}, dir, testLog(t))
	got := watch(t.Context(), t, next, hello).expect(t, "10.0.0.1:8002", "unix:///run/a.sock")
	if !sameNode(got[0], a) || !sameNode(got[1], b) {
		t.Errorf("got %+v and %+v; want nothing lost", got[0], got[1])
	}
	st := next.State()
	if len(st.Watches) != 1 || !st.Watches[0].Stale || !st.Watches[0].Updated.IsZero() || st.Watches[0].Nodes != 2 {
		t.Errorf("state: got %+v", st)
	}

	path := filepath.Join(dir, "test-group_com.example.HelloService")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Fatalf("file: got %v, %v; want mode 0644", info, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Group, Path string
		Nodes       []struct{ ExtInfo, Address string }
	}
	if err := json.Unmarshal(data, &file); err != nil || file.Group != hello.Group || file.Path != hello.Path ||
		len(file.Nodes) != 2 || file.Nodes[0].Address != "10.0.0.1:8002" {
		t.Errorf("file: got %s, %v", data, err)
	}
	if !bytes.HasPrefix(data, []byte(`{"group":"test-group","path":"com.example.HelloService","nodes":[{"extInfo":"motan2://`)) {
		t.Errorf("file: got %s; want motan-go's order of keys", data)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("folder: got %v, %v; want one file", left, err)
	}
}

func TestCacheLiveReplacesDisk(t *testing.T) {
	dir := t.TempDir()
	if err := writeSnapshot(dir, hello.key(), []Node{node(t, "10.0.0.9:1")}); err != nil {
		t.Fatal(err)
	}
	var reg Static
	reg.Set(hello, node(t, "10.0.0.1:1"))
	c := Cached(&reg, dir, testLog(t))
	watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:1")
	eventually(t, func() string {
		if w := c.State().Watches; len(w) != 1 || w[0].Stale || w[0].Updated.IsZero() {
			return fmt.Sprintf("state: got %+v", w)
		}
		return ""
	})
	flushed(t, c)
	nodes, err := readSnapshot(dir, hello)
	if err != nil || len(nodes) != 1 || nodes[0].Addr() != "10.0.0.1:1" {
		t.Errorf("disk: got %v, %v", addrs(nodes), err)
	}
}

// An empty list replaces nothing, neither what came live nor what is on disk, unless that is allowed.
func TestCacheEmptyList(t *testing.T) {
	tests := []struct {
		name    string
		onDisk  bool
		options []CacheOption
		want    []string
	}{
		{"live", false, nil, []string{"10.0.0.1:1"}},
		{"from disk", true, nil, []string{"10.0.0.1:1"}},
		{"allowed", false, []CacheOption{AllowEmpty()}, nil},
		{"allowed, from disk", true, []CacheOption{AllowEmpty()}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var reg Static
			if tt.onDisk {
				if err := writeSnapshot(dir, hello.key(), []Node{node(t, "10.0.0.1:1")}); err != nil {
					t.Fatal(err)
				}
			} else {
				reg.Set(hello, node(t, "10.0.0.1:1"))
			}
			c := Cached(&reg, dir, testLog(t), tt.options...)
			got := watch(t.Context(), t, c, hello)
			if !tt.onDisk {
				got.expect(t, "10.0.0.1:1")
				reg.Set(hello)
			}
			got.expect(t, tt.want...)
			eventually(t, func() string {
				w := c.State().Watches[0]
				if ignored := strings.Contains(w.LastError, "1 known before are kept"); ignored != (tt.want != nil) {
					return fmt.Sprintf("state: got %+v", w)
				}
				return ""
			})
			got.expect(t, tt.want...)
			reg.Set(hello, node(t, "10.0.0.2:1"))
			got.expect(t, "10.0.0.2:1")
			if w := c.State().Watches[0]; w.LastError != "" || w.Stale {
				t.Errorf("state after nodes came back: got %+v", w)
			}
			flushed(t, c)
		})
	}
}

// A service that never had a node is told to have none: that is knowledge as well.
func TestCacheUnknownService(t *testing.T) {
	var reg Static
	c := Cached(&reg, t.TempDir(), testLog(t))
	watch(t.Context(), t, c, hello).expect(t)
	flushed(t, c)
}

func TestDecodeSnapshot(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // addresses, or part of the error after "!"
	}{
		{"motan-go", `{"group":"test-group","path":"com.example.HelloService","nodes":[{"extInfo":"","address":"10.0.0.9:8002"}]}`, "10.0.0.9:8002"},
		{"php", `{"nodes":{"working":[{"host":"10.0.0.9:8002"},{"host":"10.0.0.8:8002"}]}}`, "10.0.0.8:8002 10.0.0.9:8002"},
		{"bad URL", `{"nodes":[{"extInfo":"rubbish","address":"h:1"}]}`, "h:1"},
		{"one bad", `{"nodes":[{"address":"a b"},{"address":"h:1"}]}`, "h:1"},
		{"other service", `{"path":"com.example.Other","nodes":[{"address":"h:1"}]}`, "!holds service"},
		{"other group", `{"group":"g","nodes":[{"address":"h:1"}]}`, "!holds service"},
		{"empty", ``, "!unexpected end"},
		{"cut off", `{"group":"test-group","path":"com.exa`, "!unexpected end"},
		{"not JSON", "\x00\x01", "!invalid character"},
		{"array", `[]`, "!cannot unmarshal"},
		{"no nodes", `{}`, "!its nodes"},
		{"nodes a word", `{"nodes":"x"}`, "!its nodes"},
		{"empty nodes", `{"nodes":[]}`, "!none of its 0 nodes"},
		{"deep", strings.Repeat("[", 20000), "!exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nodes, err := decodeSnapshot(hello, []byte(tt.text))
			if want, bad := strings.CutPrefix(tt.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, %v; want an error with %q", addrs(nodes), err, want)
				}
				return
			}
			if got := strings.Join(addrs(nodes), " "); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
			for _, n := range nodes {
				if n.Group != hello.Group || n.Path != hello.Path || n.Protocol != "motan2" || !n.Available {
					t.Errorf("got %+v", n)
				}
			}
		})
	}
}

// A snapshot that cannot be used costs a warning and nothing else.
func TestCacheIgnoresBadFile(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"corrupt": func(path string) error { return os.WriteFile(path, []byte(`{"nodes":[{`), 0o600) },
		"folder":  func(path string) error { return os.Mkdir(path, 0o755) },
		"loop":    func(path string) error { return os.Symlink(path, path) },
		"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"large":   func(path string) error { return os.WriteFile(path, make([]byte, maxSnapshotBytes+1), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := prepare(filepath.Join(dir, snapshotName(hello.key()))); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			var reg Static
			reg.Set(hello, node(t, "10.0.0.1:1"))
			c := Cached(&reg, dir, slog.New(slog.NewTextHandler(&log, nil)))
			watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:1")
			flushed(t, c)
			if !strings.Contains(log.String(), "snapshot ignored") {
				t.Errorf("log: got %s", log.String())
			}
		})
	}
}

func TestSnapshotName(t *testing.T) {
	tests := []struct{ group, path, want string }{
		{"test-group", "com.example.HelloService", "test-group_com.example.HelloService"},
		{"../../etc", "passwd", "%2E.%2F..%2Fetc_passwd"},
		{"", "..", "_.."},
		{"g", "a/b\\c%\x00", "g_a%2Fb%5Cc%25%00"},
		{".hidden", "s", "%2Ehidden_s"},
	}
	for _, tt := range tests {
		got := snapshotName(serviceKey{tt.group, tt.path})
		if got != tt.want {
			t.Errorf("%q, %q: got %s, want %s", tt.group, tt.path, got, tt.want)
		}
		if dir := t.TempDir(); filepath.Dir(filepath.Join(dir, got)) != dir {
			t.Errorf("%s leaves the folder", got)
		}
	}
}

// A folder that cannot be written to costs an error in the state, and is written to when it can be.
func TestSnapshotterFailure(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "snapshot")
	write(t, dir, "a file in the way")
	var reg Static
	reg.Set(hello, node(t, "10.0.0.1:1"))
	c := Cached(&reg, dir, testLog(t))
	got := watch(t.Context(), t, c, hello)
	got.expect(t, "10.0.0.1:1")
	eventually(t, func() string {
		if st := c.State(); st.Extra["snapshot_failures"] == 0 || !strings.Contains(st.LastError, "snapshot") {
			return fmt.Sprintf("state: got %+v", st)
		}
		return ""
	})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	reg.Set(hello, node(t, "10.0.0.1:2"))
	got.expect(t, "10.0.0.1:2")
	flushed(t, c)
	if st := c.State(); st.Extra["snapshot_writes"] != 1 || st.LastError != "" {
		t.Errorf("state: got %+v", st)
	}
	if nodes, err := readSnapshot(dir, hello); err != nil || len(nodes) != 1 {
		t.Errorf("disk: got %v, %v", addrs(nodes), err)
	}
}

// Many changes in a second are one or two writings, and the last is on disk.
func TestSnapshotterPace(t *testing.T) {
	dir := t.TempDir()
	s := &snapshotter{dir: dir, log: testLog(t)}
	began := time.Now()
	for port := 1; port <= 500; port++ {
		s.put(hello.key(), []Node{node(t, fmt.Sprintf("10.0.0.1:%d", port))})
	}
	took := time.Since(began)
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	writes, failed, _ := s.status()
	if limit := int64(3 + took/snapshotPause); writes > limit || writes < 1 || failed != 0 {
		t.Errorf("writings: got %d and %d failed after %v, want at most %d", writes, failed, took, limit)
	}
	if nodes, err := readSnapshot(dir, hello); err != nil || addrs(nodes)[0] != "10.0.0.1:500" {
		t.Errorf("disk: got %v, %v; want the last list", addrs(nodes), err)
	}
}

func TestCacheForwards(t *testing.T) {
	var reg Local
	c := Cached(&reg, t.TempDir(), nil)
	n := node(t, "10.0.0.1:1")
	if err := c.Announce(t.Context(), n); err != nil || len(reg.Nodes()) != 1 {
		t.Errorf("announce: %v, %v", err, reg.Nodes())
	}
	if got, ok := As[*Local](c); !ok || got != &reg {
		t.Errorf("As: got %v, %v; want the registry behind", got, ok)
	}
	if _, ok := As[*File](c); ok {
		t.Error("As: found an ability that nobody has")
	}
	if st := c.State(); st.Kind != "local" || len(st.Announced) != 1 {
		t.Errorf("state: got %+v", st)
	}
	flushed(t, c)
	if len(reg.Nodes()) != 0 {
		t.Error("close was not passed on")
	}
	if err := Cached(broken{}, t.TempDir(), nil).Watch(t.Context(), hello, func([]Node) {}); err == nil {
		t.Error("watch: the error of the registry behind was lost")
	}
}
