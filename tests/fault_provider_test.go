package tests

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// since notes how long something took.
func since(t testing.TB, what string, from time.Time) {
	t.Helper()
	note(t, what, time.Since(from).Round(time.Millisecond))
}

// TestFaultProviderKilled kills one of three providers' agents as a crash does: calls that were on their way to it fail, and
// from then on none does, though the registry lists it until its session ends.
func TestFaultProviderKilled(t *testing.T) {
	server := zktest.Start(t)
	m := startMesh(t, server.Addr, server.Client(), 3)
	load := startSteady(t, m.caller.addr("motan"), briefly(scaled(1000), 5000))
	load.goOn(time.Second)
	load.take().clean(t, "before")
	victim := m.providers[0]
	from := time.Now()
	victim.Kill()
	await(t, "the node to be seen as down", func() bool { return m.caller.metric("motand_upstream_nodes_down") == 1 })
	since(t, "until callers stop picking it, at most", from)
	load.answers(10)
	a := load.take()
	note(t, "until then", a)
	for kind := range a.failed {
		if !strings.Contains(kind, "channel has been shutdown") {
			t.Errorf("a call failed with %q, want only those whose connection ended", kind)
		}
	}
	listed := m.owner(victim) != 0
	m.awaitNodes(2)
	since(t, "until it is no longer listed", from)
	load.answers(100)
	load.finish().clean(t, fmt.Sprintf("after that (still listed: %t)", listed))
}

// TestFaultProviderStopped stops one of three providers' agents as an operator does: no call fails, and its node is gone
// before it is.
func TestFaultProviderStopped(t *testing.T) {
	server := zktest.Start(t)
	m := startMesh(t, server.Addr, server.Client(), 3)
	load := startSteady(t, m.caller.addr("motan"), briefly(scaled(1000), 5000))
	load.answers(100)
	victim := m.providers[0]
	from := time.Now()
	victim.Signal(syscall.SIGTERM)
	m.awaitNodes(2)
	since(t, "until callers stop picking it, at most", from)
	if !victim.Running() {
		t.Error("it ended before its callers knew")
	}
	victim.Stop()
	if m.owner(victim) != 0 {
		t.Error("it is listed after its end")
	}
	load.answers(100)
	load.finish().clean(t, "stop of one of three")
}

// TestFaultProviderAsleep stops the process of a provider's agent until its session has ended. When it goes on it must be
// listed again, in its new session, and called.
func TestFaultProviderAsleep(t *testing.T) {
	server := zktest.Start(t)
	m := newMesh(t, server.Addr, server.Client())
	m.addProvider()
	m.addProvider()
	m.startCaller(strings.Replace(callerYAML("zk", m.settings), "requestTimeout: 30000", "requestTimeout: 500", 1))
	m.awaitNodes(2)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	sleeper := m.providers[0]
	old := m.owner(sleeper)
	sleeper.Signal(syscall.SIGSTOP)
	m.awaitNodes(1)
	if m.owner(sleeper) != 0 {
		t.Error("it is no longer called, and still listed")
	}
	a := load.take()
	note(t, "while it slept", a)
	onlyTimeouts(t, a)
	from := time.Now()
	sleeper.Signal(syscall.SIGCONT)
	m.awaitOwner(sleeper, old)
	m.awaitNodes(2)
	since(t, "until it is listed and known again", from)
	load.take() // calls that were sent to it before it slept
	before := sleeper.metric("motand_requests_total", "listener", "export")
	await(t, "calls at the one that slept", func() bool {
		return sleeper.metric("motand_requests_total", "listener", "export") >= before+50
	})
	load.finish().clean(t, "after it woke")
}

// TestFaultCallerAsleep stops the process of the callers' agent until its session has ended, and changes who is listed
// meanwhile. When it goes on it must call those who are there now.
func TestFaultCallerAsleep(t *testing.T) {
	server := zktest.Start(t)
	m := startMesh(t, server.Addr, server.Client(), 2)
	await(t, "the caller to be in the tree", func() bool { return len(m.tree.children("/motan/demo/com.example.Both/client")) == 1 })
	m.caller.Signal(syscall.SIGSTOP)
	m.providers[0].Stop()
	added := m.addProvider()
	await(t, "the caller's session to end", func() bool { return len(m.tree.children("/motan/demo/com.example.Both/client")) == 0 })
	from := time.Now()
	m.caller.Signal(syscall.SIGCONT)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000)) // before it has learned anything
	await(t, "calls at the provider that came", func() bool { return added.metric("motand_requests_total", "listener", "export") > 0 })
	since(t, "until the provider that came is called", from)
	m.awaitNodes(2)
	await(t, "the caller to be in the tree again", func() bool { return len(m.tree.children("/motan/demo/com.example.Both/client")) == 1 })
	load.finish().clean(t, "after it woke")
}

// TestFaultRestartAfterCrash starts a provider's agent again right after it was killed: the node of the session before is
// still there, and must not go when that session ends.
func TestFaultRestartAfterCrash(t *testing.T) {
	server := zktest.Start(t)
	m := newMesh(t, server.Addr, server.Client())
	s, yaml := newSetup(t), m.exporterYAML(newProvider(t, "127.0.0.1", echo))
	first := startMotandUp(t, s, yaml)
	m.awaitOwner(first, 0)
	old := m.owner(first)
	first.Kill()
	second := startMotandUp(t, s, yaml)
	m.awaitOwner(second, old)
	now := m.owner(second)
	await(t, "the session before to end", func() bool {
		sessions := server.Ask("dump")
		return strings.Contains(sessions, fmt.Sprintf("0x%x", now)) && !strings.Contains(sessions, fmt.Sprintf("0x%x", old))
	})
	if got := m.owner(second); got != now {
		t.Errorf("after the end of the session before: the node is owned by %x, want %x", got, now)
	}
	if status, _ := second.get("mgmt", "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: got %d", status)
	}
}
