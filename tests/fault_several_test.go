package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// TestFaultOneRegistryOfTwo has callers find providers in a ZooKeeper and in a file, one of them in both. When ZooKeeper is
// lost all go on being called, and the file's changes still count.
func TestFaultOneRegistryOfTwo(t *testing.T) {
	server := zktest.Start(t)
	m := newMesh(t, server.Addr, server.Client())
	inTree := m.addProvider()
	_, at := everywhere(t)
	m.tree.list(at(0))
	s := newSetup(t)
	file := filepath.Join(s.dir, "nodes.yaml")
	list := func(addrs ...string) {
		t.Helper()
		text := "services:\n  - {path: com.example.Both, group: demo, nodes: [\"" + strings.Join(addrs, `","`) + "\"]}\n"
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	list(at(0), at(1))
	yaml := strings.Replace(callerYAML("zk", m.settings), "registry: zk", `registry: "zk,file"`, 1)
	yaml = strings.Replace(yaml, "motan-registry:\n", "motan-registry:\n  file: {protocol: file, path: nodes.yaml}\n", 1)
	m.caller = startMotandUp(t, s, yaml)
	m.awaitNodes(3) // the one in both counts once
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	server.Stop()
	awaitUp(m.caller, 0)
	if got := m.caller.metric("motand_registry_up", "registry", "file"); got != 1 {
		t.Errorf("motand_registry_up of the file: got %v, want 1", got)
	}
	list(at(0), at(1), at(2))
	m.awaitNodes(4)
	before := inTree.metric("motand_requests_total", "listener", "export")
	load.answers(100)
	if inTree.metric("motand_requests_total", "listener", "export") == before {
		t.Error("the provider that only ZooKeeper had listed is not called any more")
	}
	list(at(1))
	m.awaitNodes(3) // ZooKeeper has listed the first one too, when it was last heard of
	load.answers(100)
	load.finish().clean(t, "all of it")
}

// TestFaultShrunkenList deletes nine of ten nodes whose providers all run: they stay in use. Then one of the two providers
// behind them really ends: what was kept of it goes at once, and the rest stays.
func TestFaultShrunkenList(t *testing.T) {
	server := zktest.Start(t)
	m := newMesh(t, server.Addr, server.Client())
	_, at := everywhere(t)
	ending, atEnding := everywhere(t)
	for n := range 5 {
		m.tree.list(at(n))
		m.tree.list(atEnding(n))
	}
	m.startCaller(callerYAML("zk", m.settings))
	m.awaitNodes(10)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(200)
	for n := range 5 {
		m.tree.remove(bothFolder + "/server/" + atEnding(n))
		if n > 0 {
			m.tree.remove(bothFolder + "/server/" + at(n))
		}
	}
	before := ending.calls.Load()
	load.goOn(briefly(3*time.Second, time.Minute)) // longer than lists are held back, and than it takes to ask whether somebody answers
	if got := m.known(); got != 10 {
		t.Errorf("nodes in use after nine of ten were deleted: got %v, want 10", got)
	}
	if ending.calls.Load() == before {
		t.Error("providers that are not listed any more, and answer, are not called")
	}
	load.take().clean(t, "nine of ten deleted")
	from := time.Now()
	ending.stop()
	m.awaitNodes(5)
	since(t, "until those that do not answer are gone", from)
	a := load.take()
	note(t, "while one of two providers ended", a)
	load.answers(100)
	load.finish().clean(t, "after that")
}

// TestFaultAnnouncedTwice has a provider announced in two ZooKeepers, each with callers of its own: it comes and goes in
// both, and while one of them is down it is there for the callers of the other.
func TestFaultAnnouncedTwice(t *testing.T) {
	east, west := zktest.Start(t), zktest.Start(t)
	trees := []tree{{t, east.Client()}, {t, west.Client()}}
	p := newProvider(t, "127.0.0.1", echo)
	yaml := exportYAML(p.port, "east", zkSettings(east.Addr)+"\n  west: "+zkSettings(west.Addr))
	yaml = strings.Replace(yaml, "registry: east", `registry: "east,west"`, 1)
	d := startMotandUp(t, newSetup(t), yaml)
	callers := []*daemon{
		startMotand(t, callerYAML("zk", zkSettings(east.Addr)), "-localIP", "127.0.0.1"),
		startMotand(t, callerYAML("zk", zkSettings(west.Addr)), "-localIP", "127.0.0.1"),
	}
	var loads []*steady
	for i, c := range callers {
		await(t, "it to be listed", func() bool { return len(trees[i].children(bothFolder+"/server")) == 1 })
		await(t, "it to be known", func() bool { return c.metric("motand_upstream_nodes") == 1 })
		loads = append(loads, startSteady(t, c.addr("motan"), scaled(500)))
	}
	east.Stop()
	awaitUp(callers[0], 0)
	for _, load := range loads {
		load.answers(100)
	}
	east.Restart()
	awaitUp(callers[0], 1)
	await(t, "it to be listed again in both", func() bool { return d.metric("motand_registry_announced") == 2 })
	for i, load := range loads {
		load.answers(100)
		load.finish().clean(t, []string{"callers of the one that was down", "callers of the other"}[i])
	}
	d.Stop()
	for i := range trees {
		await(t, "it to be gone from both", func() bool { return len(trees[i].children(bothFolder+"/server")) == 0 })
	}
}
