package agent

import (
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
)

// TestCatalog checks what HTTP in is told of services whose refers are several.
func TestCatalog(t *testing.T) {
	one, two, other := referred("one", "g", "", "motan2"), referred("two", "h", "", "motan2"), referred("other", "g", "", "motan2")
	one.refer.Description, one.refer.HTTPGet = "users", []string{"get"}
	one.refer.Described = []conf.DescribedMethod{{Name: "get", Types: "long", Example: "[42]"}}
	two.refer.Description, two.refer.HTTPGet = "not said", []string{"list"}
	two.refer.Described = []conf.DescribedMethod{{Name: "get", Types: "long", Description: "not said"}, {Name: "get", Types: "int"}}
	r := &routes{byService: map[string][]*route{"svc": {one, two}, "a": {other}}}
	r.describe()
	var in atomic.Pointer[routes]
	in.Store(r)
	c := catalog{&in}
	want := &httpbridge.Service{
		Name: "svc", Description: "users", Groups: []string{"g", "h"}, Get: []string{"get", "list"},
		Methods: map[string][]httpbridge.Method{"get": {{Name: "get", Signature: "long", Example: "[42]"}, {Name: "get", Signature: "int"}}},
	}
	if got := c.Service([]byte("svc")); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := c.Service([]byte("none")); got != nil {
		t.Errorf("got %+v, want nil", got)
	}
	if all := c.Services(); len(all) != 2 || all[0].Name != "a" || all[1].Name != "svc" {
		t.Errorf("got %v, want a and svc", all)
	}
	if n := testing.AllocsPerRun(100, func() { c.Service([]byte("svc")) }); n > 0 {
		t.Errorf("looking a service up allocates %v times, want 0", n)
	}
}
