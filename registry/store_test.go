package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// public returns what PHP programs find about hello.
func public(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, snapshotName(hello.key())))
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := decodeSnapshot(hello, data)
	if err != nil {
		t.Fatal(err)
	}
	return addrs(nodes)
}

// Each registry's knowledge is kept apart; programs without an agent find the nodes of all, each address once, the first
// registry's before the second's.
func TestStoreOfTwoRegistries(t *testing.T) {
	dir := t.TempDir()
	store := newStore(t, dir)
	var zk, file Static
	both := node(t, "10.0.0.2:1")
	both.Params["from"] = "zk"
	zk.Set(hello, node(t, "10.0.0.1:1"), both)
	both = node(t, "10.0.0.2:1")
	both.Params["from"] = "file"
	file.Set(hello, both, node(t, "10.0.0.3:1"))
	a := Cached(&zk, CacheOptions{ID: "zk", Store: store, Log: testLog(t)})
	b := Cached(&file, CacheOptions{ID: "file", Store: store, Protection: Protection{Off: true}, Log: testLog(t)})
	m := Merge(a, b)
	got := watch(t.Context(), t, m, hello)
	list := got.expect(t, "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1")
	if list[1].Params["from"] != "zk" {
		t.Errorf("precedence: got %v", list[1].Params)
	}
	file.Set(hello) // one registry's loss takes only its own nodes
	got.expect(t, "10.0.0.1:1", "10.0.0.2:1")
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := public(t, dir); !slices.Equal(got, []string{"10.0.0.1:1", "10.0.0.2:1"}) {
		t.Errorf("snapshot: got %v", got)
	}
	if k, known := remembered(t, dir, "zk"); !known || len(k.nodes) != 2 {
		t.Errorf("zk: got %v, %v", addrs(k.nodes.nodes()), known)
	}
	if k, known := remembered(t, dir, "file"); !known || len(k.nodes) != 0 {
		t.Errorf("file: got %v, %v; want to know that it lists nobody", addrs(k.nodes.nodes()), known)
	}

	// The next run hears of one of them only: the other's knowledge stays in the snapshot.
	store = newStore(t, dir)
	var again Static // the first run's is still watched, and would be written by the first store
	again.Set(hello, node(t, "10.0.0.4:1"))
	m = Merge(
		Cached(silent{}, CacheOptions{ID: "zk", Store: store, Log: testLog(t)}),
		Cached(&again, CacheOptions{ID: "file", Store: store, Protection: Protection{Off: true}, Log: testLog(t)}))
	watch(t.Context(), t, m, hello).expect(t, "10.0.0.1:1", "10.0.0.2:1", "10.0.0.4:1")
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := public(t, dir); !slices.Equal(got, []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.4:1"}) {
		t.Errorf("snapshot of the next run: got %v", got)
	}
}

// A folder that cannot be written to costs an error in the state, and is written to when it can be.
func TestStoreFailure(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "snapshot")
	write(t, dir, "a file in the way")
	var reg Static
	reg.Set(hello, node(t, "10.0.0.1:1"))
	c := cache(t, &reg, dir, Protection{})
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
	reg.Set(hello, node(t, "10.0.0.1:2"), node(t, "10.0.0.1:3"))
	got.expect(t, "10.0.0.1:2", "10.0.0.1:3")
	flushed(t, c)
	if st := c.State(); st.Extra["snapshot_writes"] != 1 || st.LastError != "" {
		t.Errorf("state: got %+v", st)
	}
	if got := public(t, dir); len(got) != 2 {
		t.Errorf("disk: got %v", got)
	}
}

// A name that no disk takes is cut; what stands in the way of one service does not hold up others.
func TestStoreOneServiceFails(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	s.join("zk")
	long := s.open("zk", serviceKey{strings.Repeat("g", 300), "s"})
	bad := s.open("zk", serviceKey{"bad", "s"})
	good := s.open("zk", hello.key())
	if err := os.MkdirAll(s.publicPath(bad.serviceKey), 0o755); err != nil {
		t.Fatal(err)
	}
	k := knowledge{nodes: pack(ports(t, "1 2")), told: time.Now()}
	for _, r := range []*record{bad, long, good} {
		r.put(k)
	}
	if err := s.Flush(t.Context()); err == nil {
		t.Error("flush: got no error for a list that programs without an agent do not find")
	}
	if writes, failed, _ := s.status(); writes != 3 || failed == 0 {
		t.Errorf("got %d written and %d failed, want 3 written", writes, failed)
	}
	for _, r := range []*record{long, good} {
		if _, err := os.Stat(s.publicPath(r.serviceKey)); err != nil {
			t.Errorf("%.20s: %v", r.group, err)
		}
	}
}

// Many changes in a second are one or two writings, and the last is on disk.
func TestStorePace(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	s.join("zk")
	r := s.open("zk", hello.key())
	began := time.Now()
	for port := 1; port <= 500; port++ {
		r.put(knowledge{nodes: pack(ports(t, strconv.Itoa(port)))})
	}
	took := time.Since(began)
	r.close()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	writes, failed, _ := s.status()
	if limit := int64(3 + took/writePause); writes > limit || writes < 1 || failed != 0 {
		t.Errorf("writings: got %d and %d failed after %v, want at most %d", writes, failed, took, limit)
	}
	if got := public(t, dir); got[0] != "10.0.0.1:500" {
		t.Errorf("disk: got %v; want the last list", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) != 0 || len(s.dirty) != 0 {
		t.Errorf("got %d records in memory after the last use", len(s.records))
	}
}

// A link in the place of a file is replaced, and what it points to stays as it was.
func TestStoreReplacesLinks(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	s.join("zk")
	r := s.open("zk", hello.key())
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, "precious")
	if err := os.MkdirAll(filepath.Join(dir, recordDir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.publicPath(hello.key()), s.journal.path} {
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
	}
	r.put(knowledge{nodes: pack(ports(t, "1"))})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("got %q, %v", data, err)
	}
	if got := public(t, dir); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// What is told of a service after nobody looks for it any more, or read from the disk then, is written as well and does no harm.
func TestStoreAfterTheLastUse(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, "zk", ports(t, "1")...)
	s := newStore(t, dir)
	s.join("zk")
	told, read := s.open("zk", hello.key()), s.open("zk", serviceKey{"g", "read"})
	told.close()
	read.close()
	if _, _, err := read.load(); err != nil {
		t.Fatal(err)
	}
	if _, known, err := told.load(); !known || err != nil {
		t.Fatalf("got %v, %v", known, err)
	}
	told.put(knowledge{nodes: pack(ports(t, "2"))})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := public(t, dir); !slices.Equal(got, []string{"10.0.0.1:2"}) {
		t.Errorf("got %v", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) != 0 || len(s.shelf.sums) != 0 || !s.shelf.empty() {
		t.Errorf("got %d records and %d sums in memory", len(s.records), len(s.shelf.sums))
	}
}
