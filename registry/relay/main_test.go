package relay

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/motand/motand/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mesh is a registry in memory that several programs share: who comes first has an address, unless he yields.
type mesh struct {
	lists registry.Static

	mu      sync.Mutex
	entries map[registry.NodeKey]*entry // guarded by mu
	calls   int                         // guarded by mu: of AnnounceCopy
	groups  [][2]string                 // guarded by mu: what it names, group and service
	silent  error                       // guarded by mu: what it says instead of names
}

// entry is a node in a mesh. Its identity tells it from those before and after it.
type entry struct{ node registry.Node }

var (
	_ target           = (*mesh)(nil)
	_ registry.Browser = (*mesh)(nil)
)

func (m *mesh) Watch(ctx context.Context, s registry.Service, update func([]registry.Node)) error {
	return m.lists.Watch(ctx, s, update)
}

func (m *mesh) Announce(ctx context.Context, n registry.Node) error { return m.put(ctx, n, true) }

func (m *mesh) AnnounceCopy(ctx context.Context, n registry.Node) error {
	n.Available = true
	if _, err := n.Text(); err != nil {
		return err
	}
	return m.put(ctx, n, false)
}

func (m *mesh) put(ctx context.Context, n registry.Node, first bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = make(map[registry.NodeKey]*entry)
	}
	if !first {
		m.calls++
	}
	key, e := n.Key(), &entry{n}
	if old := m.entries[key]; old != nil && !first && old.node.Params[registry.SyncedBy] != n.Params[registry.SyncedBy] {
		return nil
	}
	m.entries[key] = e
	m.publish(n.Service)
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.entries[key] == e {
			delete(m.entries, key)
			m.publish(n.Service)
		}
	})
	return nil
}

// publish tells the list of s. The caller holds mu.
func (m *mesh) publish(s registry.Service) {
	var nodes []registry.Node
	for _, e := range m.entries {
		if e.node.Group == s.Group && e.node.Path == s.Path {
			nodes = append(nodes, e.node)
		}
	}
	m.lists.Set(s, nodes...)
}

func (m *mesh) Groups(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var groups []string
	for _, x := range m.groups {
		groups = append(groups, x[0])
	}
	slices.Sort(groups)
	return slices.Compact(groups), m.silent
}

func (m *mesh) Services(_ context.Context, group string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var services []string
	for _, x := range m.groups {
		if x[0] == group {
			services = append(services, x[1])
		}
	}
	return services, m.silent
}

func (*mesh) Entries(context.Context, string, string) ([]registry.Entry, error) { return nil, nil }

// names sets what m names.
func (m *mesh) names(err error, names ...[2]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups, m.silent = names, err
}

// holds returns the mark and the host of each copy of a service by its address, and "" for providers themselves.
func (m *mesh) holds(group, path string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := map[string]string{}
	for _, e := range m.entries {
		if e.node.Group == group && e.node.Path == path {
			mark := e.node.Params[registry.SyncedFrom]
			if by := e.node.Params[registry.SyncedBy]; by != "" {
				mark += " by " + by
			}
			held[e.node.Addr()] = mark
		}
	}
	return held
}

// provider announces a provider until end is called.
func (m *mesh) provider(t *testing.T, group, path string, port int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	n := registry.Node{Service: registry.Service{Group: group, Path: path, Protocol: "motan2"}, Host: "10.0.0.1", Port: port, Available: true}
	if err := m.Announce(ctx, n); err != nil {
		t.Fatal(err)
	}
	return cancel
}

// run starts a relay that ends with the test, or with end.
func run(t *testing.T, o Options) (r *Relay, end func()) {
	t.Helper()
	if o.Groups == nil {
		o.Groups, o.Services = []string{"g"}, []string{"s"}
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { // ends with cancel
		defer close(ended)
		r.Run(ctx)
	}()
	end = func() {
		cancel()
		<-ended
	}
	t.Cleanup(end)
	return r, end
}

// eventually waits until got returns want.
func eventually[T any](t *testing.T, what string, got func() T, same func(T) bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if same(got()) {
			return
		}
	}
	t.Fatalf("%s: got %v", what, got())
}
