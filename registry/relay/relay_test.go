package relay

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/registry"
)

// expect waits until m holds these copies of a service.
func (m *mesh) expect(t *testing.T, group, path string, want map[string]string) {
	t.Helper()
	eventually(t, group+"/"+path, func() map[string]string { return m.holds(group, path) }, func(got map[string]string) bool { return maps.Equal(got, want) })
}

type held = map[string]string

const at1, at2, at3 = "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"

// Two relays in opposite directions: copies stay copies, also when their provider goes.
func TestBothWays(t *testing.T) {
	east, west := new(mesh), new(mesh)
	gone := east.provider(t, "g", "s", 1)
	west.provider(t, "g", "s", 2)
	there, _ := run(t, Options{From: east, To: west, FromMesh: "east", ToMesh: "west", Host: "a"})
	back, _ := run(t, Options{From: west, To: east, FromMesh: "west", ToMesh: "east", Host: "b"})
	west.expect(t, "g", "s", held{at1: "east by a", at2: ""})
	east.expect(t, "g", "s", held{at1: "", at2: "west by b"})
	eventually(t, "state", back.State, func(s State) bool { return s.Again == 1 && s.Ours == 1 && s.Services == 1 })
	gone()
	west.expect(t, "g", "s", held{at2: ""})
	east.expect(t, "g", "s", held{at2: "west by b"})
	eventually(t, "state", there.State, func(s State) bool { return s == State{Services: 1, Again: 1} })
}

// A chain of three meshes, and a circle of them that marks keep from going round.
func TestHops(t *testing.T) {
	for hops, want := range map[int][3]held{
		1: {{at1: ""}, {at1: "a by h"}, {}},
		2: {{at1: ""}, {at1: "a by h"}, {at1: "a,b by h"}},
		9: {{at1: ""}, {at1: "a by h"}, {at1: "a,b by h"}},
	} {
		a, b, c := new(mesh), new(mesh), new(mesh)
		gone := a.provider(t, "g", "s", 1)
		run(t, Options{From: a, To: b, FromMesh: "a", ToMesh: "b", Host: "h", Hops: hops})
		run(t, Options{From: b, To: c, FromMesh: "b", ToMesh: "c", Host: "h", Hops: hops})
		run(t, Options{From: c, To: a, FromMesh: "c", ToMesh: "a", Host: "h", Hops: hops})
		for i, m := range []*mesh{a, b, c} {
			m.expect(t, "g", "s", want[i])
		}
		gone()
		for _, m := range []*mesh{a, b, c} {
			m.expect(t, "g", "s", held{})
		}
	}
}

// Of two relays with the same task one announces each node, and the other takes over.
func TestTakeOver(t *testing.T) {
	east, west := new(mesh), new(mesh)
	east.provider(t, "g", "s", 1)
	o := Options{From: east, To: west, FromMesh: "east", ToMesh: "west", Host: "a"}
	_, end := run(t, o)
	west.expect(t, "g", "s", held{at1: "east by a"})
	o.Host = "b"
	other, endOther := run(t, o)
	eventually(t, "state of the second", other.State, func(s State) bool { return s.Others == 1 })
	end()
	west.expect(t, "g", "s", held{at1: "east by b"})
	endOther()
	west.expect(t, "g", "s", held{})
}

// A provider that is in the other registry by itself is left alone, and has its copy when it leaves.
func TestProviderThereToo(t *testing.T) {
	east, west := new(mesh), new(mesh)
	leaves := west.provider(t, "g", "s", 1)
	east.provider(t, "g", "s", 1)
	r, _ := run(t, Options{From: east, To: west, FromMesh: "east", ToMesh: "west", Host: "a"})
	eventually(t, "state", r.State, func(s State) bool { return s.Providers == 1 })
	west.expect(t, "g", "s", held{at1: ""})
	leaves()
	west.expect(t, "g", "s", held{at1: "east by a"})
}

func TestPatterns(t *testing.T) {
	east, west := new(mesh), new(mesh)
	for _, s := range []string{"shop.A", "shop.B", "bank.A"} {
		east.provider(t, "web", s, 1)
		east.provider(t, "job", s, 2)
	}
	east.names(nil, [2]string{"web", "shop.A"}, [2]string{"web", "bank.A"}, [2]string{"job", "shop.A"})
	r, _ := run(t, Options{
		From: east, To: west, FromMesh: "east", ToMesh: "west", Groups: []string{"w*"}, Services: []string{"shop.*"},
		Rename: Rename{Prefix: "east-"}, LookEvery: 10 * time.Millisecond,
	})
	west.expect(t, "east-web", "shop.A", held{at1: "east"})
	east.names(nil, [2]string{"web", "shop.A"}, [2]string{"web", "shop.B"})
	west.expect(t, "east-web", "shop.B", held{at1: "east"})
	for _, s := range [][2]string{{"east-web", "bank.A"}, {"east-job", "shop.A"}, {"web", "shop.A"}} {
		west.expect(t, s[0], s[1], held{})
	}
	east.names(errors.New("gone away"))
	eventually(t, "error", r.State, func(s State) bool { return strings.Contains(s.LastError, "gone away") })
	east.names(nil) // it has lost the names of all services, but not the nodes
	eventually(t, "no error", r.State, func(s State) bool { return s.LastError == "" })
	looked := r.State().Looked
	eventually(t, "another look", r.State, func(s State) bool { return s.Looked.After(looked) })
	west.expect(t, "east-web", "shop.A", held{at1: "east"})
}

// A service that nobody provides and no registry names is given up.
func TestServiceGoes(t *testing.T) {
	east, west := new(mesh), new(mesh)
	gone := east.provider(t, "g", "s", 1)
	east.names(nil, [2]string{"g", "s"})
	r, _ := run(t, Options{From: east, To: west, FromMesh: "east", ToMesh: "west", Groups: []string{"*"}, Services: []string{"*"}, LookEvery: time.Millisecond})
	west.expect(t, "g", "s", held{at1: "east"})
	gone()
	east.names(nil)
	west.expect(t, "g", "s", held{})
	eventually(t, "services", r.State, func(s State) bool { return s.Services == 0 })
}

// A node that cannot be written and nodes beyond the limit spoil nothing else.
func TestLeftOut(t *testing.T) {
	east, west := new(mesh), new(mesh)
	n := registry.Node{Service: registry.Service{Group: "g", Path: "s", Protocol: "bad protocol"}, Host: "10.0.0.1", Port: 1, Available: true}
	if err := east.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	gone := east.provider(t, "g", "s", 2)
	for port := 3; port <= 4; port++ {
		east.provider(t, "g", "s", port)
	}
	r, _ := run(t, Options{From: east, To: west, FromMesh: "east", ToMesh: "west", MaxNodes: 3, LookEvery: time.Millisecond})
	eventually(t, "state", r.State, func(s State) bool { return s.Refused == 1 && s.Ours == 2 && s.Over == 1 })
	west.expect(t, "g", "s", held{at2: "east", at3: "east"})
	if r.State().LastError == "" {
		t.Error("nobody is told that nodes are left out")
	}
	gone()
	west.expect(t, "g", "s", held{at3: "east", "10.0.0.1:4": "east"})
}

// A node that keeps vanishing is not announced as often as it vanishes.
func TestVanishing(t *testing.T) {
	east, west := new(mesh), new(mesh)
	east.provider(t, "g", "s", 1)
	r, _ := run(t, Options{From: east, To: west, FromMesh: "east", ToMesh: "west"})
	vanish := func() {
		west.mu.Lock()
		defer west.mu.Unlock()
		clear(west.entries)
		west.publish(registry.Service{Group: "g", Path: "s"})
	}
	west.expect(t, "g", "s", held{at1: "east"})
	eventually(t, "state", r.State, func(s State) bool { return s.Ours == 1 })
	vanish()
	west.expect(t, "g", "s", held{at1: "east"})
	eventually(t, "state", r.State, func(s State) bool { return s.Ours == 1 })
	vanish()
	eventually(t, "state", r.State, func(s State) bool { return s.Missing == 1 })
	west.mu.Lock()
	defer west.mu.Unlock()
	if west.calls != 2 {
		t.Errorf("announcements: got %d, want 2", west.calls)
	}
}
