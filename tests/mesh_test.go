package tests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
)

// mesh is agents of providers and the agent of callers, which know each other by a ZooKeeper, and only by that.
type mesh struct {
	t         testing.TB
	settings  string // of the registry, in YAML
	providers []*daemon
	caller    *daemon
	tree      tree
}

// bothFolder is where the providers of a mesh are.
const bothFolder = "/motan/demo/com.example.Both"

// newMesh is a mesh without agents. addr is ZooKeeper's address as the agents have it, and conn a client of the same.
func newMesh(t testing.TB, addr string, conn *zk.Conn) *mesh {
	t.Helper()
	return &mesh{t: t, tree: tree{t, conn}, settings: zkSettings(addr)}
}

// startMesh starts n providers, each with an agent of its own, and an agent for callers.
func startMesh(t testing.TB, addr string, conn *zk.Conn, n int) *mesh {
	t.Helper()
	m := newMesh(t, addr, conn)
	for range n {
		m.addProvider()
	}
	m.startCaller(callerYAML("zk", m.settings))
	m.awaitNodes(n)
	return m
}

func zkSettings(addr string) string {
	return `{protocol: zookeeper, address: "` + addr + `", registrySessionTimeout: 10, connectTimeout: 2000}`
}

// exporterYAML exports com.example.Both of the provider's port.
func (m *mesh) exporterYAML(p *provider) string {
	return strings.Replace(exportYAML(p.port, "zk", m.settings), "propagationDelay: 0", "propagationDelay: 1000", 1)
}

// callerYAML refers to com.example.Both in one registry, patiently: a call that is slow is not lost.
func callerYAML(registry, settings string) string {
	return agentYAML + `
motan-registry:
  ` + registry + `: ` + settings + `
motan-refer:
  both: {path: com.example.Both, group: demo, protocol: motan2, registry: ` + registry + `, requestTimeout: 30000, connectTimeout: 10000}
`
}

// startCaller starts the agent of callers.
func (m *mesh) startCaller(yaml string) {
	m.t.Helper()
	m.caller = startMotandUp(m.t, newSetup(m.t), yaml)
}

// addProvider starts a further provider with its agent, and returns that.
func (m *mesh) addProvider() *daemon {
	m.t.Helper()
	d := startMotand(m.t, m.exporterYAML(newProvider(m.t, "127.0.0.1", echo)), "-localIP", "127.0.0.1")
	m.providers = append(m.providers, d)
	return d
}

// awaitNodes waits until the caller's agent refers to n nodes.
func (m *mesh) awaitNodes(n int) {
	m.t.Helper()
	last := -1.0
	defer func() {
		if last != float64(n) {
			m.t.Logf("nodes known: %v, want %d", last, n)
		}
	}()
	await(m.t, fmt.Sprintf("%d nodes to be known", n), func() bool {
		last = m.known()
		return last == float64(n)
	})
}

// known is how many nodes the caller's agent refers to.
func (m *mesh) known() float64 { return m.caller.metric("motand_upstream_nodes") }

// awaitUp waits until d says that the registry is up, or down.
func awaitUp(d *daemon, up float64) {
	d.t.Helper()
	await(d.t, fmt.Sprintf("motand_registry_up to be %v", up), func() bool { return d.metric("motand_registry_up", "registry", "zk") == up })
}

// owner is the session that the node of d below "server" belongs to; 0 where there is none, or ZooKeeper does not answer.
func (m *mesh) owner(d *daemon) int64 {
	m.t.Helper()
	_, stat, err := m.tree.conn.Get(bothFolder + "/server/" + d.addr("export"))
	if err != nil {
		return 0
	}
	return stat.EphemeralOwner
}

// awaitOwner waits until the node of d belongs to a session that is not old.
func (m *mesh) awaitOwner(d *daemon, old int64) {
	m.t.Helper()
	await(m.t, d.addr("export")+" to be announced in a new session", func() bool {
		now := m.owner(d)
		return now != 0 && now != old
	})
}

// dump is every node of the tree below path, by path: its text, the transaction that made it, the session it belongs to, and
// how often its children changed. It waits for a server that answers.
func (z tree) dump(path string) map[string]string {
	z.t.Helper()
	nodes := make(map[string]string)
	await(z.t, "ZooKeeper to tell its tree", func() bool {
		clear(nodes)
		return z.collect(path, nodes) == nil
	})
	return nodes
}

func (z tree) collect(path string, nodes map[string]string) error {
	data, stat, err := z.conn.Get(path)
	if err != nil {
		return err
	}
	nodes[path] = fmt.Sprintf("made by %x, owned by %x, %d changes of children: %q", stat.Czxid, stat.EphemeralOwner, stat.Cversion, data)
	names, _, err := z.conn.Children(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := z.collect(path+"/"+name, nodes); err != nil {
			return err
		}
	}
	return nil
}

// checkSame fails the test for each node that is not what it was.
func checkSame(t testing.TB, before, after map[string]string) {
	t.Helper()
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if before[path] != after[path] {
			t.Errorf("%s: before: %s; after: %s", path, before[path], after[path])
		}
	}
}
