package etcd

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/etcd/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testGroup   = "test-group"
	testPath    = "com.example.HelloService"
	testBase    = root + "/" + testGroup + "/" + testPath
	servedKey   = testBase + "/server/10.0.0.1:8001"
	hiddenKey   = testBase + "/unavailableServer/10.0.0.1:8001"
	testTimeout = time.Minute // far beyond what anything takes on a busy machine
)

var testService = registry.Service{Group: testGroup, Path: testPath}

// open returns a registry of s whose lease lives for 3 s. It is closed at the end of the test.
func open(t *testing.T, s *etcdtest.Server, change func(*Options)) *Registry {
	t.Helper()
	o := Options{
		Address: s.Addr, SessionTimeout: 3 * time.Second, ConnectTimeout: time.Second, CallTimeout: 2 * time.Second,
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
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
func watch(t *testing.T, r registry.Registry) *receiver {
	t.Helper()
	c := &receiver{changed: make(chan struct{}, 1)}
	if err := r.Watch(t.Context(), testService, c.update); err != nil {
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
	select {
	case c.changed <- struct{}{}:
	default:
	}
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

// connection waits until r has a connection, or has none.
func connection(t *testing.T, r *Registry, want bool) {
	t.Helper()
	eventually(t, func() string {
		if st := r.State(); st.Connected != want {
			return fmt.Sprintf("connected: got %v, want %v (%s)", st.Connected, want, st.LastError)
		}
		return ""
	})
}

// lease waits for a lease of r and returns it.
func lease(t *testing.T, r *Registry) clientv3.LeaseID {
	t.Helper()
	connection(t, r, true)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease
}

// expectKeys waits until keys hang on leases; 0 means that a key must not exist.
func expectKeys(t *testing.T, c *clientv3.Client, want map[string]clientv3.LeaseID) {
	t.Helper()
	eventually(t, func() string {
		for key, id := range want {
			answer, err := c.Get(t.Context(), key)
			switch {
			case err != nil:
				return err.Error()
			case len(answer.Kvs) == 0 && id != 0:
				return key + " is not there"
			case len(answer.Kvs) > 0 && clientv3.LeaseID(answer.Kvs[0].Lease) != id:
				return fmt.Sprintf("%s: got lease %x, want %x", key, answer.Kvs[0].Lease, id)
			}
		}
		return ""
	})
}

// put writes a key as another program would.
func put(t *testing.T, c *clientv3.Client, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if _, err := c.Put(ctx, key, value); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// provider returns a node at 10.0.0.1 and port.
func provider(port int) registry.Node {
	return registry.Node{
		Service: registry.Service{Group: testGroup, Path: testPath, Protocol: "motan2", Version: "1.0"},
		Host:    "10.0.0.1", Port: port, Params: map[string]string{"serialization": "simple"}, Available: true,
	}
}

// providerText is what is written for provider(port).
func providerText(port int) string {
	return fmt.Sprintf("motan2://10.0.0.1:%d/%s?group=%s&nodeType=service&serialization=simple&version=1.0", port, testPath, testGroup)
}
