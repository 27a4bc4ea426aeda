package tests

import (
	"fmt"
	"testing"
	"time"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// TestFaultEnsemble has three ZooKeeper servers lose their leader, their majority, and one after the other, while calls are
// made: none fails, and the tree stays what it was, to each node's owner and transaction. So no provider flapped.
func TestFaultEnsemble(t *testing.T) {
	e := zktest.StartEnsemble(t, 3)
	m := startMesh(t, e.Addr(), e.Client(), 2)
	load := startSteady(t, m.caller.addr("motan"), briefly(scaled(1000), 10000))
	agents := append([]*daemon{m.caller}, m.providers...)
	settle := func() {
		for _, d := range agents {
			awaitUp(d, 1)
		}
	}
	load.goOn(briefly(time.Second, 5*time.Second))
	load.take().clean(t, "before")
	before := m.tree.dump("/motan")
	tests := []struct {
		name   string
		long   bool
		happen func()
	}{
		{"leader killed", false, func() {
			leader := e.Leader()
			leader.Stop()
			e.Leader()
			settle()
			e.Restart(leader)
		}},
		{"leader hangs", true, func() {
			leader := e.Leader()
			leader.Pause()
			await(t, "another to lead", func() bool {
				for _, s := range e.Servers {
					if s != leader && s.Mode() == "leader" {
						return true
					}
				}
				return false
			})
			settle()
			leader.Resume()
			await(t, "it to follow", func() bool { return leader.Mode() == "follower" })
		}},
		{"majority lost", false, func() {
			down := e.Followers()
			for _, s := range down {
				s.Stop()
			}
			for _, d := range agents {
				awaitUp(d, 0)
			}
			load.goOn(briefly(3*time.Second, time.Minute))
			e.Restart(down...)
		}},
		{"rolling restart", false, func() {
			for _, s := range e.Servers {
				s.Restart()
				settle()
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.long {
				onlyLong(t)
			}
			tt.happen()
			settle()
			load.take().clean(t, "meanwhile")
			checkSame(t, before, m.tree.dump("/motan"))
			if got := m.known(); got != 2 {
				t.Errorf("nodes known: got %v, want 2", got)
			}
		})
	}
	load.answers(100)
	load.finish().clean(t, "after")
	for i, d := range m.providers {
		if n := d.metric("motand_requests_total", "listener", "export"); n == 0 {
			t.Errorf("provider %d had no call", i)
		}
		note(t, fmt.Sprintf("provider %d: connections that callers made", i), d.metric("motand_connections_accepted_total", "listener", "export"))
	}
}
