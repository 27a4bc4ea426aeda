package zookeeper

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// A provider that appears after the subscription to a path that does not exist is found (motan-go never finds it).
func TestWatchBeforePathExists(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	list.expect(t)
	c := s.Client()
	if exists, _, err := c.Exists(testBase + "/server"); err != nil || !exists {
		t.Errorf("server folder: exists %v, error %v; want it made for motan-go consumers", exists, err)
	}
	makeNode(t, c, testBase+"/server/10.0.0.1:8001", providerText(8001), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001")
	makeNode(t, c, testBase+"/server/10.0.0.1:8002", providerText(8002), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
	if err := c.Delete(testBase+"/server/10.0.0.1:8001", -1); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8002")
}

// Deleting a watched folder means no providers, spins nowhere, and does not blind the watch (motan-go burns a core).
func TestWatchedFolderDeleted(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	c := s.Client()
	for i := range 3 {
		port := 8001 + i
		list.expect(t)
		eventually(t, func() string { // the registry makes the folder
			_, err := c.Create(testBase+"/server/10.0.0.1:"+strconv.Itoa(port), providerText(port), 0, zk.WorldACL(zk.PermAll))
			if err != nil {
				return err.Error()
			}
			return ""
		})
		list.expect(t, "10.0.0.1:"+strconv.Itoa(port))
		removeAll(t, c, testBase)
	}
	list.expect(t)
	if st := r.State(); st.Sessions != 1 {
		t.Errorf("sessions: got %d, want 1", st.Sessions)
	}
	// Three deletions of two folders, and the nodes: a spinning watch would have read thousands of times.
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.lookouts[testBase+"/server"]; o == nil || o.fired > 50 {
		t.Errorf("notices: got %+v, want a handful", o)
	}
}

// One entry that is no URL spoils only itself (motan-go panics and is blind from then on).
func TestGarbageInEntry(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, nil)
	list := watch(t, r, testService)
	list.expect(t)
	good := registry.TextJava.Encode(string(providerText(8001)))
	for name, data := range map[string][]byte{
		"10.0.0.1:8001":  good,
		"10.0.0.1:8002":  []byte("no URL at all"),
		"10.0.0.1:8003":  {0xac, 0xed, 0x00, 0x05, 0x73, 0x72},
		"10.0.0.1:8004":  []byte("motan2://[::1:8004/" + testPath),
		"10.0.0.1:8005":  {0xff, 0xfe, 0x00},
		"10.0.0.1:8006":  nil, // no text: the name is the address
		"10.0.0.1:8007":  registry.TextJava.Encode(string(make([]byte, 100<<10))),
		"10.0.0.1:8008":  make([]byte, 900<<10),
		"nonsense name!": nil,
	} {
		makeNode(t, c, testBase+"/server/"+name, data, zk.FlagEphemeral)
	}
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8006")
	eventually(t, func() string {
		for _, w := range r.State().Watches {
			if w.LastError == "" {
				return "state: no word about the entries that are ignored"
			}
		}
		return ""
	})
	makeNode(t, c, testBase+"/server/10.0.0.1:8009", providerText(8009), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8006", "10.0.0.1:8009")
}

// A process that slept through its session takes its nodes over even while the old session's still exist.
func TestNodeOfOlderSession(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	makeNode(t, c, testBase+"/server/10.0.0.1:8001", providerText(8001), zk.FlagEphemeral)
	makeNode(t, c, testBase+"/unavailableServer/10.0.0.1:8001", providerText(8001), zk.FlagEphemeral)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	list.expect(t, "10.0.0.1:8001")
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	id := connected(t, r)
	eventually(t, func() string {
		if got := owner(t, c, testBase+"/server/10.0.0.1:8001"); got != id {
			return fmt.Sprintf("owner: got %x, want %x", got, id)
		}
		if got := owner(t, c, testBase+"/unavailableServer/10.0.0.1:8001"); got != 0 {
			return "still under unavailableServer"
		}
		return ""
	})
	list.mu.Lock()
	defer list.mu.Unlock()
	if slices.ContainsFunc(list.lists, func(l []string) bool { return len(l) == 0 }) {
		t.Errorf("lists: got %v, want none empty: the takeover is one step", list.lists)
	}
}

// A node of ours that somebody deletes is made again by the self-check.
func TestOwnNodeDeleted(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, func(o *Options) { o.SelfCheck = 200 * time.Millisecond })
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	c := s.Client()
	path := testBase + "/server/10.0.0.1:8001"
	for range 2 {
		eventually(t, func() string {
			if owner(t, c, path) == 0 {
				return "not announced"
			}
			return ""
		})
		removeAll(t, c, root)
	}
	eventually(t, func() string {
		if owner(t, c, path) == 0 {
			return "not announced again"
		}
		return ""
	})
}
