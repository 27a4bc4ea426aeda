package registrytest

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/motand/motand/registry"
)

func testNonsense(t *testing.T, w World) {
	t.Helper()
	reg := w.Open(t)
	s := service(t)
	if err := reg.Watch(t.Context(), registry.Service{Group: s.Group}, func([]registry.Node) {}); err == nil {
		t.Error("watch without a path: got no error")
	}
	if err := reg.Watch(t.Context(), s, nil); err == nil {
		t.Error("watch without a receiver: got no error")
	}
	if w.Tell != nil {
		return
	}
	for name, change := range map[string]func(*registry.Node){
		"no service":    func(n *registry.Node) { n.Path = "" },
		"no host":       func(n *registry.Node) { n.Host = "" },
		"a bad host":    func(n *registry.Node) { n.Host = "a b" },
		"a bad port":    func(n *registry.Node) { n.Port = 65536 },
		"a path in two": func(n *registry.Node) { n.Path = "a/b" },
	} {
		n := provider(s, 8001)
		change(&n)
		if err := reg.Announce(t.Context(), n); err == nil {
			t.Errorf("announce with %s: got no error", name)
		}
	}
}

func testNobody(t *testing.T, w World) {
	t.Helper()
	watch(t.Context(), t, w.Open(t), service(t)).expect(t)
}

func testWatchBefore(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	c := watch(t.Context(), t, w.Open(t), s)
	c.expect(t)
	r := w.teller(t)
	r.tell(t, s, provider(s, 8001))
	got := c.expect(t, 8001)[0]
	if got.Host != "10.0.0.1" || got.Path != s.Path || got.Group != s.Group || got.Protocol != "motan2" || !got.Available {
		t.Errorf("node: got %+v", got)
	}
	r.tell(t, s, provider(s, 8001), provider(s, 8002))
	c.expect(t, 8001, 8002)
	r.tell(t, s, provider(s, 8002))
	c.expect(t, 8002)
	r.tell(t, s)
	c.expect(t)
	r.tell(t, s, provider(s, 8003))
	c.expect(t, 8003)
}

func testWatchAfter(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	w.teller(t).tell(t, s, provider(s, 8001))
	reg := w.Open(t)
	watch(t.Context(), t, reg, s).expect(t, 8001)
	watch(t.Context(), t, reg, s).expect(t, 8001) // the second of one registry is told what is known
}

// A list may be left out for a newer one, but none is told after it.
func testOrder(t *testing.T, w World) {
	t.Helper()
	const changes = 20
	s := service(t)
	c := watch(t.Context(), t, w.Open(t), s)
	r := w.teller(t)
	for i := range changes {
		n := provider(s, 8001)
		n.Params["weight"] = strconv.Itoa(i)
		r.tell(t, s, n)
	}
	weight := func(nodes []registry.Node) int {
		if len(nodes) == 0 {
			return -1
		}
		n, _ := strconv.Atoi(nodes[0].Params["weight"]) // ours all are numbers
		return n
	}
	c.until(t, func(nodes []registry.Node) string {
		if got := weight(nodes); got != changes-1 {
			return fmt.Sprintf("weight: got %d, want %d", got, changes-1)
		}
		return ""
	})
	last := -1
	for _, nodes := range c.all() {
		got := weight(nodes)
		if got < last {
			t.Errorf("weight %d came after %d", got, last)
		}
		last = got
	}
	if c.overlap {
		t.Error("two updates came at once")
	}
}

func testOwnLists(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg := w.Open(t)
	one, two := watch(t.Context(), t, reg, s), watch(t.Context(), t, reg, s)
	r := w.teller(t)
	r.tell(t, s, provider(s, 8001))
	clear(one.expect(t, 8001))
	two.expect(t, 8001)
	r.tell(t, s, provider(s, 8001), provider(s, 8002))
	two.expect(t, 8001, 8002)
	watch(t.Context(), t, reg, s).expect(t, 8001, 8002)
}

func testSlow(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg := w.Open(t)
	r := w.teller(t)
	stuck, release := make(chan struct{}), make(chan struct{})
	slow := &receiver{changed: make(chan struct{}, 1)}
	first := true
	err := reg.Watch(t.Context(), s, func(nodes []registry.Node) {
		if first { // updates come one at a time
			first = false
			close(stuck)
			<-release
		}
		slow.update(nodes)
	})
	if err != nil {
		t.Fatal(err)
	}
	<-stuck
	quick := watch(t.Context(), t, reg, s)
	for port := 8001; port < 8005; port++ {
		r.tell(t, s, provider(s, port))
		quick.expect(t, port)
	}
	close(release)
	slow.expect(t, 8004)
	if got := len(slow.all()); got > 3 {
		t.Errorf("the slow one got %d lists, want what it was at and the newest", got)
	}
}

func testWatchEnds(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg := w.Open(t)
	r := w.teller(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := watch(ctx, t, reg, s), watch(t.Context(), t, reg, s)
	gone.expect(t)
	cancel()
	r.tell(t, s, provider(s, 8001))
	stays.expect(t, 8001)
	r.tell(t, s, provider(s, 8002))
	stays.expect(t, 8002)
	if got := len(gone.all()); got != 1 {
		t.Errorf("after the end of its context: got %d lists, want the first one alone", got)
	}
	ended := watch(ctx, t, reg, s) // a context that has ended already
	r.tell(t, s, provider(s, 8003))
	stays.expect(t, 8003)
	if got := ended.all(); len(got) != 0 {
		t.Errorf("with a context that had ended: got %v", got)
	}
	watch(t.Context(), t, reg, s).expect(t, 8003) // after all that, the service can be watched anew
}

func testAccepts(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	reg := w.Open(t)
	other := provider(s, 8002)
	other.Version, other.Params["version"] = "2.0", "2.0"
	grpc := provider(s, 8003)
	grpc.Protocol = "grpc"
	w.teller(t).tell(t, s, provider(s, 8001), other, grpc)
	watch(t.Context(), t, reg, s).expect(t, 8001, 8002, 8003)
	s.Version = "2.0"
	watch(t.Context(), t, reg, s).expect(t, 8002)
	s.Version, s.Protocol = "", "motan2"
	watch(t.Context(), t, reg, s).expect(t, 8001, 8002)
}

func testServices(t *testing.T, w World) {
	t.Helper()
	s := service(t)
	longer, group := s, s
	longer.Path += ".More"
	group.Group += "-b"
	reg := w.Open(t)
	c, l, g := watch(t.Context(), t, reg, s), watch(t.Context(), t, reg, longer), watch(t.Context(), t, reg, group)
	r := w.teller(t)
	if w.Tell == nil { // what Tell writes may be one file
		r.tell(t, longer, provider(longer, 8002))
		r.tell(t, group, provider(group, 8003))
		l.expect(t, 8002)
	}
	r.tell(t, s, provider(s, 8001))
	c.expect(t, 8001)
	for name, other := range map[string]*receiver{"a longer name": l, "another group": g} {
		for _, nodes := range other.all() {
			for _, n := range nodes {
				if n.Port == 8001 {
					t.Errorf("%s: got a node of the first service", name)
				}
			}
		}
	}
}
