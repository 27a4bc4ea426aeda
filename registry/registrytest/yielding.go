package registrytest

import (
	"context"
	"testing"
	"time"

	"github.com/motand/motand/registry"
)

// Who yields lets another take its node over while it is listed all the time, and whose end takes nothing away.
func testYield(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	watcher, older, newer := w.Open(t), w.Open(t), w.Open(t)
	yielder, ok := registry.As[registry.Yielder](older)
	if !ok {
		t.Skip("skipped: what is announced here is bound to no session")
	}
	announce(t, older, provider(s, 8001))
	announce(t, older, provider(s, 8002))
	c := watch(t.Context(), t, watcher, s)
	c.expect(t, 8001, 8002)
	yield(t, yielder)
	seen := len(c.all())
	announce(t, newer, provider(s, 8001))
	announce(t, newer, provider(s, 8002))
	awaitWritten(t, newer, 2)
	shut(t, older)
	announce(t, newer, provider(s, 8003))
	c.expect(t, 8001, 8002, 8003)
	c.keeps(t, seen, 2)
}

// Who keeps what it had yielded has it again, whatever became of it.
func testKeep(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	watcher, older, newer := w.Open(t), w.Open(t), w.Open(t)
	yielder, ok := registry.As[registry.Yielder](older)
	if !ok {
		t.Skip("skipped: what is announced here is bound to no session")
	}
	announce(t, older, provider(s, 8001))
	c := watch(t.Context(), t, watcher, s)
	c.expect(t, 8001)
	yield(t, yielder)
	announce(t, newer, provider(s, 8001))
	awaitWritten(t, newer, 1)
	announce(t, older, provider(s, 8002)) // is written after Keep
	yielder.Keep()
	c.expect(t, 8001, 8002)
	awaitWritten(t, older, 2)
	shut(t, newer)
	announce(t, older, provider(s, 8003))
	c.expect(t, 8001, 8002, 8003)
}

// Copies of a session that another inherits become its own while they are listed all the time; those of somebody else do not.
func testInherit(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	watcher, older, newer, other := w.Open(t), w.Open(t), w.Open(t), w.Open(t)
	yielder, ok := registry.As[registry.Yielder](older)
	if _, copies := registry.As[registry.Copier](older); !ok || !copies {
		t.Skip("skipped: nothing is copied here, or is bound to no session")
	}
	announceCopy(t, older, provider(s, 8001))
	announceCopy(t, other, provider(s, 8002))
	c := watch(t.Context(), t, watcher, s)
	c.expect(t, 8001, 8002)
	awaitWritten(t, older, 1)
	stater, _ := registry.As[registry.Stater](older)
	heir, ok := registry.As[registry.Inheritor](newer)
	if !ok {
		t.Fatal("a registry that yields has to inherit")
	}
	for _, session := range []string{"", "none of ours", "-"} {
		if err := heir.Inherit(session); err == nil {
			t.Errorf("session %q: got no error", session)
		}
	}
	if err := heir.Inherit(stater.State().Session); err != nil {
		t.Fatal(err)
	}
	yield(t, yielder)
	seen := len(c.all())
	announceCopy(t, newer, provider(s, 8001))
	announceCopy(t, newer, provider(s, 8002))
	awaitWritten(t, newer, 2)
	shut(t, older)
	announce(t, newer, provider(s, 8003))
	c.expect(t, 8001, 8002, 8003)
	c.keeps(t, seen, 2)
}

// yield has y give up what it has announced.
func yield(t *testing.T, y registry.Yielder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if err := y.Yield(ctx); err != nil {
		t.Fatal(err)
	}
}

// keeps holds that each list behind the first seen ones has n nodes at least.
func (c *receiver) keeps(t *testing.T, seen, n int) {
	t.Helper()
	for _, list := range c.all()[seen:] {
		if len(list) < n {
			t.Errorf("the list was %v in between, want that nothing is ever gone", list)
		}
	}
}

// awaitWritten waits until n nodes are where reg has announced them.
func awaitWritten(t *testing.T, reg registry.Registry, n int) {
	t.Helper()
	stater, ok := registry.As[registry.Stater](reg)
	if !ok {
		t.Fatal("a registry that yields has to tell its state")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(timeout); ; <-tick.C {
		written := 0
		for _, x := range stater.State().Announced {
			if x.Written {
				written++
			}
		}
		if written == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d nodes are written, want %d", written, n)
		}
	}
}

// shut ends the session of reg.
func shut(t *testing.T, reg registry.Registry) {
	t.Helper()
	closer, ok := registry.As[registry.Closer](reg)
	if !ok {
		t.Fatal("a registry that yields has to have a session that ends")
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if err := closer.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}
