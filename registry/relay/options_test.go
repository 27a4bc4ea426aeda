package relay

import (
	"maps"
	"strings"
	"testing"

	"github.com/motand/motand/registry"
)

func TestNewRefuses(t *testing.T) {
	good := Options{From: new(mesh), To: new(mesh), FromMesh: "a", ToMesh: "b", Groups: []string{"g"}, Services: []string{"s"}}
	for _, tt := range []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"good", func(*Options) {}, ""},
		{"no registry", func(o *Options) { o.To = nil }, "two registries"},
		{"takes no copies", func(o *Options) { o.To = new(registry.Static) }, "takes no copies"},
		{"cannot be browsed", func(o *Options) { o.From, o.Groups = new(registry.Static), []string{"*"} }, "cannot tell what it holds"},
		{"need not be browsed", func(o *Options) { o.From = new(registry.Static) }, ""},
		{"name of a mesh", func(o *Options) { o.FromMesh = "a,b" }, `mesh "a,b"`},
		{"no name of a mesh", func(o *Options) { o.ToMesh = "" }, `mesh ""`},
		{"one mesh", func(o *Options) { o.ToMesh = "a" }, "both registries are of the mesh a"},
		{"nothing chosen", func(o *Options) { o.Services = nil }, "name the groups and services"},
		{"bad pattern", func(o *Options) { o.Groups = []string{"[a"} }, "no pattern"},
		{"several groups into one", func(o *Options) { o.Groups, o.Rename.Group = []string{"a", "b"}, "c" }, "cannot become one"},
		{"a pattern into one", func(o *Options) { o.Groups, o.Rename.Group = []string{"a*"}, "c" }, "cannot become one"},
		{"hops", func(o *Options) { o.Hops = 17 }, "17 hops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			_, err := New(o)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestMarked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hops   int
		params map[string]string
		into   string
		want   map[string]string // nil: it is not copied
	}{
		{"a provider", 1, nil, "g", map[string]string{"syncedFrom": "east", "syncedBy": "h"}},
		{"its parameters", 1, map[string]string{"weight": "5"}, "g", map[string]string{"weight": "5", "syncedFrom": "east", "syncedBy": "h"}},
		{"another group", 1, nil, "east-g", map[string]string{"syncedFrom": "east", "syncedBy": "h", "syncedGroup": "g"}},
		{"a copy", 1, map[string]string{"syncedFrom": "north"}, "g", nil},
		{"a copy further", 2, map[string]string{"syncedFrom": "north", "syncedBy": "x"}, "g", map[string]string{"syncedFrom": "north,east", "syncedBy": "h"}},
		{"renamed twice", 2, map[string]string{"syncedFrom": "north", "syncedGroup": "n"}, "e-g", map[string]string{"syncedFrom": "north,east", "syncedBy": "h", "syncedGroup": "n"}},
		{"back under its own name", 2, map[string]string{"syncedFrom": "north", "syncedGroup": "n"}, "n", map[string]string{"syncedFrom": "north,east", "syncedBy": "h"}},
		{"a copy of where it goes", 9, map[string]string{"syncedFrom": "west"}, "g", nil},
		{"a copy of where it is", 9, map[string]string{"syncedFrom": "east,north"}, "g", nil},
		{"an empty mark", 9, map[string]string{"syncedFrom": ""}, "g", nil},
		{"a mark that would get lost", 9, map[string]string{"syncedFrom": "a?b"}, "g", nil},
		{"a group without a mark means nothing", 1, map[string]string{"syncedGroup": "x"}, "g", map[string]string{"syncedFrom": "east", "syncedBy": "h"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{FromMesh: "east", ToMesh: "west", Host: "h", Hops: tt.hops}
			n := registry.Node{Service: registry.Service{Group: "g", Path: "s"}, Params: tt.params}
			before := maps.Clone(tt.params)
			got, ok := o.marked(n, registry.Service{Group: tt.into, Path: "s"})
			if ok != (tt.want != nil) || ok && !maps.Equal(got.Params, tt.want) {
				t.Errorf("got %v %v, want %v", got.Params, ok, tt.want)
			}
			if ok && (got.Group != tt.into || !got.Available) {
				t.Errorf("got group %q, available %v", got.Group, got.Available)
			}
			if !maps.Equal(before, tt.params) {
				t.Error("the node's own parameters were changed")
			}
		})
	}
}

// Whatever a mark says, a copy's own mark survives being written and read, is no longer than allowed, and does not lead back.
func FuzzMarked(f *testing.F) {
	f.Add("north", "g", 2)
	f.Add("a,b,c", "", 16)
	f.Add("west", "x%y", 3)
	f.Fuzz(func(t *testing.T, mark, group string, hops int) {
		o := Options{FromMesh: "east", ToMesh: "west", Hops: 1 + (hops&15+16)%16}
		n := registry.Node{
			Service: registry.Service{Group: "g", Path: "s", Protocol: "motan2"}, Host: "10.0.0.1", Port: 1,
			Params: map[string]string{registry.SyncedFrom: mark, registry.SyncedGroup: group},
		}
		c, ok := o.marked(n, registry.Service{Group: "to", Path: "s"})
		if !ok {
			return
		}
		text, err := c.Text()
		if err != nil {
			t.Skip()
		}
		back, err := registry.ParseNode(registry.Service{Group: "to", Path: "s"}, "10.0.0.1:1", text)
		if err != nil {
			t.Fatal(err)
		}
		meshes := strings.Split(back.Params[registry.SyncedFrom], ",")
		if len(meshes) > o.Hops || len(meshes) < 2 || meshes[len(meshes)-1] != "east" {
			t.Fatalf("mark %q became %q", mark, back.Params[registry.SyncedFrom])
		}
		for _, m := range meshes {
			if m == "west" {
				t.Fatalf("mark %q leads back: %q", mark, back.Params[registry.SyncedFrom])
			}
		}
	})
}
