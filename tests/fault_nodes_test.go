package tests

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// make makes a node and those above it.
func (z tree) make(path string, data []byte) {
	z.t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			z.create(path[:i], nil, true)
		}
	}
	z.create(path, data, false)
}

func (z tree) create(path string, data []byte, mayBe bool) {
	z.t.Helper()
	_, err := z.conn.Create(path, data, 0, zk.WorldACL(zk.PermAll))
	if err != nil && !(mayBe && err == zk.ErrNodeExists) { //nolint:errorlint // the client returns it as it is
		z.t.Fatalf("create %s: %v", path, err)
	}
}

// remove deletes a node and those below it, again where an agent that watches it is quicker to make it anew.
func (z tree) remove(path string) {
	z.t.Helper()
	await(z.t, path+" to be deleted", func() bool {
		for _, name := range z.children(path) {
			z.remove(path + "/" + name)
		}
		err := z.conn.Delete(path, -1)
		if err != nil && err != zk.ErrNotEmpty && err != zk.ErrNoNode { //nolint:errorlint // the client returns them as they are
			z.t.Fatalf("delete %s: %v", path, err)
		}
		return err != zk.ErrNotEmpty //nolint:errorlint // as above
	})
}

// list makes the node of a provider of com.example.Both at addr, as a person would write it.
func (z tree) list(addr string) {
	z.t.Helper()
	z.make(bothFolder+"/server/"+addr, []byte("motan2://"+addr+"/com.example.Both?group=demo&nodeType=service&version=1.0"))
}

// everywhere starts a provider on all of 127.0.0.0/8, and returns it with a function that tells its n-th address.
func everywhere(t testing.TB) (p *provider, at func(n int) string) {
	t.Helper()
	p = newProvider(t, "0.0.0.0", echo)
	return p, func(n int) string { return fmt.Sprintf("127.3.%d.%d:%d", n/250, n%250+1, p.port) }
}

// TestFaultFlappingNode has a provider come and go ten times a second: nobody's calls fail, and the list is not read as
// often as it changes.
func TestFaultFlappingNode(t *testing.T) {
	server := zktest.Start(t)
	proxy := newZKProxy(t, server.Addr)
	m := newMesh(t, server.Addr, server.Client())
	_, at := everywhere(t)
	m.tree.list(at(0))
	m.startCaller(callerYAML("zk", zkSettings(proxy.addr)))
	m.awaitNodes(1)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	before, from := proxy.requests(opGetChildren), time.Now()
	flaps := 0
	for end := from.Add(briefly(4*time.Second, time.Minute)); time.Now().Before(end); flaps++ {
		m.tree.list(at(1))
		load.goOn(50 * time.Millisecond)
		m.tree.remove(bothFolder + "/server/" + at(1))
		load.goOn(50 * time.Millisecond)
	}
	reads, seconds := proxy.requests(opGetChildren)-before, time.Since(from).Seconds()
	note(t, "changes, readings, each second", fmt.Sprintf("%.1f, %.1f", float64(2*flaps)/seconds, float64(reads)/seconds))
	if most := 2*seconds + 6; float64(reads) > most {
		t.Errorf("%d changes in %.1f s had the list read %d times, want at most %.0f", 2*flaps, seconds, reads, most)
	}
	load.finish().clean(t, "all of it")
	m.awaitNodes(1)
}

// TestFaultPathsComeAndGo starts with an empty tree. Nodes are found whatever part of their path comes last or came back, and
// nothing is asked for when nothing happens.
func TestFaultPathsComeAndGo(t *testing.T) {
	server := zktest.Start(t)
	proxy := newZKProxy(t, server.Addr)
	m := newMesh(t, server.Addr, server.Client())
	_, at := everywhere(t)
	m.startCaller(callerYAML("zk", zkSettings(proxy.addr)))
	awaitUp(m.caller, 1)
	called := func(addr string) func() bool {
		c := m.caller.dial("motan")
		return func() bool {
			reply := c.Call(motantest.Request("com.example.Both", "echo", nil, "M_g", "demo"))
			return !reply.Failed() && string(reply.Get("x-forwarded-for")) == addr
		}
	}
	for i, happen := range []struct {
		name string
		f    func()
	}{
		{"path was missing", func() {}},
		{"node was replaced", func() { m.tree.remove(bothFolder + "/server/" + at(0)) }},
		{"folder was deleted", func() { m.tree.remove(bothFolder + "/server") }},
		{"service was deleted", func() { m.tree.remove(bothFolder) }},
		{"group was deleted", func() { m.tree.remove("/motan/demo") }},
	} {
		happen.f()
		from := time.Now()
		m.tree.list(at(i))
		await(t, happen.name+": the new node to be called", called(at(i)))
		since(t, happen.name+": until a new node is called", from)
		await(t, happen.name+": the old one to be forgotten", func() bool { return m.known() == 1 })
	}
	before := 0
	await(t, "a second without a request", func() bool {
		before = proxy.requests()
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		<-timer.C
		return proxy.requests() == before
	})
}

// TestFaultGarbageNodes fills a provider list with what is no provider, one node as large as ZooKeeper allows, and many
// providers. What can be used is used, the rest is told of, and memory stays bounded.
func TestFaultGarbageNodes(t *testing.T) {
	server := zktest.Start(t)
	m := newMesh(t, server.Addr, server.Client())
	_, at := everywhere(t)
	m.tree.list(at(0))
	m.startCaller(callerYAML("zk", zkSettings(server.Addr)))
	m.awaitNodes(1)
	load := startSteady(t, m.caller.addr("motan"), scaled(1000))
	load.answers(100)
	for name, data := range map[string][]byte{
		"127.0.0.1:1:2":           []byte("motan2://127.0.0.1:1:2/x"),
		"%00%ff":                  []byte("\xac\xed\x00\x05t\xff\xff"),
		"random":                  newRandomBytes(4096),
		"large":                   newRandomBytes(1_000_000),
		"not-motan":               []byte("<xml/>"),
		"127.0.0.1:99999":         []byte("motan2://127.0.0.1:99999/com.example.Both?group=demo"),
		strings.Repeat("n", 1000): nil,
	} {
		m.tree.make(bothFolder+"/server/"+name, data)
	}
	many := briefly(1000, 10000)
	holdsWithin(t, m.caller, 300<<20, func() {
		from := time.Now()
		for n := 1; n < many; n += 500 {
			var batch []any
			for i := n; i < min(many, n+500); i++ {
				batch = append(batch, &zk.CreateRequest{
					Path: bothFolder + "/server/" + at(i), Acl: zk.WorldACL(zk.PermAll),
					Data: []byte("motan2://" + at(i) + "/com.example.Both?group=demo&nodeType=service&version=1.0"),
				})
			}
			if _, err := m.tree.conn.Multi(batch...); err != nil {
				t.Fatal(err)
			}
		}
		m.awaitNodes(many)
		since(t, "until "+strconv.Itoa(many)+" nodes are known", from)
	})
	await(t, "the bad entries to be told of", func() bool { return strings.Contains(m.caller.Output(), "entries ignored") })
	load.answers(100)
	load.finish().clean(t, "all of it")
}
