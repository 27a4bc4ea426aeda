package etcd

import (
	"slices"
	"testing"

	"github.com/motand/motand/registry/etcd/etcdtest"
)

func TestBrowse(t *testing.T) {
	s := etcdtest.Start(t)
	c := s.Client("", "")
	for _, key := range []string{servedKey, "/motan/a-b/s/server/h:1", "/motan/a/s-t/server/h:1", "/motan/a/s/server/h:1", "/motan/a/s/unavailableServer/h:2", "/motan/a/command", "/motan/agent/x/y"} {
		put(t, c, key, "")
	}
	r := open(t, s, nil)
	if got, err := r.Groups(t.Context()); err != nil || !slices.Equal(got, []string{"a", "a-b", testGroup}) {
		t.Errorf("groups: got %v, %v", got, err)
	}
	if got, err := r.Services(t.Context(), "a"); err != nil || !slices.Equal(got, []string{"s", "s-t"}) {
		t.Errorf("services: got %v, %v", got, err)
	}
	got, err := r.Entries(t.Context(), "a", "s")
	if err != nil || len(got) != 2 || got[0].Kind != "server" || !got[0].Node.Available || got[1].Name != "h:2" || got[1].Node.Available {
		t.Errorf("entries: got %+v, %v", got, err)
	}
}
