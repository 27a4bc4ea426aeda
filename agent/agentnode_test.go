package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// shower is a registry that shows agents.
type shower struct {
	registry.Static
	shown []registry.Node
	err   error
}

func (s *shower) AnnounceAgent(_ context.Context, n registry.Node) error {
	s.shown = append(s.shown, n)
	return s.err
}

func TestShowAgent(t *testing.T) {
	tests := []struct {
		name, keys string
		reg        registry.Registry
		err        error
		want       string
		logged     bool
	}{
		{"named", "registry: one\npath: mesh.x\nmport: 8123", nil, nil, "test-agent mesh.x 10.0.0.7:8123", false},
		{"not named", "", nil, nil, "", false},
		{"refused", "registry: one\nmport: 8123", nil, errors.New("no room"), "test-agent test-agent 10.0.0.7:8123", true},
		{"of a kind that shows none", "registry: one", new(registry.Static), nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, Default(), tt.keys, "motan-registry: {one: {protocol: local}}")
			reg := &shower{err: tt.err}
			s := &snapshot{config: c, registries: map[string]registry.Registry{"one": registry.Cached(reg, registry.CacheOptions{Store: registry.NewStore(t.TempDir(), nil)})}}
			if tt.reg != nil {
				s.registries["one"] = tt.reg
			}
			var said bytes.Buffer
			showAgent(t.Context(), s, "10.0.0.7", slog.New(slog.NewTextHandler(&said, nil)))
			got := ""
			for _, n := range reg.shown {
				got += strings.Join([]string{n.Group, n.Path, n.Addr()}, " ")
			}
			if got != tt.want {
				t.Errorf("shown: got %q, want %q", got, tt.want)
			}
			if logged := said.Len() > 0; logged != tt.logged {
				t.Errorf("log: got %q, want a line: %v", said.String(), tt.logged)
			}
		})
	}
}

// A running agent is shown in a real ZooKeeper, has a password there, and is gone from it when it has ended.
func TestAgentInZooKeeper(t *testing.T) {
	s := zktest.Start(t)
	c := parse(t, Default(), "registry: zk\nmport: 8123", "motan-registry:\n  zk: {protocol: zk, address: \""+s.Addr+"\", auth: \"user:secret\", access: read}\n"+
		"motan-service:\n  s: {path: svc, group: g, provider: demo, export: \"motan2:"+strconv.Itoa(freePort(t))+"\", registry: zk, available: auto}\n")
	a := start(t, c, Default())
	client := s.Client()
	path := "/motan/agent/test-agent/node/" + net.JoinHostPort(a.compiler.localIP, "8123")
	var text []byte
	motantest.Await(t, "the agent's node", func() (there bool) {
		var err error
		text, _, err = client.Get(path)
		return err == nil
	})
	if want := "://" + net.JoinHostPort(a.compiler.localIP, "8123") + "/test-agent?group=test-agent&"; !strings.HasPrefix(string(text), want) {
		t.Errorf("node: got %q, want %q first", text, want)
	}
	a.cancel()
	if err := a.await(); err != nil {
		t.Fatal(err)
	}
	if there, _, err := client.Exists(path); err != nil || there {
		t.Errorf("after the end: there %v, error %v; want it gone", there, err)
	}
}
