package registrytest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/motand/motand/registry"
)

func testWithdraw(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	c := watch(t.Context(), t, w.Open(t), s)
	reg := w.Open(t)
	for range 3 { // what was withdrawn can be announced again
		cancel := announce(t, reg, provider(s, 8001))
		c.expect(t, 8001)
		cancel()
		c.expect(t)
	}
}

// Announced again under the same key replaces what was said; the end of the older context means nothing any more.
func testReplace(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	c := watch(t.Context(), t, w.Open(t), s)
	reg := w.Open(t)
	older := announce(t, reg, provider(s, 8001))
	c.expect(t, 8001)
	n := provider(s, 8001)
	n.Params["weight"] = "7"
	newer := announce(t, reg, n)
	seen := func(nodes []registry.Node) string {
		if len(nodes) != 1 || nodes[0].Params["weight"] != "7" {
			return fmt.Sprintf("got %+v, want weight 7", nodes)
		}
		return ""
	}
	c.until(t, seen)
	older()
	announce(t, reg, provider(s, 8002))
	c.expect(t, 8001, 8002)
	newer()
	c.expect(t, 8002)
}

func testFlip(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	c := watch(t.Context(), t, w.Open(t), s)
	c.expect(t)
	reg := w.Open(t)
	n := provider(s, 8001)
	n.Available = false
	announce(t, reg, n)
	announce(t, reg, provider(s, 8002)) // by which time the first is there as well
	c.expect(t, 8002)
	for range 2 {
		n.Available = true
		announce(t, reg, n)
		c.expect(t, 8001, 8002)
		n.Available = false
		announce(t, reg, n)
		c.expect(t, 8002)
	}
}

func testClose(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	watcher, reg := w.Open(t), w.Open(t)
	closer, ok := registry.As[registry.Closer](reg)
	if !ok {
		t.Skip("skipped: this registry cannot be closed")
	}
	if watcher == reg {
		t.Skip("skipped: all programs share this registry, and nobody is left to look")
	}
	c := watch(t.Context(), t, watcher, s)
	announce(t, reg, provider(s, 8001))
	n := provider(s, 8002)
	announce(t, reg, n)
	announce(t, watcher, provider(s, 8003))
	c.expect(t, 8001, 8002, 8003)
	for range 2 { // the second time nothing is left to do
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		if err := closer.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		cancel()
	}
	c.expect(t, 8003)
	if err := reg.Announce(t.Context(), n); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("announce after close: got %v, want %v", err, registry.ErrClosed)
	}
	if err := reg.Watch(t.Context(), s, func([]registry.Node) {}); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("watch after close: got %v, want %v", err, registry.ErrClosed)
	}
}

func testMany(t *testing.T, w World) {
	t.Helper()
	const nodes = 100
	s := service(t)
	c := watch(t.Context(), t, w.Open(t), s)
	reg := w.Open(t)
	want := make([]int, nodes)
	cancels := make([]context.CancelFunc, nodes)
	for i := range want {
		want[i] = 8001 + i
		cancels[i] = announce(t, reg, provider(s, want[i]))
	}
	c.expect(t, want...)
	for _, cancel := range cancels[1:] {
		cancel()
	}
	c.expect(t, want[0])
}

func testState(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg := w.Open(t)
	stater, ok := registry.As[registry.Stater](reg)
	if !ok {
		t.Skip("skipped: this registry does not tell its state")
	}
	c := watch(t.Context(), t, reg, s)
	announce(t, reg, provider(s, 8001))
	c.expect(t, 8001)
	st := stater.State()
	if st.Kind == "" || !st.Connected || st.Idle {
		t.Errorf("state: got kind %q, connected %v, idle %v", st.Kind, st.Connected, st.Idle)
	}
	if connected, idle := registry.Reach(reg); !connected || idle {
		t.Errorf("reach: got connected %v, idle %v", connected, idle)
	}
	if st.Sessions > 0 && (st.Session == "" || st.Latency <= 0) {
		t.Errorf("state in a session: got session %q, latency %v", st.Session, st.Latency)
	}
	found := false
	for _, x := range st.Watches {
		found = found || x.Group == s.Group && x.Path == s.Path && x.Nodes == 1 && !x.Stale && !x.Updated.IsZero()
	}
	if !found {
		t.Errorf("state: got watches %+v", st.Watches)
	}
}
