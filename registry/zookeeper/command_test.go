package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

const (
	groupCommand = root + "/" + testGroup + "/command"
	agentCommand = root + "/agent/test-app/command"
)

// texts keeps what the watch of a command was told.
type texts struct {
	mu      sync.Mutex
	all     []string
	changed chan struct{}
}

func watchCommand(t *testing.T, r *Registry, scope registry.Scope) *texts {
	t.Helper()
	c := &texts{changed: make(chan struct{}, 1)}
	err := r.WatchCommand(t.Context(), scope, func(text string) {
		c.mu.Lock()
		c.all = append(c.all, text)
		c.mu.Unlock()
		poke(c.changed)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *texts) latest() (text string, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 {
		return "", 0
	}
	return c.all[len(c.all)-1], len(c.all)
}

// expect waits until the newest text is want.
func (c *texts) expect(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(testTimeout)
	for {
		got, count := c.latest()
		if count > 0 && got == want {
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("command: got %.200q after %d updates, want %.200q", got, count, want)
		}
	}
}

func set(t *testing.T, c *zk.Conn, path string, data []byte) {
	t.Helper()
	if _, err := c.Set(path, data, -1); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
}

// Commands of a group and of an application: in both forms, missing, empty, deleted, with parents deleted and made again.
// motan-go is blind without the parent, keeps a deleted command, and burns a core from then on.
func TestWatchCommand(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, nil)
	for name, x := range map[string]struct {
		scope registry.Scope
		path  string
	}{
		"group":       {registry.Scope{Group: testGroup}, groupCommand},
		"application": {registry.Scope{Application: "test-app"}, agentCommand},
	} {
		t.Run(name, func(t *testing.T) {
			got := watchCommand(t, r, x.scope)
			got.expect(t, "")
			for i := range 3 {
				first, second := fmt.Sprintf(`{"clientCommandList":[%d]}`, i), fmt.Sprintf(`{"é":"😀%d"}`, i)
				makeNode(t, c, x.path, []byte(first), 0)
				got.expect(t, first)
				set(t, c, x.path, registry.TextJava.Encode(second))
				got.expect(t, second)
				late := watchCommand(t, r, x.scope)
				late.expect(t, second)
				set(t, c, x.path, nil)
				got.expect(t, "")
				set(t, c, x.path, []byte(first))
				got.expect(t, first)
				if err := c.Delete(x.path, -1); err != nil {
					t.Fatal(err)
				}
				got.expect(t, "")
				removeAll(t, c, root)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if o := r.orders[x.path]; o == nil || o.fired > 50 {
				t.Errorf("notices: got %+v, want a handful for three rounds of five changes", o)
			}
		})
	}
}

// What is no command counts as none, is reported, and the next good one is taken.
func TestGarbageInCommand(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, nil)
	makeNode(t, c, groupCommand, []byte("first"), 0)
	got := watchCommand(t, r, registry.Scope{Group: testGroup})
	got.expect(t, "first")
	for name, data := range map[string][]byte{
		"too long":      bytes.Repeat([]byte("x"), registry.MaxCommandBytes+1),
		"a MiB":         bytes.Repeat([]byte("x"), 1<<20-1000),
		"not UTF-8":     {0xff, 0xfe},
		"a Java object": {0xac, 0xed, 0x00, 0x05, 0x73, 0x72},
		"cut off":       {0xac, 0xed, 0x00, 0x05, 0x74, 0xff, 0xff, 'x'},
	} {
		t.Run(name, func(t *testing.T) {
			set(t, c, groupCommand, data)
			got.expect(t, "")
			eventually(t, func() string {
				if st := r.State().Commands; len(st) != 1 || st[0].LastError == "" || st[0].Bytes != 0 {
					return fmt.Sprintf("state: got %+v, want a word about the text", st)
				}
				return ""
			})
			set(t, c, groupCommand, []byte("good "+name))
			got.expect(t, "good "+name)
			if st := r.State().Commands; st[0].LastError != "" || st[0].Stale || st[0].Group != testGroup || st[0].Bytes == 0 {
				t.Errorf("state: got %+v, want nothing wrong", st)
			}
		})
	}
	set(t, c, groupCommand, bytes.Repeat([]byte("x"), registry.MaxCommandBytes))
	got.expect(t, strings.Repeat("x", registry.MaxCommandBytes))
}

// A command stays in force while the server is away, and one that changed meanwhile is found in the same or a new session.
func TestCommandOverReconnects(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	gate := &gate{}
	r := open(t, s, func(o *Options) { o.Dial = gate.dial; o.SessionTimeout = time.Second })
	makeNode(t, c, groupCommand, []byte("0"), 0)
	got := watchCommand(t, r, registry.Scope{Group: testGroup})
	got.expect(t, "0")
	before := connected(t, r)
	for i := 1; i <= 3; i++ {
		gate.shut(true)
		r.link.kick("kicked by the test")
		eventually(t, func() string {
			if st := r.State(); st.Connected || !st.Commands[0].Stale {
				return fmt.Sprintf("state: got connected %v, %+v", st.Connected, st.Commands)
			}
			return ""
		})
		if i == 3 { // until the session is over
			eventually(t, func() string {
				if answer := s.Ask("cons"); strings.Contains(answer, fmt.Sprintf("%x", uint64(before))) {
					return "the session has not expired"
				}
				return ""
			})
		}
		set(t, c, groupCommand, []byte(fmt.Sprint(i)))
		if text, _ := got.latest(); text != fmt.Sprint(i-1) {
			t.Errorf("while cut off: got %q, want the last command to stay", text)
		}
		gate.shut(false)
		got.expect(t, fmt.Sprint(i))
	}
	for i, text := range got.all {
		if text == "" {
			t.Errorf("text %d: got none, want the command in force throughout: %q", i, got.all)
		}
	}
}

// A notice that never comes is made up for.
func TestCommandLostNotice(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	w := &wire{}
	r := open(t, s, func(o *Options) { o.Dial = w.dial; o.Relist = 300 * time.Millisecond })
	got := watchCommand(t, r, registry.Scope{Group: testGroup})
	got.expect(t, "")
	w.deaf.Store(true)
	makeNode(t, c, groupCommand, []byte("unheard"), 0)
	got.expect(t, "unheard")
	w.deaf.Store(false)
	if n := r.State().Extra["lost_notices"]; n == 0 {
		t.Error("lost notices: got 0, want them counted")
	}
	set(t, c, groupCommand, []byte("heard"))
	got.expect(t, "heard")
}

func TestWatchCommandRefuses(t *testing.T) {
	r, err := New(Options{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []registry.Scope{
		{}, {Group: "g", Application: "a"}, {Group: "a/b"}, {Application: ".."}, {Group: "g\x00"}, {Application: strings.Repeat("x", 300)},
	} {
		if err := r.WatchCommand(t.Context(), scope, func(string) {}); err == nil {
			t.Errorf("scope %+v was accepted", scope)
		}
	}
	if err := r.WatchCommand(t.Context(), registry.Scope{Group: "g"}, nil); err == nil {
		t.Error("a watch without receiver was accepted")
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.WatchCommand(t.Context(), registry.Scope{Group: "g"}, func(string) {}); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("after close: got %v, want %v", err, registry.ErrClosed)
	}
}

// The agent's node is where motan-go has it, says nothing of this host's folders, and is no service.
func TestAnnounceAgent(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, func(o *Options) { o.Form = registry.TextPlain })
	n := registry.Node{
		Service: registry.Service{Group: "test-app", Path: "test-app"}, Host: "10.0.0.7", Port: 8002, Available: true,
		Params: map[string]string{"application": "test-app", "eport": "9982", "mport": "8002"},
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.AnnounceAgent(ctx, n); err != nil {
		t.Fatal(err)
	}
	path := root + "/agent/test-app/node/10.0.0.7:8002"
	expectTree(t, c, map[string]int64{path: connected(t, r)})
	data, _, err := c.Get(path)
	want := "://10.0.0.7:8002/test-app?group=test-app&application=test-app&eport=9982&mport=8002&nodeType=agent"
	if err != nil || string(data) != want {
		t.Errorf("node: got %q, %v; want %q", data, err, want)
	}
	if names, _, err := c.Children(root); err != nil || len(names) != 1 {
		t.Errorf("tree: got %q, %v; want the agents' folder only", names, err)
	}
	if st := r.State().Announced; len(st) != 1 || !st[0].Written || st[0].Available {
		t.Errorf("state: got %+v, want one that is written and that callers do not see", st)
	}
	cancel()
	expectTree(t, c, map[string]int64{path: 0})
	for _, bad := range []registry.Node{
		{Host: "h", Port: 1},
		{Service: registry.Service{Group: "a/b"}, Host: "h", Port: 1},
		{Service: registry.Service{Group: "a"}, Host: "h"},
		{Service: registry.Service{Group: "a"}, Host: "unix:///x", Port: 1},
		{Service: registry.Service{Group: "a"}, Host: "::1", Port: 1},
		{Service: registry.Service{Group: "a"}, Host: "a\x01b", Port: 1},
	} {
		if err := r.AnnounceAgent(t.Context(), bad); err == nil {
			t.Errorf("agent %+v was accepted", bad)
		}
	}
}

// Whatever is in a command node, the text handed on is UTF-8 and bounded, and what is left out is explained.
func FuzzCommandText(f *testing.F) {
	for _, data := range [][]byte{nil, []byte("{}"), registry.TextJava.Encode("é😀"), {0xac, 0xed, 0x00, 0x05, 0x7c, 0xff}, {0xff}} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, problem := commandText(data)
		if len(text) > registry.MaxCommandBytes || !utf8.ValidString(text) || text != "" && problem != "" {
			t.Errorf("got %d bytes and problem %q", len(text), problem)
		}
	})
}
