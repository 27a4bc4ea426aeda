package zookeeper

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// A notice that never comes is made up for by reading without being told, and the watch is set anew.
func TestLostNotice(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	w := &wire{}
	r := open(t, s, func(o *Options) { o.Dial = w.dial; o.Relist = 300 * time.Millisecond })
	list := watch(t, r, testService)
	list.expect(t)
	c := s.Client()
	w.deaf.Store(true)
	makeNode(t, c, testBase+"/server/10.0.0.1:8001", providerText(8001), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001")
	w.deaf.Store(false)
	if n := r.State().Extra["lost_notices"]; n == 0 {
		t.Error("lost notices: got 0, want them counted")
	}
	makeNode(t, c, testBase+"/server/10.0.0.1:8002", providerText(8002), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
}

// Thousands of providers: each is read once, a burst is few updates, and one that is replaced is read again.
func TestManyProviders(t *testing.T) {
	const count = 2000
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	w := &wire{}
	r := open(t, s, func(o *Options) { o.Dial = w.dial; o.SessionTimeout = 4 * time.Second })
	list := watch(t, r, testService)
	list.expect(t)
	want := make([]string, count)
	for i := range count {
		want[i] = "10.0.0.1:" + strconv.Itoa(10000+i)
		makeQuick(t, c, testBase+"/server/"+want[i], providerText(10000+i))
	}
	list.expect(t, want...)
	if _, _, updates := list.latest(); updates > count/10 {
		t.Errorf("updates: got %d for %d providers, want bursts merged", updates, count)
	}
	if n := w.reads.Load(); n < count || n > count+count/10 {
		t.Errorf("entries read: got %d for %d providers, want each read once", n, count)
	}

	before := w.reads.Load()
	makeQuick(t, c, testBase+"/server/10.0.0.1:9999", providerText(9999))
	list.expect(t, append(slices.Clone(want), "10.0.0.1:9999")...)
	if n := w.reads.Load() - before; n != 1 {
		t.Errorf("entries read for one that came: got %d, want 1", n)
	}

	// The same name in one step, as a takeover does it: the list of names does not change.
	path, text := testBase+"/server/10.0.0.1:9999", "motan2://10.0.0.1:9999/"+testPath+"?group=test-group&weight=7"
	_, err := c.Multi(&zk.DeleteRequest{Path: path, Version: -1},
		&zk.CreateRequest{Path: path, Data: []byte(text), Acl: zk.WorldACL(zk.PermAll)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		_, nodes, _ := list.latest()
		for _, n := range nodes {
			if n.Port == 9999 && n.Params["weight"] == "7" {
				return ""
			}
		}
		return "the replaced entry was not read again"
	})
}

func makeQuick(t *testing.T, c *zk.Conn, path string, data []byte) {
	t.Helper()
	if _, err := c.Create(path, data, zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// Watches of one service share the reading and get what is for them; the last one's end forgets the list.
func TestWatchesShare(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	makeNode(t, c, testBase+"/server/10.0.0.1:8001", providerText(8001), zk.FlagEphemeral)
	makeNode(t, c, testBase+"/server/10.0.0.1:8002",
		[]byte("motan://10.0.0.1:8002/"+testPath+"?group=test-group&version=2.0&nodeType=service&x=a+b%2Fc&"), zk.FlagEphemeral)
	r := open(t, s, nil)
	second := testService
	second.Version = "2.0"
	all, some := watch(t, r, testService), watch(t, r, second)
	all.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
	some.expect(t, "10.0.0.1:8002")
	_, nodes, _ := some.latest()
	if n := nodes[0]; n.Params["x"] != "a b/c" || n.Protocol != "motan" || n.Group != testGroup || n.Path != testPath || !n.Available {
		t.Errorf("node: got %+v", n)
	}
	st := r.State()
	if len(st.Watches) != 2 || st.Watches[0].Stale || st.Watches[0].Updated.IsZero() || st.Kind != "zookeeper" {
		t.Errorf("state: got %+v", st)
	}
	late := watch(t, r, testService)
	late.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
}

func TestCovers(t *testing.T) {
	before := listing{known: true, created: 5, cversion: 10, children: map[string]child{"a": {}, "b": {}}}
	tests := []struct {
		name     string
		before   listing
		created  int64
		cversion int32
		names    []string
		want     bool
	}{
		{"nothing", before, 5, 10, []string{"a", "b"}, true},
		{"one came", before, 5, 11, []string{"a", "b", "c"}, true},
		{"one went", before, 5, 11, []string{"a"}, true},
		{"one came, one went", before, 5, 12, []string{"a", "c"}, true},
		{"one replaced", before, 5, 12, []string{"a", "b"}, false},
		{"one replaced, one came", before, 5, 13, []string{"a", "b", "c"}, false},
		{"one came and went", before, 5, 12, []string{"a", "b"}, false},
		{"another folder", before, 6, 10, []string{"a", "b"}, false},
		{"never read", listing{}, 0, 0, nil, false},
	}
	for _, tt := range tests {
		if got := tt.before.covers(&zk.Stat{Czxid: tt.created, Cversion: tt.cversion}, tt.names); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestListingNodes(t *testing.T) {
	a, b := provider(1), provider(2)
	l := listing{known: true, children: map[string]child{
		"2": {node: b}, "1": {node: a}, "3": {node: a}, "bad": {problem: "rubbish"}, "worse": {problem: "nonsense"},
	}}
	nodes, problem := l.nodes()
	if len(nodes) != 2 || nodes[0].Port != 1 || nodes[1].Port != 2 {
		t.Errorf("nodes: got %+v, want each address once", nodes)
	}
	if problem != `2 of 5 entries ignored, the first being "bad": rubbish` {
		t.Errorf("problem: got %q", problem)
	}
	l.children["1"] = child{node: a, bytes: maxListBytes}
	l.children["2"] = child{node: b, bytes: 1}
	l.limit([]string{"1", "2", "3"})
	if nodes, problem := l.nodes(); len(nodes) != 1 || problem == "" {
		t.Errorf("beyond the limit: got %d nodes, problem %q", len(nodes), problem)
	}
}

// A watch that fires while its reading is under way is used up by the time the answer is looked at.
func TestLookoutArms(t *testing.T) {
	now := time.Now()
	silence := slog.New(slog.DiscardHandler)
	l := listing{known: true, created: 1, cversion: 1}
	changed := listing{known: true, created: 1, cversion: 2}
	tests := []struct {
		name                     string
		armed, fires             bool
		got                      listing
		wantArmed, dirty, isLost bool
	}{
		{"first", false, false, l, true, false, false},
		{"fires meanwhile", false, true, l, false, true, false},
		{"confirmed", true, false, l, true, false, false},
		{"fires before a changed answer", true, true, changed, false, true, false},
		{"changed without a notice", true, false, changed, false, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &lookout{vigil: vigil{armed: tt.armed, dirty: true, auditAt: now.Add(time.Hour)}}
			if tt.armed {
				o.list = l
			}
			how, fired := o.begin(now), o.fired
			if how.watch == tt.armed {
				t.Errorf("watch: got %v with armed %v", how.watch, tt.armed)
			}
			if tt.fires {
				o.notice()
			}
			lost := o.finish(now, how, fired, time.Minute, tt.got, nil, silence)
			if o.armed != tt.wantArmed || o.dirty != tt.dirty || lost != tt.isLost {
				t.Errorf("got armed %v, dirty %v, lost %v; want %v, %v, %v", o.armed, o.dirty, lost, tt.wantArmed, tt.dirty, tt.isLost)
			}
		})
	}
}

// Every tenth reading without a notice reads every entry.
func TestLookoutReadsFully(t *testing.T) {
	now := time.Now()
	o := &lookout{vigil: vigil{armed: true}}
	full := 0
	for range 3 * fullEvery {
		if r := o.begin(now); r.full {
			full++
		}
	}
	if full != 3 {
		t.Errorf("full readings: got %d of %d, want 3", full, 3*fullEvery)
	}
}

func TestPace(t *testing.T) {
	now := time.Now()
	var p pace
	var pauses []time.Duration
	for range 6 { // a burst: again as soon as it is allowed
		p.succeeded(now)
		pauses = append(pauses, p.notBefore.Sub(now))
		now = p.notBefore
	}
	want := []time.Duration{burstPause, 2 * burstPause, 4 * burstPause, maxBurstPause, maxBurstPause, maxBurstPause}
	if !slices.Equal(pauses, want) {
		t.Errorf("burst: got %v, want %v", pauses, want)
	}
	now = now.Add(2 * burstOver)
	if p.succeeded(now); p.notBefore.Sub(now) != burstPause {
		t.Errorf("after a rest: got %v, want %v", p.notBefore.Sub(now), burstPause)
	}
	for i := range 100 {
		p.failed(now)
		most := min(retryPause<<min(i, 20), maxRetryPause)
		if got := p.notBefore.Sub(now); got < most/2 || got > most {
			t.Fatalf("failure %d: got a pause of %v, want between %v and %v", i, got, most/2, most)
		}
	}
	if p.reset(); !p.notBefore.IsZero() {
		t.Errorf("after reset: got %v", p.notBefore)
	}
	for range 100 {
		if d := about(time.Minute); d > time.Minute || d < 54*time.Second {
			t.Fatalf("about a minute: got %v", d)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	r, err := New(Options{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []registry.Service{
		{},
		{Group: "g"},
		{Path: "s"},
		{Group: "g", Path: "a/b"},
		{Group: "..", Path: "s"},
		{Group: "g", Path: "command"},
		{Group: "g\x00", Path: "s"},
		{Group: "g", Path: "\xff"},
		{Group: "g", Path: fmt.Sprintf("%0300d", 1)},
	} {
		if err := r.Watch(t.Context(), s, func([]registry.Node) {}); err == nil {
			t.Errorf("watch of %+v was accepted", s)
		}
		if err := r.Announce(t.Context(), registry.Node{Service: s, Host: "h", Port: 1}); err == nil {
			t.Errorf("announcement of %+v was accepted", s)
		}
	}
	if err := r.Watch(t.Context(), testService, nil); err == nil {
		t.Error("a watch without receiver was accepted")
	}
	for _, n := range []registry.Node{
		{Service: testService, Host: "unix:///a.sock"}, {Service: testService, Host: "h"}, {Service: testService, Port: 1},
	} {
		if err := r.Announce(t.Context(), n); err == nil {
			t.Errorf("announcement of %+v was accepted", n)
		}
	}
	if err := r.Close(t.Context()); err != nil { // it never connected
		t.Errorf("close: %v", err)
	}
}
