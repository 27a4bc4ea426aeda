package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testGroup   = "test-group"
	testPath    = "com.example.HelloService"
	testBase    = root + "/" + testGroup + "/" + testPath
	testTimeout = time.Minute // far beyond what anything takes on a busy machine
)

var testService = registry.Service{Group: testGroup, Path: testPath}

// open returns a registry of s with a session of 2 s. It is closed at the end of the test.
func open(t *testing.T, s *zktest.Server, change func(*Options)) *Registry {
	t.Helper()
	o := Options{
		Address:        s.Addr,
		SessionTimeout: 2 * time.Second,
		ConnectTimeout: time.Second,
		Log:            slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout) //nolint:usetesting // that of the test has ended by now
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Logf("close: %v", err)
		}
	})
	return r
}

// testWriter sends the log to the test's output.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// receiver keeps what a watch was told.
type receiver struct {
	mu      sync.Mutex
	lists   [][]string
	nodes   []registry.Node
	changed chan struct{}
}

// watch begins a watch that ends with the test.
func watch(t *testing.T, r registry.Registry, s registry.Service) *receiver {
	t.Helper()
	c := &receiver{changed: make(chan struct{}, 1)}
	if err := r.Watch(t.Context(), s, c.update); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *receiver) update(nodes []registry.Node) {
	addrs := make([]string, len(nodes))
	for i, n := range nodes {
		addrs[i] = n.Addr()
	}
	c.mu.Lock()
	c.lists = append(c.lists, addrs)
	c.nodes = nodes
	c.mu.Unlock()
	poke(c.changed)
}

func (c *receiver) latest() (addrs []string, nodes []registry.Node, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lists) == 0 {
		return nil, nil, 0
	}
	return c.lists[len(c.lists)-1], c.nodes, len(c.lists)
}

// expect waits until the newest list is addrs.
func (c *receiver) expect(t *testing.T, addrs ...string) {
	t.Helper()
	deadline := time.After(testTimeout)
	for {
		got, _, count := c.latest()
		if count > 0 && slices.Equal(got, addrs) {
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("list: got %v after %d updates, want %v", got, count, addrs)
		}
	}
}

// eventually waits until check returns "".
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(testTimeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		problem := check()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(problem)
		}
		<-tick.C
	}
}

// connected waits for the registry's session and returns it.
func connected(t *testing.T, r *Registry) int64 {
	t.Helper()
	var id int64
	eventually(t, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		id = r.session
		if !r.connected {
			return "not connected"
		}
		return ""
	})
	return id
}

// owner returns whose ephemeral node path is, 0 when it does not exist.
func owner(t *testing.T, c *zk.Conn, path string) int64 {
	t.Helper()
	var id int64
	eventually(t, func() string {
		exists, stat, err := c.Exists(path)
		if err != nil {
			return err.Error()
		}
		id = 0
		if exists {
			id = stat.EphemeralOwner
		}
		return ""
	})
	return id
}

// make creates a node and what is above it, as another program would.
func makeNode(t *testing.T, c *zk.Conn, path string, data []byte, flags int32) {
	t.Helper()
	for _, p := range parents(path) {
		if _, err := c.Create(p, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			t.Fatalf("create %s: %v", p, err)
		}
	}
	if _, err := c.Create(path, data, flags, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// removeAll deletes path and what is below it.
func removeAll(t *testing.T, c *zk.Conn, path string) {
	t.Helper()
	names, _, err := c.Children(path)
	if errors.Is(err, zk.ErrNoNode) {
		return
	}
	if err != nil {
		t.Fatalf("list %s: %v", path, err)
	}
	for _, name := range names {
		removeAll(t, c, path+"/"+name)
	}
	if err := c.Delete(path, -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
		t.Fatalf("delete %s: %v", path, err)
	}
}

// provider returns a node at 10.0.0.1 and port.
func provider(port int) registry.Node {
	return registry.Node{
		Service:   registry.Service{Group: testGroup, Path: testPath, Protocol: "motan2", Version: "1.0"},
		Host:      "10.0.0.1",
		Port:      port,
		Params:    map[string]string{"serialization": "simple"},
		Available: true,
	}
}

// providerText is what motan-go writes for provider(port).
func providerText(port int) []byte {
	return fmt.Appendf(nil, "motan2://10.0.0.1:%d/%s?group=%s&nodeType=service&serialization=simple&version=1.0", port, testPath, testGroup)
}
