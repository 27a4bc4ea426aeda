package tests

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry/etcd/etcdtest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// borderYAML copies com.example.Both between two registries.
func borderYAML(east, west, entries string) string {
	return agentYAML + "motan-registry:\n  east: " + east + "\n  west: " + west + "\nregistry-sync:\n" + entries
}

const bothWays = `  there: {from: east, to: west, group: demo, service: "com.example.*", lookInterval: 1000}
  back: {from: west, to: east, group: demo, service: "com.example.*", lookInterval: 1000}
`

// sides are two meshes with callers in each.
type sides struct {
	east, west     *mesh
	loads          [2]*steady
	eastZK, westZK *zktest.Server
}

// copies are the addresses below server that are copies, by the host that announces them.
func (z tree) copies() map[string]string {
	z.t.Helper()
	found := make(map[string]string)
	for _, name := range z.children(bothFolder + "/server") {
		data, _, err := z.conn.Get(bothFolder + "/server/" + name)
		if _, mark, ok := strings.Cut(string(data), "syncedBy="); err == nil && ok {
			host, _, _ := strings.Cut(mark, "&")
			found[name] = host
		}
	}
	return found
}

// startSides starts two ZooKeepers, with two providers in the east and one in the west, and two agents that copy both ways.
func startSides(t *testing.T) (s sides, borders [2]*daemon) {
	t.Helper()
	s.eastZK, s.westZK = zktest.Start(t), zktest.Start(t)
	s.east, s.west = newMesh(t, s.eastZK.Addr, s.eastZK.Client()), newMesh(t, s.westZK.Addr, s.westZK.Client())
	s.east.addProvider()
	s.east.addProvider()
	s.west.addProvider()
	for i := range borders {
		borders[i] = startMotand(t, borderYAML(s.east.settings, s.west.settings, bothWays), "-localIP", fmt.Sprintf("127.0.0.%d", i+1))
	}
	for _, m := range []*mesh{s.east, s.west} {
		m.startCaller(callerYAML("zk", m.settings))
	}
	s.awaitAll(3)
	return s, borders
}

// awaitAll waits until the callers of both sides know n nodes.
func (s *sides) awaitAll(n int) {
	s.east.awaitNodes(n)
	s.west.awaitNodes(n)
}

// clean checks that no call has failed so far.
func (s *sides) clean(t *testing.T, while string) {
	t.Helper()
	for i, side := range []string{"east", "west"} {
		s.loads[i].answers(100)
		s.loads[i].take().clean(t, while+", callers in the "+side)
	}
}

// TestFaultSync has two agents copy both ways between two ZooKeepers: callers of both sides find the providers of both,
// through the loss of an agent, of the one registry and of the other; and when a provider goes, its copies go.
func TestFaultSync(t *testing.T) {
	s, borders := startSides(t)
	for i, m := range []*mesh{s.east, s.west} {
		s.loads[i] = startSteady(t, m.caller.addr("motan"), scaled(500))
	}
	await(t, "copies in both registries", func() bool { return len(s.east.tree.copies()) == 1 && len(s.west.tree.copies()) == 2 })
	await(t, "both agents to tell of them", func() bool {
		return borders[0].metric("motand_registry_sync_nodes", "sync", "there", "state", "ours")+
			borders[1].metric("motand_registry_sync_nodes", "sync", "there", "state", "ours") == 2 &&
			borders[0].metric("motand_registry_sync_nodes", "sync", "back", "state", "again") == 2
	})
	s.clean(t, "two agents copy")

	victim, heir, before := 0, "127.0.0.2", s.west.tree.copies()
	if count(before, heir) == 2 {
		victim, heir = 1, "127.0.0.1"
	}
	from := time.Now()
	borders[victim].Kill()
	border := borders[1-victim]
	await(t, "the other agent to announce all copies", func() bool {
		now := s.west.tree.copies()
		for _, host := range now {
			if host != heir {
				return false
			}
		}
		return len(now) == 2 && len(s.east.tree.copies()) == 1
	})
	note(t, "copies that the agent held that was killed", len(before)-count(before, heir))
	since(t, "until the other has taken over", from)
	s.clean(t, "an agent was killed")
	s.awaitAll(3)

	s.eastZK.Stop()
	await(t, "the loss of the east to be seen", func() bool { return border.metric("motand_registry_up", "registry", "east") == 0 })
	s.clean(t, "the east's registry is down")
	if got := len(s.west.tree.copies()); got != 2 {
		t.Errorf("copies in the west while the east's registry is down: got %d, want 2", got)
	}
	s.eastZK.Restart()
	await(t, "the east to be back", func() bool { return border.metric("motand_registry_up", "registry", "east") == 1 })
	s.westZK.Stop()
	await(t, "the loss of the west to be seen", func() bool { return border.metric("motand_registry_up", "registry", "west") == 0 })
	s.clean(t, "the west's registry is down")
	s.westZK.Restart()
	await(t, "copies in both registries again", func() bool { return len(s.east.tree.copies()) == 1 && len(s.west.tree.copies()) == 2 })
	s.awaitAll(3)

	from = time.Now()
	s.east.providers[0].Signal(syscall.SIGTERM)
	s.awaitAll(2)
	since(t, "until callers of both sides stop picking a provider that stops", from)
	s.clean(t, "a provider was stopped")
	for i := range s.loads {
		s.loads[i].answers(10)
		s.loads[i].finish().clean(t, "all of it")
	}
	s.end(t, border)
}

// end stops what is left: nothing may keep a node alive that has no provider.
func (s *sides) end(t *testing.T, border *daemon) {
	t.Helper()
	s.east.providers[1].Stop()
	await(t, "the copy of a provider that has gone to go", func() bool { return len(s.west.tree.copies()) == 0 })
	border.Stop()
	await(t, "the copies of an agent that stops to go", func() bool { return len(s.east.tree.copies()) == 0 })
	if got := len(s.west.tree.children(bothFolder + "/server")); got != 1 {
		t.Errorf("nodes in the west: got %d, want its one provider", got)
	}
}

func count(copies map[string]string, host string) (n int) {
	for _, h := range copies {
		if h == host {
			n++
		}
	}
	return n
}

// TestSyncToEtcd copies from ZooKeeper to etcd into another group, in which the provider is called all the same; what the
// source loses stays while it answers, and reloads begin and end copying.
func TestSyncToEtcd(t *testing.T) {
	zkServer, etcdServer := zktest.Start(t), etcdtest.Start(t)
	m := newMesh(t, zkServer.Addr, zkServer.Client())
	provider := m.addProvider()
	_, at := everywhere(t)
	for n := range 3 { // which a person has listed
		m.tree.list(at(n))
	}
	west := `{protocol: etcd, address: "` + etcdServer.Addr + `", registrySessionTimeout: 10}`
	s := newSetup(t)
	border := startMotandUp(t, s, borderYAML(m.settings, west, "  there: {from: east, to: west, group: demo, service: com.example.Both, groupPrefix: east-}\n"))
	m.startCaller(strings.Replace(callerYAML("etcd", west), "group: demo", "group: east-demo", 1))
	m.awaitNodes(4)
	load := startSteadyOf(t, m.caller.addr("motan"), scaled(500), func([]byte) (string, []string) {
		return "com.example.Both", []string{"M_g", "east-demo"}
	})
	await(t, "the provider to be called", func() bool { return provider.metric("motand_requests_total", "listener", "export") > 10 })
	load.answers(100)
	for n := range 3 {
		m.tree.remove(bothFolder + "/server/" + at(n))
	}
	await(t, "the loss to be seen", func() bool { return border.metric("motand_registry_protected_nodes", "registry", "east") == 3 })
	load.answers(100)
	m.awaitNodes(4)
	load.finish().clean(t, "the source lost most nodes")

	a := ask(t, http.MethodGet, border.url("mgmt", "/api/v1/registry-sync"), "")
	want := `[{"id":"there","from":"east","to":"west","services":1,"ours":4,"others":0,"providers":0,"missing":0,"refused":0,"over":0,"again":0}]`
	if strings.TrimSpace(a.body) != want {
		t.Errorf("/api/v1/registry-sync: got %s, want %s", a.body, want)
	}
	reload := func(entries string, n float64) {
		t.Helper()
		s.configure(borderYAML(m.settings, west, entries))
		border.Signal(syscall.SIGHUP)
		await(t, "the reload", func() bool { return border.metric("motand_config_reloads_total", "outcome", "taken") == n })
	}
	reload("  there: {from: east, to: west, group: demo, service: com.example.Other, groupPrefix: east-}\n", 1)
	m.awaitEmptied(etcdServer)
	reload("  there: {from: east, to: west, group: demo, groupPrefix: east-}\n", 2)
	m.awaitNodes(4)
}

// awaitEmptied waits until etcd has no copies.
func (m *mesh) awaitEmptied(s *etcdtest.Server) {
	m.t.Helper()
	client := s.Client("", "")
	await(m.t, "the copies to be withdrawn", func() bool {
		answer, err := client.Get(m.t.Context(), "/motan/east-demo/", clientv3.WithPrefix())
		return err == nil && len(answer.Kvs) == 0
	})
}
