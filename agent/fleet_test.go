package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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

// callers is a registry that tells how many call a service.
type callers struct {
	registry.Static
	count atomic.Int64 // negative: it cannot tell
}

func (r *callers) Callers(_ context.Context, group, service string) (int, error) {
	n := r.count.Load()
	if n < 0 || group != "g" || service != "svc" {
		return 0, errors.New("cannot be reached")
	}
	return int(n), nil
}

// A refer's limit is shared by those that the registry says refer to the service; where it cannot say, nobody shares.
func TestFleetLimitOfRefers(t *testing.T) {
	reg := new(callers)
	reg.count.Store(50)
	x := Default()
	x.Registries["callers"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return reg, nil }
	x.Registries["static"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return new(registry.Static), nil }
	const limit = `filter: rateLimit, rateLimit: 0.001, capacity: 500, rateLimitReject: true`
	yaml := `
motan-registry:
  c: {protocol: callers, address: "h:1"}
  s: {protocol: static, address: "h:1"}
motan-refer:
  shared: {path: svc, group: g, registry: c, ` + limit + `, rateLimitScope: fleet}
  alone: {path: other, group: g, registry: c, ` + limit + `}
  untold: {path: third, group: g, registry: s, ` + limit + `, rateLimitScope: fleet}
`
	r := newReloader(t, x, yaml)
	agents := func(refer int) int { return r.snapshot.Load().all[refer].fleet.fleet.Agents() }
	motantest.Await(t, "the number of agents", func() bool { return agents(0) == 50 })
	if a, b := agents(1), agents(2); a != 1 || b != 1 {
		t.Errorf("of limits that nobody shares: got %d and %d agents, want 1", a, b)
	}
	reg.count.Store(-1)
	known := r.snapshot.Load().all[0]
	if err := r.Reload(r.parse(t, yaml)); err != nil {
		t.Fatal(err)
	}
	if got := r.snapshot.Load().all[0]; got != known || agents(0) != 50 {
		t.Errorf("after a reload: got %d agents, want those of before", agents(0))
	}
}
