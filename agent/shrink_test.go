package agent

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// shrunk is an agent, the ZooKeeper that it looks into, and ten providers of svc in group g there.
type shrunk struct {
	t         *testing.T
	server    *zktest.Server
	client    *zk.Conn
	providers []*motantest.Server
	agent     *running
}

const shrunkPath = "/motan/g/svc/server"

func newShrunk(t *testing.T) *shrunk {
	t.Helper()
	s := &shrunk{t: t, server: zktest.Start(t)}
	s.client = s.server.Client()
	for path := ""; path != shrunkPath; {
		rest := strings.TrimPrefix(shrunkPath, path)
		path += rest[:1+strings.IndexByte(rest[1:]+"/", '/')]
		if _, err := s.client.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatalf("create %s: %v", path, err)
		}
	}
	for range 10 {
		p := motantest.NewServer(t, motantest.Echo)
		s.providers = append(s.providers, p)
		s.register(p)
	}
	return s
}

func (s *shrunk) register(p *motantest.Server) {
	s.t.Helper()
	text := "motan2://" + p.Addr() + "/svc?group=g&nodeType=service&version=1.0"
	if _, err := s.client.Create(shrunkPath+"/"+p.Addr(), []byte(text), 0, zk.WorldACL(zk.PermAll)); err != nil {
		s.t.Fatalf("register: %v", err)
	}
}

func (s *shrunk) unregister(providers ...*motantest.Server) {
	s.t.Helper()
	for _, p := range providers {
		if err := s.client.Delete(shrunkPath+"/"+p.Addr(), -1); err != nil {
			s.t.Fatalf("unregister: %v", err)
		}
	}
}

// await waits until calls go to so many nodes, of which some are kept, and until the metric says so too.
func (s *shrunk) await(nodes, kept int) {
	s.t.Helper()
	motantest.Await(s.t, fmt.Sprintf("%d nodes of which %d are kept", nodes, kept), func() bool {
		text := ask(s.t, s.agent.Agent, http.MethodGet, "/metrics", "").Body.String()
		return len(s.agent.snapshot.Load().all[0].cluster.Endpoints()) == nodes &&
			strings.Contains(text, fmt.Sprintf("motand_registry_protected_nodes{registry=\"zk\"} %d\n", kept))
	})
}

// call makes calls, all of which have to be answered.
func (s *shrunk) call(n int) {
	s.t.Helper()
	client := s.agent.dial()
	for i := range n {
		if reply := client.Call(frame("m", "x")); reply.Failed() {
			s.t.Fatalf("call %d: got %v", i, motantest.Metadata(reply))
		}
	}
}

// Ten nodes of a real ZooKeeper become one, then none, while they answer: they stay in use. Those that stop go; those that
// are registered again end the protection; a single one that leaves is let go at once. Then the agent starts again
// without ZooKeeper and with its newest record cut off.
func TestListShrinksInZooKeeper(t *testing.T) {
	s := newShrunk(t)
	c := parse(t, Default(), "", "motan-registry:\n  zk: {protocol: zookeeper, address: \""+s.server.Addr+"\"}\n"+
		"motan-refer:\n  r: {path: svc, group: g, version: \"1.0\", registry: zk, requestTimeout: 20000}\n")
	s.agent = start(t, c, Default())
	s.await(10, 0)
	s.unregister(s.providers[9])
	s.await(9, 0)
	s.unregister(s.providers[1:9]...)
	s.await(10, 9) // the one that left before is recalled: it answers, and left within the minute
	s.call(100)
	s.unregister(s.providers[0])
	s.await(10, 10)
	s.call(100)
	for _, p := range s.providers[7:] {
		p.Stop()
	}
	s.await(7, 7)
	s.call(100)
	for i, p := range s.providers[:7] {
		s.register(p)
		if i == 3 {
			s.await(7, 3)
			s.call(100)
		}
	}
	s.await(7, 0)

	s.agent.cancel()
	if err := s.agent.await(); err != nil {
		t.Fatal(err)
	}
	s.server.Stop()
	journal := filepath.Join(c.Agent.SnapshotDir, ".motand", "journal")
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	s.agent = start(t, c, Default())
	motantest.Await(t, "the agent to be ready by what is on disk", func() bool {
		return len(s.agent.snapshot.Load().all[0].cluster.Endpoints()) >= 7 && ask(t, s.agent.Agent, http.MethodGet, "/readyz", "").Code == http.StatusOK
	})
	s.call(100)
}
