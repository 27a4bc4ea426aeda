package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// TestFaultRegistryDown stops the only ZooKeeper: first it hangs, then it is gone, then its port answers by closing. Calls go
// on, attempts to reach it are few, and when it is back everybody is where he was.
func TestFaultRegistryDown(t *testing.T) {
	server := zktest.Start(t)
	proxy := newZKProxy(t, server.Addr)
	m := startMesh(t, proxy.addr, server.Client(), 2)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	server.Pause()
	agents := append([]*daemon{m.caller}, m.providers...)
	for _, d := range agents {
		awaitUp(d, 0)
	}
	load.take().clean(t, "it hangs")
	server.Resume()
	server.Stop()
	proxy.refuse(true)
	before, from := proxy.attempts(), time.Now()
	load.goOn(briefly(4*time.Second, 5*time.Minute))
	attempts, seconds := proxy.attempts()-before, time.Since(from).Seconds()
	note(t, "attempts to connect, each agent, each second", float64(attempts)/seconds/float64(len(agents)))
	if most := float64(len(agents)) * (seconds + 3); float64(attempts) > most {
		t.Errorf("%d attempts to connect in %.1f s by %d agents, want at most one a second each", attempts, seconds, len(agents))
	}
	load.take().clean(t, "it is gone")
	server.Restart()
	proxy.refuse(false)
	from = time.Now()
	for _, d := range agents {
		awaitUp(d, 1)
	}
	for _, d := range m.providers {
		m.awaitOwner(d, 0)
	}
	since(t, "until all are connected and listed again", from)
	load.answers(100)
	load.finish().clean(t, "it is back")
	await(t, "the caller to know both nodes", func() bool { return m.known() == 2 }) // lists that follow each other wait half a second
}

// TestFaultRegistryWiped has ZooKeeper come back without its data: callers keep what they know, and providers announce
// themselves again.
func TestFaultRegistryWiped(t *testing.T) {
	server := zktest.Start(t)
	m := startMesh(t, server.Addr, server.Client(), 2)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	server.Wipe()
	for _, d := range append([]*daemon{m.caller}, m.providers...) {
		awaitUp(d, 0)
	}
	server.Restart()
	from := time.Now()
	m.tree.conn = server.Client() // the one before has seen what this server has not
	for _, d := range m.providers {
		m.awaitOwner(d, 0)
	}
	since(t, "until all are listed again", from)
	awaitUp(m.caller, 1)
	added := m.addProvider()
	await(t, "a further provider to be called", func() bool { return added.metric("motand_requests_total", "listener", "export") > 0 })
	load.finish().clean(t, "all of it")
	m.awaitNodes(3)
}

// TestFaultNodeDeleted deletes a provider's node as a person might: it comes back, and callers notice nothing.
func TestFaultNodeDeleted(t *testing.T) {
	onlyLong(t) // half a minute: how often motand looks at its own nodes
	server := zktest.Start(t)
	m := startMesh(t, server.Addr, server.Client(), 2)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	from := time.Now()
	if err := m.tree.conn.Delete(bothFolder+"/server/"+m.providers[0].addr("export"), -1); err != nil {
		t.Fatal(err)
	}
	m.awaitOwner(m.providers[0], 0)
	since(t, "until it is listed again", from)
	m.awaitNodes(2)
	load.answers(100)
	load.finish().clean(t, "all of it")
}

// TestFaultLostNotice loses the notice of a provider that comes: it is found all the same.
func TestFaultLostNotice(t *testing.T) {
	onlyLong(t) // a minute: how often motand reads lists without being told
	server := zktest.Start(t)
	proxy := newZKProxy(t, server.Addr)
	m := newMesh(t, server.Addr, server.Client())
	m.addProvider()
	m.startCaller(callerYAML("zk", zkSettings(proxy.addr)))
	m.awaitNodes(1)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.goOn(6 * time.Second) // it reads once more after it has connected
	proxy.change(func() { proxy.losing = true })
	m.addProvider()
	from := time.Now()
	patient := time.Now().Add(90 * time.Second)
	for m.known() != 2 && time.Now().Before(patient) {
		load.goOn(100 * time.Millisecond)
	}
	if m.known() != 2 {
		t.Error("a provider is not found whose notice was lost")
	}
	since(t, "until the provider was found", from)
	proxy.change(func() {
		if proxy.lost == 0 {
			t.Error("no notice was lost: nothing was tested")
		}
	})
	load.finish().clean(t, "all of it")
}

// TestFaultSlowRegistry has ZooKeeper take seconds for each answer, and then say nothing at all on open connections. Calls
// go on, and a motand that starts then is ready by what is on its disk.
func TestFaultSlowRegistry(t *testing.T) {
	server := zktest.Start(t)
	server.AllowSessions(time.Minute) // with those that tests have, ZooKeeper itself gives up who hears nothing for 3 s
	server.Restart()
	proxy := newZKProxy(t, server.Addr)
	m := newMesh(t, server.Addr, server.Client())
	m.addProvider()
	yaml := callerYAML("zk", strings.Replace(zkSettings(proxy.addr), "registrySessionTimeout: 10", briefly("registrySessionTimeout: 10", "registrySessionTimeout: 30"), 1))
	m.startCaller(yaml)
	m.awaitNodes(1)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	proxy.change(func() { proxy.delay = briefly(time.Second, 5*time.Second) })
	added := m.addProvider()
	from := time.Now()
	await(t, "a provider to be found though ZooKeeper is slow", func() bool {
		return added.metric("motand_requests_total", "listener", "export") > 0
	})
	since(t, "until a provider was found though ZooKeeper is slow", from)
	load.take().clean(t, "it is slow")
	s := m.caller.setup
	await(t, "both to be on disk", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "snapshot", "demo_com.example.Both"))
		return err == nil && strings.Count(string(text), `"address":"127.0.0.1:`) == 2
	})
	proxy.freeze(true)
	awaitUp(m.caller, 0)
	load.finish().clean(t, "it says nothing")
	m.caller.Stop()
	from = time.Now()
	m.startCaller(yaml)
	d := startMotandIn(s, yaml)
	since(t, "until a start with what is on disk is ready", from)
	m.awaitNodes(0) // that one has an empty disk
	if status, _ := m.caller.get("mgmt", "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz with nothing known: got %d, want 503", status)
	}
	load = startSteady(t, d.addr("motan"), scaled(1000))
	load.answers(100)
	load.finish().clean(t, "calls after that start")
	proxy.freeze(false)
	awaitUp(d, 1)
	m.awaitNodes(2)
}
