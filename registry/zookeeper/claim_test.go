package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

const (
	servedPath = testBase + "/server/10.0.0.1:8001"
	hiddenPath = testBase + "/unavailableServer/10.0.0.1:8001"
)

// expectTree waits until the paths belong to the sessions; 0 means that a path must not exist.
func expectTree(t *testing.T, c *zk.Conn, want map[string]int64) {
	t.Helper()
	eventually(t, func() string {
		for path, id := range want {
			if got := owner(t, c, path); got != id {
				return fmt.Sprintf("%s: got owner %x, want %x", path, got, id)
			}
		}
		return ""
	})
}

// The life of a provider: registered, available, unavailable, gone; said again each time for the same node.
func TestAnnounceLife(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, nil)
	n := provider(8001)
	say := func(available bool) context.CancelFunc {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		n.Available = available
		if err := r.Announce(ctx, n); err != nil {
			t.Fatal(err)
		}
		return cancel
	}
	endFirst := say(false)
	id := connected(t, r)
	expectTree(t, c, map[string]int64{hiddenPath: id, servedPath: 0})
	endSecond := say(true)
	expectTree(t, c, map[string]int64{hiddenPath: 0, servedPath: id})
	endFirst() // of what was replaced: nothing happens
	endThird := say(false)
	expectTree(t, c, map[string]int64{hiddenPath: id, servedPath: 0})
	end := say(true)
	expectTree(t, c, map[string]int64{hiddenPath: 0, servedPath: id})
	endSecond()
	endThird()
	expectTree(t, c, map[string]int64{hiddenPath: 0, servedPath: id})
	if st := r.State(); len(st.Announced) != 1 || !st.Announced[0].Written || st.Announced[0].Addr != "10.0.0.1:8001" {
		t.Errorf("state: got %+v", st.Announced)
	}
	end()
	expectTree(t, c, map[string]int64{hiddenPath: 0, servedPath: 0})
	eventually(t, func() string {
		if st := r.State(); len(st.Announced) != 0 {
			return fmt.Sprintf("state: got %+v", st.Announced)
		}
		return ""
	})
	endAgain := say(true) // what was withdrawn can be said again
	expectTree(t, c, map[string]int64{servedPath: id})
	endAgain()
	expectTree(t, c, map[string]int64{servedPath: 0})
}

// Changed parameters replace the node, so that consumers, who watch the folder only, take notice.
func TestAnnounceChangedParams(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	n := provider(8001)
	for _, weight := range []string{"1", "2"} {
		n.Params = map[string]string{"weight": weight}
		if err := r.Announce(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			if _, nodes, _ := list.latest(); len(nodes) != 1 || nodes[0].Params["weight"] != weight {
				return fmt.Sprintf("got %+v, want weight %s", nodes, weight)
			}
			return ""
		})
	}
}

// What another process announced at the same address after us stays when we withdraw.
func TestWithdrawLeavesOthers(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	older, newer := open(t, s, nil), open(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	if err := older.Announce(ctx, provider(8001)); err != nil {
		t.Fatal(err)
	}
	expectTree(t, c, map[string]int64{servedPath: connected(t, older)})
	if err := newer.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	id := connected(t, newer)
	expectTree(t, c, map[string]int64{servedPath: id})
	cancel()
	eventually(t, func() string {
		if n := len(older.State().Announced); n != 0 {
			return "not withdrawn"
		}
		older.mu.Lock()
		defer older.mu.Unlock()
		if len(older.claims) != 0 {
			return "not withdrawn"
		}
		return ""
	})
	expectTree(t, c, map[string]int64{servedPath: id})
}

// The bytes in the tree are those that Java and motan-go read.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	for form, prefix := range map[registry.TextForm]string{
		"": "\xac\xed\x00\x05\x74\x00", registry.TextJava: "\xac\xed\x00\x05\x74\x00", registry.TextPlain: "motan2://10.0.0.1:8001/",
	} {
		r := open(t, s, func(o *Options) {
			o.Form, o.LocalIP, o.ClientParams = form, "10.0.0.7", map[string]string{"application": "test"}
		})
		n := provider(8001)
		if err := r.Announce(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := r.Watch(ctx, testService, func([]registry.Node) {}); err != nil {
			t.Fatal(err)
		}
		id := connected(t, r)
		client := testBase + "/client/10.0.0.7:0"
		expectTree(t, c, map[string]int64{servedPath: id, client: id})
		data, _, err := c.Get(servedPath)
		if err != nil || !strings.HasPrefix(string(data), prefix) || !strings.HasSuffix(string(data), string(providerText(8001))) {
			t.Errorf("form %q: got %q, %v", form, data, err)
		}
		data, _, err = c.Get(client)
		want := "motan2://10.0.0.7:0/" + testPath + "?group=test-group&application=test&nodeType=referer&version=1.0"
		if err != nil || !strings.HasSuffix(string(data), want) {
			t.Errorf("client, form %q: got %q, %v; want %s", form, data, err, want)
		}
		cancel()
		expectTree(t, c, map[string]int64{client: 0})
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// With auth, what we make is ours alone; a chroot puts all of it below.
func TestAuthAndChroot(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	secret := func(o *Options) { o.Auth, o.Address = "user:secret", s.Addr+"/a/b" }
	r := open(t, s, secret)
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	acl, _, err := c.GetACL("/a/b" + servedPath)
	want := zk.DigestACL(zk.PermAll, "user", "secret")
	if err == nil && (len(acl) != 1 || acl[0] != want[0]) {
		t.Errorf("ACL: got %v, want %v", acl, want)
	}
	if _, _, err := c.Get("/a/b" + servedPath); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("read by a stranger: got %v, want %v", err, zk.ErrNoAuth)
	}
	friend := open(t, s, secret)
	watch(t, friend, testService).expect(t, "10.0.0.1:8001")

	stranger := open(t, s, func(o *Options) { o.Address = s.Addr + "/a/b" })
	watch(t, stranger, testService)
	eventually(t, func() string {
		if w := stranger.State().Watches; len(w) != 1 || !strings.Contains(w[0].LastError, "not authenticated") {
			return fmt.Sprintf("state of a stranger: got %+v, want a word about authentication", w)
		}
		return ""
	})

	r.link.kick("kicked by the test") // the library has to say who we are again
	makeAgain := provider(8002)
	if err := r.Announce(t.Context(), makeAgain); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
}

// Where making the folder is forbidden, its creation by somebody else is noticed.
func TestWatchWhereForbidden(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	if err := c.AddAuth("digest", []byte("owner:secret")); err != nil {
		t.Fatal(err)
	}
	acl := append(zk.DigestACL(zk.PermAll, "owner", "secret"), zk.WorldACL(zk.PermRead)...)
	if _, err := c.Create(root, nil, 0, acl); err != nil {
		t.Fatal(err)
	}
	r := open(t, s, nil)
	list := watch(t, r, testService)
	list.expect(t)
	makeNode(t, c, servedPath, providerText(8001), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001")
}

// Close without a server says that nodes remain, and does not hang.
func TestCloseWithoutServer(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	s.Stop()
	eventually(t, func() string {
		if r.State().Connected {
			return "still connected"
		}
		return ""
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ended); err == nil {
		t.Error("close with a context that has ended: got no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if err := r.Close(ctx); err == nil || !strings.Contains(err.Error(), "vanishes within") {
		t.Errorf("close: got %v, want a word about nodes that remain", err)
	}
}

func TestClaimDue(t *testing.T) {
	now := time.Now()
	m := &claim{}
	m.change(wish{path: "/a"})
	if at, ok := m.due(1); !ok || at.After(now) {
		t.Errorf("new: got %v, %v; want at once", at, ok)
	}
	m.finish(now, m.generation, 1, time.Minute, false, nil, nil)
	if at, ok := m.due(1); !ok || at.Sub(now) < 50*time.Second || at.Sub(now) > time.Minute {
		t.Errorf("held: got %v, %v; want in about a minute", at.Sub(now), ok)
	}
	if at, ok := m.due(2); !ok || at.After(now) {
		t.Errorf("in a new session: got %v, %v; want at once", at, ok)
	}
	m.withdraw()
	if at, ok := m.due(1); !ok || at.After(now) {
		t.Errorf("withdrawn: got %v, %v; want at once", at, ok)
	}
	m.busy = true
	if _, ok := m.due(1); ok {
		t.Error("busy: want not due")
	}
}
