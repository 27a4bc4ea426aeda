package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// A limit of all agents together is shared by those that the registry lists, and by as many as were last known when it lists
// nobody.
func TestFleetLimit(t *testing.T) {
	reg := new(registry.Static)
	list := func(agents int) {
		var nodes []registry.Node
		for i := range agents {
			nodes = append(nodes, registry.Node{
				Service: registry.Service{Group: "g", Path: "svc", Protocol: "motan2"}, Host: "10.0.0.1", Port: 1 + i, Available: true,
			})
		}
		reg.Set(registry.Service{Group: "g", Path: "svc", Protocol: "motan2"}, nodes...)
	}
	list(50)
	x := Default()
	x.Registries["static"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return reg, nil }
	r := newReloader(t, x, `
motan-registry:
  s: {protocol: static, address: "h:1"}
motan-service:
  s: {path: svc, group: g, registry: s, provider: demo, export: "motan2:PORT0", filter: rateLimit, rateLimitReject: true,
      rateLimit: 0.001, capacity: 500, rateLimitScope: fleet}
`)
	passed := func(n int) (good int) {
		client := motantest.Dial(t, fmt.Sprintf("127.0.0.1:%d", r.ports[0]))
		for range n {
			reply := client.Call(motantest.Request("svc", "echo", frame("echo", "x").Body(), "M_g", "g"))
			if x, failed := reply.Exception(); !failed {
				good++
			} else if !strings.Contains(x.Message, "[rateLimit]") {
				t.Fatalf("got %+v, want an answer or the limit", x)
			}
		}
		return good
	}
	var known *fleetWatch
	motantest.Await(t, "the list", func() bool {
		known = r.snapshot.Load().exported[0].fleet
		return known.fleet.Agents() == 50
	})
	if got := passed(40); got != 10 {
		t.Errorf("got %d calls through, want a fiftieth of 500", got)
	}
	known.fleet.Tell(0)
	if got := known.fleet.Agents(); got != 50 {
		t.Errorf("with an empty list: got %d agents, want 50", got)
	}
}
