// Package registrytest is what every registry.Registry must do, as tests: Run it in the tests of each. It is for tests only.
// A package that runs it checks for leftover goroutines in its TestMain, which is how watches that never end are found.
//
// The failure it prevents: two registries that keep the words of one interface and mean different things by them.
package registrytest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/registry"
)

// timeout is far beyond what anything takes on a busy machine.
const timeout = time.Minute

// World is one registry as several programs see it.
type World struct {
	// Open returns the registry as one more program sees it, with a session of its own where there are sessions. It has to be
	// closed at the end of the test t. Where all programs share one value (registry.Local) that is returned again.
	Open func(t *testing.T) registry.Registry
	// Tell makes nodes the list of s, for a registry that is written by other means than Announce; nil where Announce works.
	// The tests of Announce are left out with it.
	Tell func(t *testing.T, s registry.Service, nodes []registry.Node)
}

// Run runs the tests. Each has a service of its own, so that one server will do for all of them.
func Run(t *testing.T, w World) {
	t.Helper()
	for _, tt := range []struct {
		name     string
		announce bool // it needs Announce
		test     func(t *testing.T, w World)
	}{
		{"nonsense is refused", false, testNonsense},
		{"nobody is told as an empty list", false, testNobody},
		{"a watch sees what comes later", false, testWatchBefore},
		{"a watch sees what was there", false, testWatchAfter},
		{"updates come in order", false, testOrder},
		{"lists are the receiver's", false, testOwnLists},
		{"a slow receiver delays nobody", false, testSlow},
		{"a watch ends with its context", false, testWatchEnds},
		{"version and protocol choose", false, testAccepts},
		{"services do not mix", false, testServices},
		{"announced and withdrawn", true, testWithdraw},
		{"announced again replaces", true, testReplace},
		{"available and not", true, testFlip},
		{"close withdraws", true, testClose},
		{"yielded to another", true, testYield},
		{"yielded and kept", true, testKeep},
		{"copies yielded to an heir", true, testInherit},
		{"many at once", true, testMany},
		{"state tells", true, testState},
		{"copies give way", true, testCopies},
		{"a provider that is not available has no copy", true, testCopyOfHidden},
		{"our own node goes before its copy", true, testCopyOfOwn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.announce && w.Tell != nil {
				t.Skip("skipped: this registry is written by other means than Announce")
			}
			tt.test(t, w)
		})
	}
}

// service returns a service that no other test uses.
func service(t *testing.T) registry.Service {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '.'
	}, t.Name())
	return registry.Service{Group: "conformance", Path: "test." + name}
}

// provider returns an available node of s at 10.0.0.1 and port.
func provider(s registry.Service, port int) registry.Node {
	return registry.Node{
		Service: registry.Service{Group: s.Group, Path: s.Path, Protocol: "motan2", Version: "1.0"}, Host: "10.0.0.1", Port: port,
		Params: map[string]string{"version": "1.0", "nodeType": "service"}, Available: true,
	}
}

// teller makes lists, as somebody else than those who watch.
type teller struct {
	w   World
	reg registry.Registry                       // nil with World.Tell
	own map[registry.NodeKey]context.CancelFunc // what was announced
}

func (w World) teller(t *testing.T) *teller {
	t.Helper()
	r := &teller{w: w, own: make(map[registry.NodeKey]context.CancelFunc)}
	if w.Tell == nil {
		r.reg = w.Open(t)
	}
	return r
}

// tell makes nodes the list of s.
func (r *teller) tell(t *testing.T, s registry.Service, nodes ...registry.Node) {
	t.Helper()
	if r.w.Tell != nil {
		r.w.Tell(t, s, nodes)
		return
	}
	for _, n := range nodes {
		cancel := announce(t, r.reg, n)
		if old := r.own[n.Key()]; old != nil {
			old()
		}
		r.own[n.Key()] = cancel
	}
	for k, cancel := range r.own {
		if k.Path == s.Path && !slices.ContainsFunc(nodes, func(n registry.Node) bool { return n.Key() == k }) {
			cancel()
			delete(r.own, k)
		}
	}
}

// announce announces n until cancel is called or the test ends.
func announce(t *testing.T, reg registry.Registry, n registry.Node) (cancel context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	if err := reg.Announce(ctx, n); err != nil {
		t.Fatalf("announce %s: %v", n.Addr(), err)
	}
	return cancel
}

// receiver keeps what a watch was told.
type receiver struct {
	mu      sync.Mutex
	lists   [][]registry.Node
	inside  int // calls of update under way
	overlap bool
	changed chan struct{}
}

// watch begins a watch that ends with ctx.
func watch(ctx context.Context, t *testing.T, reg registry.Registry, s registry.Service) *receiver {
	t.Helper()
	c := &receiver{changed: make(chan struct{}, 1)}
	if err := reg.Watch(ctx, s, c.update); err != nil {
		t.Fatalf("watch %s: %v", s.Path, err)
	}
	return c
}

func (c *receiver) update(nodes []registry.Node) {
	c.mu.Lock()
	c.inside++
	c.overlap = c.overlap || c.inside > 1
	c.lists = append(c.lists, nodes)
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
	c.mu.Lock()
	c.inside--
	c.mu.Unlock()
}

// all returns every list so far.
func (c *receiver) all() [][]registry.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lists)
}

// until waits for a list that check finds nothing wrong with, and returns it.
func (c *receiver) until(t *testing.T, check func(nodes []registry.Node) string) []registry.Node {
	t.Helper()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	problem := "no list came"
	for {
		if lists := c.all(); len(lists) > 0 {
			last := lists[len(lists)-1]
			if problem = check(last); problem == "" {
				return last
			}
		}
		select {
		case <-c.changed:
		case <-deadline.C:
			t.Fatal(problem)
		}
	}
}

// expect waits for a list of these ports.
func (c *receiver) expect(t *testing.T, ports ...int) []registry.Node {
	t.Helper()
	return c.until(t, func(nodes []registry.Node) string {
		got := make([]int, len(nodes))
		for i, n := range nodes {
			got[i] = n.Port
		}
		slices.Sort(got)
		if !slices.Equal(got, ports) {
			return fmt.Sprintf("list: got ports %v, want %v", got, ports)
		}
		return ""
	})
}
