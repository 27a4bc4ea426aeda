package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// silent is a registry that cannot be reached: it accepts everything and tells nothing.
type silent struct{}

func (silent) Watch(context.Context, Service, func([]Node)) error { return nil }
func (silent) Announce(context.Context, Node) error               { return nil }

// cache returns reg with a memory in dir and without a Prober.
func cache(t *testing.T, reg Registry, dir string, rule Protection) *Cache {
	t.Helper()
	return Cached(reg, CacheOptions{ID: "zk", Store: newStore(t, dir), Protection: rule, Log: testLog(t)})
}

// newStore writes into dir until the test ends.
func newStore(t *testing.T, dir string) *Store {
	t.Helper()
	return ending(t, NewStore(dir, testLog(t)))
}

// ending has nothing written any more when the test ends.
func ending(t *testing.T, s *Store) *Store {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Hold(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// remember puts nodes of hello on disk, as an earlier run would have left them.
func remember(t *testing.T, dir, id string, nodes ...Node) {
	t.Helper()
	s := newStore(t, dir)
	s.join(id)
	s.open(id, hello.key()).put(knowledge{nodes: pack(nodes), told: time.Unix(1700000000, 0)})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// remembered returns what is on disk about hello.
func remembered(t *testing.T, dir, id string) (knowledge, bool) {
	t.Helper()
	s := newStore(t, dir)
	if err := s.Hold(t.Context()); err != nil { // it would write what is missing
		t.Fatal(err)
	}
	k, known, err := s.open(id, hello.key()).load()
	if err != nil {
		t.Errorf("disk: %v", err)
	}
	return k, known
}

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
	c := cache(t, &reg, dir, Protection{})
	reg.Set(hello, a, b)
	watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:8002", "unix:///run/a.sock")
	flushed(t, c)

	next := cache(t, silent{}, dir, Protection{})
	got := watch(t.Context(), t, next, hello).expect(t, "10.0.0.1:8002", "unix:///run/a.sock")
	if !sameNode(got[0], a) || !sameNode(got[1], b) {
		t.Errorf("got %+v and %+v; want nothing lost", got[0], got[1])
	}
	st := next.State()
	if len(st.Watches) != 1 || !st.Watches[0].Stale || time.Since(st.Watches[0].Updated) > testTimeout || st.Watches[0].Nodes != 2 {
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
	if err != nil || len(left) != 2 || left[0].Name() != recordDir || !left[0].IsDir() {
		t.Errorf("folder: got %v, %v; want one file, and the folder of records", left, err)
	}
}

func TestCacheLiveReplacesDisk(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, "zk", node(t, "10.0.0.9:1"), node(t, "10.0.0.8:1"))
	var reg Static
	reg.Set(hello, node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1"))
	c := cache(t, &reg, dir, Protection{})
	watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:1", "10.0.0.2:1")
	eventually(t, func() string {
		if w := c.State().Watches; len(w) != 1 || w[0].Stale || w[0].Updated.IsZero() {
			return fmt.Sprintf("state: got %+v", w)
		}
		return ""
	})
	flushed(t, c)
	if k, known := remembered(t, dir, "zk"); !known || !slices.Equal(addrs(k.nodes.nodes()), []string{"10.0.0.1:1", "10.0.0.2:1"}) || time.Since(k.told) > testTimeout {
		t.Errorf("disk: got %v told at %v, %v", addrs(k.nodes.nodes()), k.told, known)
	}
}

// An empty list replaces nothing, neither what came live nor what is on disk, unless that is allowed.
func TestCacheEmptyList(t *testing.T) {
	tests := []struct {
		name   string
		onDisk bool
		rule   Protection
		want   []string
	}{
		{"live", false, Protection{}, []string{"10.0.0.1:1"}},
		{"from disk", true, Protection{}, []string{"10.0.0.1:1"}},
		{"believed", false, Protection{Off: true}, nil},
		{"believed, from disk", true, Protection{Off: true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var reg Static
			if tt.onDisk {
				remember(t, dir, "zk", node(t, "10.0.0.1:1"))
			} else {
				reg.Set(hello, node(t, "10.0.0.1:1"))
			}
			c := cache(t, &reg, dir, tt.rule)
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

// A service that never had a node is told to have none: that is knowledge as well, also after a restart without registry.
func TestCacheNobodyIsKnown(t *testing.T) {
	dir := t.TempDir()
	var reg Static
	c := cache(t, &reg, dir, Protection{})
	watch(t.Context(), t, c, hello).expect(t)
	flushed(t, c)

	next := cache(t, silent{}, dir, Protection{})
	watch(t.Context(), t, next, hello).expect(t)
	if w := next.State().Watches[0]; !w.Stale || w.Updated.IsZero() {
		t.Errorf("state: got %+v, want a stale list", w)
	}
	flushed(t, next)
}

// All who look for a service share one watch of the registry and one file; who comes later gets what is known at once.
func TestCacheSharesWatch(t *testing.T) {
	var reg Static
	one, two := node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1")
	two.Version = "2.0"
	reg.Set(hello, one, two)
	c := cache(t, &reg, t.TempDir(), Protection{})
	ctx, cancel := context.WithCancel(t.Context())
	all := watch(ctx, t, c, hello)
	all.expect(t, "10.0.0.1:1", "10.0.0.2:1")
	if got := c.State().Watches[0].Generation; got != 1 {
		t.Errorf("generation of the first list: got %d, want 1", got)
	}
	second := hello
	second.Version = "2.0"
	some := watch(t.Context(), t, c, second)
	some.expect(t, "10.0.0.2:1")
	if n := len(reg.board.watches()); n != 1 {
		t.Errorf("watches of the registry: got %d, want 1", n)
	}
	cancel()
	reg.Set(hello, two)
	eventually(t, func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := c.services[hello.key()].users; n != 1 {
			return fmt.Sprintf("users: got %d, want 1", n)
		}
		return ""
	})
	some.expect(t, "10.0.0.2:1")
	eventually(t, func() string {
		if got := c.State().Watches[0].Generation; got != 2 {
			return fmt.Sprintf("generation of the second list: got %d, want 2", got)
		}
		return ""
	})
	flushed(t, c)
}

func TestCacheForwards(t *testing.T) {
	var reg Local
	c := cache(t, &reg, t.TempDir(), Protection{})
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
	if err := cache(t, broken{}, t.TempDir(), Protection{}).Watch(t.Context(), hello, func([]Node) {}); err == nil {
		t.Error("watch: the error of the registry behind was lost")
	}
}
