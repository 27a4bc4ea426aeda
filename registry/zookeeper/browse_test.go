package zookeeper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

func TestBrowse(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, func(o *Options) { o.Address = s.Addr + "/below" })
	if names, err := r.Groups(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("groups of nothing: got %q, %v", names, err)
	}
	if entries, err := r.Entries(t.Context(), testGroup, testPath); err != nil || len(entries) != 0 {
		t.Errorf("entries of nothing: got %v, %v", entries, err)
	}
	if n, err := r.Callers(t.Context(), testGroup, testPath); err != nil || n != 0 {
		t.Errorf("callers of nothing: got %d, %v", n, err)
	}
	base := "/below" + testBase
	makeNode(t, c, base+"/server/10.0.0.1:8001", []byte("motan2://10.0.0.1:8001/"+testPath+"?group="+testGroup+"&version=1.1"), zk.FlagEphemeral)
	makeNode(t, c, base+"/unavailableServer/10.0.0.2:8001", registry.TextJava.Encode("motan2://10.0.0.2:8001/"+testPath+"?group="+testGroup), 0)
	makeNode(t, c, base+"/server/broken", []byte("x"), 0)
	makeNode(t, c, base+"/client/10.0.0.3:0", []byte("motan2://10.0.0.3:0/"+testPath+"?application=shop&nodeType=referer"), 0)
	makeNode(t, c, base+"/client/10.0.0.4", nil, 0) // as Java's may be
	makeNode(t, c, "/below"+root+"/"+testGroup+"/command", []byte("{}"), 0)
	makeNode(t, c, "/below"+root+"/agent/app/node", nil, 0)
	makeNode(t, c, "/below"+root+"/other", nil, 0)

	groups, err := r.Groups(t.Context())
	if want := []string{"other", testGroup}; err != nil || !slices.Equal(groups, want) {
		t.Errorf("groups: got %q, %v, want %q", groups, err, want)
	}
	services, err := r.Services(t.Context(), testGroup)
	if want := []string{testPath}; err != nil || !slices.Equal(services, want) {
		t.Errorf("services: got %q, %v, want %q", services, err, want)
	}
	entries, err := r.Entries(t.Context(), testGroup, testPath)
	if err != nil || len(entries) != 5 {
		t.Fatalf("entries: got %v, %v, want 5", entries, err)
	}
	if a, b := entries[3], entries[4]; a.Kind != "client" || a.Problem != "" || a.Node.Params["application"] != "shop" || b.Problem != "" {
		t.Errorf("callers: got %+v and %+v, want no problem", a, b)
	}
	if n, err := r.Callers(t.Context(), testGroup, testPath); err != nil || n != 2 {
		t.Errorf("number of callers: got %d, %v, want 2", n, err)
	}
	ours, broken, hidden := entries[0], entries[1], entries[2]
	if ours.Kind != "server" || ours.Node.Version != "1.1" || !ours.Node.Available || ours.Session == "" || ours.Modified.IsZero() || ours.Problem != "" {
		t.Errorf("available: got %+v", ours)
	}
	if broken.Name != "broken" || broken.Problem == "" || broken.Session != "" {
		t.Errorf("broken: got %+v, want a problem and no session", broken)
	}
	if hidden.Kind != "unavailableServer" || hidden.Node.Addr() != "10.0.0.2:8001" || hidden.Node.Available || !strings.HasPrefix(hidden.Text, "motan2://") {
		t.Errorf("unavailable: got %+v", hidden)
	}
}

func TestBrowseRefuses(t *testing.T) {
	t.Parallel()
	r, err := New(Options{Address: "127.0.0.1:1", ConnectTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Services(t.Context(), "a/b"); err == nil {
		t.Error("a group with a slash: got no error")
	}
	if _, err := r.Entries(t.Context(), testGroup, ".."); err == nil {
		t.Error("a service called \"..\": got no error")
	}
	if _, err := r.Callers(t.Context(), "a/b", testPath); err == nil {
		t.Error("callers in a group with a slash: got no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.Groups(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("no server: got %v, want a deadline and the reason", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.Groups(t.Context()); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("after Close: got %v, want %v", err, registry.ErrClosed)
	}
}
