package etcd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry/etcd/etcdtest"
)

// A registry that is down at the start is joined when it comes.
func TestDownAtStart(t *testing.T) {
	s := etcdtest.Start(t)
	s.Stop()
	r := open(t, s, nil)
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if r.State().LastError == "" {
			return "no word about a server that is not there"
		}
		return ""
	})
	s.Restart()
	list.expect(t, "10.0.0.1:8001")
}

// After a restart with the same data nothing is read again, and what happened after it is seen.
func TestRestart(t *testing.T) {
	s := etcdtest.Start(t)
	r := open(t, s, func(o *Options) { o.SessionTimeout = time.Minute })
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	s.Restart()
	put(t, s.Client("", ""), testBase+"/server/10.0.0.1:8002", providerText(8002))
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
	if st := r.State(); st.Sessions != 1 || st.Extra["list_reads"] != 1 {
		t.Errorf("got %d sessions and %d readings, want one of each", st.Sessions, st.Extra["list_reads"])
	}
}

// A server that comes back empty gets our nodes again, and its lists are believed.
func TestRestartEmpty(t *testing.T) {
	s := etcdtest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r)
	c := s.Client("", "")
	for port := 8002; port < 8012; port++ { // so that the revision was beyond what it will be
		put(t, c, fmt.Sprintf("%s/server/10.0.0.1:%d", testBase, port), providerText(port))
	}
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if _, nodes, _ := list.latest(); len(nodes) != 11 {
			return fmt.Sprintf("got %d nodes, want 11", len(nodes))
		}
		return ""
	})
	s.Wipe()
	s.Restart()
	list.expect(t, "10.0.0.1:8001")
	put(t, s.Client("", ""), testBase+"/server/10.0.0.1:8020", providerText(8020))
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8020")
}

// A server that does not answer is noticed, what is known stays, and the lease that meanwhile ended is made anew.
func TestHungServer(t *testing.T) {
	s := etcdtest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	s.Pause()
	connection(t, r, false)
	if got, _, _ := list.latest(); len(got) != 1 {
		t.Errorf("list of a server that hangs: got %v", got)
	}
	if st := r.State(); !st.Watches[0].Stale || st.LastError == "" {
		t.Errorf("state: got %+v", st)
	}
	s.Resume()
	connection(t, r, true)
	list.expect(t, "10.0.0.1:8001")
}

// Without a quorum what is known stays; with it the same lease goes on.
func TestQuorumLost(t *testing.T) {
	servers := etcdtest.StartCluster(t, 3)
	r := open(t, servers[0], func(o *Options) {
		o.Address = strings.Join([]string{servers[0].Addr, servers[1].Addr, servers[2].Addr}, ",")
		o.SessionTimeout, o.CallTimeout = time.Minute, time.Second
	})
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	id := lease(t, r)
	servers[1].Stop()
	servers[2].Stop()
	connection(t, r, false)
	if got, _, _ := list.latest(); len(got) != 1 {
		t.Errorf("list without a quorum: got %v", got)
	}
	servers[1].Restart()
	put(t, servers[1].Client("", ""), testBase+"/server/10.0.0.1:8002", providerText(8002))
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
	if got := lease(t, r); got != id {
		t.Errorf("lease: got %x, want %x as before", got, id)
	}
}

// A watch whose revision was compacted away while it had no connection reads everything.
func TestCompaction(t *testing.T) {
	s := etcdtest.Start(t)
	r := open(t, s, func(o *Options) { o.SessionTimeout = time.Minute })
	list := watch(t, r)
	c := s.Client("", "")
	put(t, c, servedKey, providerText(8001))
	list.expect(t, "10.0.0.1:8001")
	l := r.await(t.Context())
	r.mu.Lock()
	o := r.lists[testBase+"/server/"]
	r.mu.Unlock()
	v, err := readView(t.Context(), l, o, &r.options)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Delete(t.Context(), servedKey)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, testBase+"/server/10.0.0.1:8002", providerText(8002))
	if _, err := c.Compact(t.Context(), answer.Header.Revision+1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if v, err = r.track(ctx, l, o, v); v != nil || err == nil || !strings.Contains(err.Error(), "compacted") {
		t.Errorf("got %+v, %v; want nothing to go on with, and a word about compaction", v, err)
	}
	list.expect(t, "10.0.0.1:8002")
	if got := r.State().Extra["compactions"]; got != 1 {
		t.Errorf("compactions: got %d, want 1", got)
	}
}

// A list that is not what the notices made it is read again, and counted.
func TestAudit(t *testing.T) {
	s := etcdtest.Start(t)
	r := open(t, s, nil)
	watch(t, r).expect(t)
	l := r.await(t.Context())
	put(t, s.Client("", ""), servedKey, providerText(8001))
	r.mu.Lock()
	o := r.lists[testBase+"/server/"]
	r.mu.Unlock()
	v, err := readView(t.Context(), l, o, &r.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.audit(t.Context(), l, o, v); err != nil {
		t.Errorf("of the list as it is: got %v", err)
	}
	delete(v.entries, "10.0.0.1:8001")
	if err := r.audit(t.Context(), l, o, v); err == nil || r.worth(v, err) != nil {
		t.Errorf("of a list that lacks a node: got %v", err)
	}
	if v, err = readView(t.Context(), l, o, &r.options); err != nil {
		t.Fatal(err)
	}
	v.revision += 100 // as if etcd had lost data
	if err := r.audit(t.Context(), l, o, v); err == nil || r.worth(v, err) != nil {
		t.Errorf("of a list from the future: got %v", err)
	}
}

// Nodes that others deleted or changed are repaired; those of a lease that was revoked are made anew.
func TestRepair(t *testing.T) {
	s := etcdtest.Start(t)
	c := s.Client("", "")
	r := open(t, s, func(o *Options) { o.SelfCheck = 100 * time.Millisecond })
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	id := lease(t, r)
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: id, hiddenKey: 0})
	put(t, c, servedKey, "nonsense")
	put(t, c, hiddenKey, providerText(8001))
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: id, hiddenKey: 0})
	if _, err := c.Delete(t.Context(), servedKey); err != nil {
		t.Fatal(err)
	}
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: id})
	eventually(t, func() string { // what was written is seen before it is counted
		if got := r.State().Extra["repairs"]; got < 2 {
			return fmt.Sprintf("repairs: got %d, want 2 or more", got)
		}
		return ""
	})
	if _, err := c.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if r.State().Sessions < 2 {
			return "no new lease"
		}
		return ""
	})
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: lease(t, r)})
	list.expect(t, "10.0.0.1:8001")
}

// What another process announced at the same address after us stays when we withdraw.
func TestWithdrawLeavesOthers(t *testing.T) {
	s := etcdtest.Start(t)
	c := s.Client("", "")
	older, newer := open(t, s, nil), open(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	if err := older.Announce(ctx, provider(8001)); err != nil {
		t.Fatal(err)
	}
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: lease(t, older)})
	if err := newer.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	id := lease(t, newer)
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: id})
	cancel()
	eventually(t, func() string {
		older.mu.Lock()
		defer older.mu.Unlock()
		if len(older.claims) != 0 {
			return "not withdrawn"
		}
		return ""
	})
	expectKeys(t, c, map[string]clientv3.LeaseID{servedKey: id})
}

// Entries that cannot be used spoil nothing but themselves.
func TestBadEntries(t *testing.T) {
	s := etcdtest.Start(t)
	c := s.Client("", "")
	for name, value := range map[string]string{
		"10.0.0.1:8001":   providerText(8001),
		"10.0.0.1:8002":   "\xac\xed\x00\x05\x74\x00\x22motan2://10.0.0.1:8002/?group=x",
		"10.0.0.1:8003":   "", // the name is all there is to know
		"10.0.0.1:8004":   "http",
		"10.0.0.1:8005":   strings.Repeat("x", 100000),
		"a/b":             "",
		"10.0.0.1:999999": "",
	} {
		put(t, c, testBase+"/server/"+name, value)
	}
	r := open(t, s, nil)
	list := watch(t, r)
	eventually(t, func() string {
		got, _, _ := list.latest()
		text := strings.Join(got, " ")
		if !strings.Contains(text, ":8001") || !strings.Contains(text, ":8003") || strings.Contains(text, ":8004") || strings.Contains(text, ":8005") {
			return "got " + text
		}
		return ""
	})
	if st := r.State(); !strings.Contains(st.Watches[0].LastError, "entries ignored") {
		t.Errorf("state: got %q, want a word about entries ignored", st.Watches[0].LastError)
	}
}
