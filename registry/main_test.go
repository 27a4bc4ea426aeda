package registry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is far beyond what anything takes on a busy machine.
const testTimeout = 30 * time.Second

var hello = Service{Group: "test-group", Path: "com.example.HelloService"}

// node returns an available node of hello at address.
func node(t *testing.T, address string) Node {
	t.Helper()
	host, port, err := ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	return Node{
		Service: Service{Group: hello.Group, Path: hello.Path, Protocol: "motan2", Version: "1.0"},
		Host:    host, Port: port, Params: map[string]string{"version": "1.0", "nodeType": "service"}, Available: true,
	}
}

func addrs(nodes []Node) []string {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = n.Addr()
	}
	return list
}

// receiver keeps what a watch was told.
type receiver struct {
	mu      sync.Mutex
	lists   [][]Node
	changed chan struct{}
}

// watch begins a watch of s that ends with ctx.
func watch(ctx context.Context, t *testing.T, r Registry, s Service) *receiver {
	t.Helper()
	c := &receiver{changed: make(chan struct{}, 1)}
	if err := r.Watch(ctx, s, c.update); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *receiver) update(nodes []Node) {
	c.mu.Lock()
	c.lists = append(c.lists, nodes)
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *receiver) latest() ([]Node, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lists) == 0 {
		return nil, 0
	}
	return c.lists[len(c.lists)-1], len(c.lists)
}

// expect waits until the newest list is want, and returns it.
func (c *receiver) expect(t *testing.T, want ...string) []Node {
	t.Helper()
	deadline := time.After(testTimeout)
	for {
		got, count := c.latest()
		if count > 0 && slices.Equal(addrs(got), want) {
			return got
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("list: got %v after %d updates, want %v", addrs(got), count, want)
		}
	}
}

// eventually waits until check returns "".
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(testTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
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

// testLog sends a log to the test's output.
func testLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// broken is a registry that refuses everything.
type broken struct{}

func (broken) Watch(context.Context, Service, func([]Node)) error { return fmt.Errorf("refused") }
func (broken) Announce(context.Context, Node) error               { return fmt.Errorf("refused") }
