package registrytest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/motand/motand/registry"
)

// openCopier is World.Open for tests of registry.Copier; where the registry lacks that ability the test is skipped.
func (w World) openCopier(t *testing.T) registry.Registry {
	t.Helper()
	reg := w.Open(t)
	if _, ok := registry.As[registry.Copier](reg); !ok {
		t.Skip("skipped: this registry takes no copies")
	}
	return reg
}

func testCopies(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	one, two, native := w.openCopier(t), w.Open(t), w.Open(t)
	c := watch(t.Context(), t, native, s)
	endOne := announceCopy(t, one, copied(s, "one", 1))
	c.until(t, listed(1, "one"))
	endTwo := announceCopy(t, two, copied(s, "two", 1)) // which yields
	announceCopy(t, two, copied(s, "two", 2))
	c.until(t, listed(2, "two"))
	c.until(t, listed(1, "one"))
	endOne()
	c.until(t, gone(1, "one"))
	again := announceCopy(t, two, copied(s, "two", 1)) // the place is free
	c.until(t, listed(1, "two"))
	endTwo() // which does not count any more
	withdraw := announce(t, native, provider(s, 1))
	c.until(t, listed(1, ""))
	announceCopy(t, two, copied(s, "two", 1))
	announceCopy(t, two, copied(s, "two", 3))
	c.until(t, listed(3, "two"))
	c.until(t, listed(1, ""))
	again()
	withdraw()
	c.until(t, gone(1, ""))
	for _, n := range c.expectEach(t, 2, 3) {
		if got := n.Params[registry.SyncedFrom]; got != "elsewhere" || !n.Available {
			t.Errorf("copy %s: got mark %q, available %v", n.Addr(), got, n.Available)
		}
	}
}

func testCopyOfHidden(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg, native := w.openCopier(t), w.Open(t)
	c := watch(t.Context(), t, native, s)
	hidden := provider(s, 4)
	hidden.Available = false
	announce(t, native, hidden)
	untilWritten(t, native, s, 4)
	announceCopy(t, reg, copied(s, "one", 4))
	announceCopy(t, reg, copied(s, "one", 5))
	c.until(t, listed(5, "one"))
	if problem := gone(4, "one")(c.all()[len(c.all())-1]); problem != "" {
		t.Errorf("a provider that is not available was made so by a copy: %s", problem)
	}
}

func testCopyOfOwn(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg, other := w.openCopier(t), w.Open(t)
	c := watch(t.Context(), t, other, s)
	announce(t, reg, provider(s, 6))
	c.until(t, listed(6, ""))
	end := announceCopy(t, reg, copied(s, "one", 6))
	announceCopy(t, reg, copied(s, "one", 7))
	c.until(t, listed(7, "one"))
	c.until(t, listed(6, ""))
	end()
	announceCopy(t, reg, copied(s, "one", 8))
	c.until(t, listed(8, "one"))
	c.until(t, listed(6, ""))
}

// copied returns a copy of the node of s at port, from the host name.
func copied(s registry.Service, name string, port int) registry.Node {
	n := provider(s, port)
	n.Params = map[string]string{registry.SyncedFrom: "elsewhere", registry.SyncedBy: name}
	return n
}

// listed checks that the node at port is announced by name, which is empty for a provider itself.
func listed(port int, name string) func([]registry.Node) string {
	return func(nodes []registry.Node) string {
		for _, n := range nodes {
			if n.Port == port && n.Params[registry.SyncedBy] == name {
				return ""
			}
		}
		return fmt.Sprintf("port %d, copied by %q, is not listed", port, name)
	}
}

// gone checks the opposite.
func gone(port int, name string) func([]registry.Node) string {
	return func(nodes []registry.Node) string {
		if listed(port, name)(nodes) == "" {
			return fmt.Sprintf("port %d, copied by %q, is listed", port, name)
		}
		return ""
	}
}

// expectEach waits until these ports are listed, among others, and returns their nodes.
func (c *receiver) expectEach(t *testing.T, ports ...int) []registry.Node {
	t.Helper()
	var found []registry.Node
	c.until(t, func(nodes []registry.Node) string {
		found = found[:0]
		for _, n := range nodes {
			for _, p := range ports {
				if n.Port == p {
					found = append(found, n)
				}
			}
		}
		if len(found) != len(ports) {
			return fmt.Sprintf("%d of the ports %v are listed", len(found), ports)
		}
		return ""
	})
	return found
}

// announceCopy announces a copy until cancel is called or the test ends.
func announceCopy(t *testing.T, reg registry.Registry, n registry.Node) (cancel context.CancelFunc) {
	t.Helper()
	copier, _ := registry.As[registry.Copier](reg)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	if err := copier.AnnounceCopy(ctx, n); err != nil {
		t.Fatalf("copy %s: %v", n.Addr(), err)
	}
	return cancel
}

// untilWritten waits until reg holds the node of s at port as it was announced.
func untilWritten(t *testing.T, reg registry.Registry, s registry.Service, port int) {
	t.Helper()
	stater, ok := registry.As[registry.Stater](reg)
	if !ok {
		t.Fatal("the registry does not tell its state")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); <-tick.C {
		for _, a := range stater.State().Announced {
			if _, p, err := registry.ParseAddr(a.Addr); err == nil && p == port && a.Path == s.Path && a.Written {
				return
			}
		}
	}
	t.Fatalf("the node at port %d was not written", port)
}
