package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAccepts(t *testing.T) {
	tests := []struct {
		want, have string // version/protocol
		ok         bool
	}{
		{"/", "2.0/motan2", true},
		{"1.0/", "1.0/motan2", true},
		{"1.0/", "/motan2", true},
		{"0.1/", "/motan2", true},
		{"2.0/", "/motan2", false},
		{"1.0/", "0.1/motan2", false},
		{"/motan2", "/motan2", true},
		{"/motan", "/motan2", true},
		{"/cedrus", "/motan2", true},
		{"/motan2", "/motan", false},
		{"/motan2", "/local", true},
		{"/grpc", "/motan2", false},
	}
	for _, tt := range tests {
		v, p, _ := strings.Cut(tt.want, "/")
		w, q, _ := strings.Cut(tt.have, "/")
		if got := (Service{Version: v, Protocol: p}).Accepts(Node{Service: Service{Version: w, Protocol: q}}); got != tt.ok {
			t.Errorf("%s looks at %s: got %v, want %v", tt.want, tt.have, got, tt.ok)
		}
	}
}

func TestStaticWatch(t *testing.T) {
	var r Static
	a, b := node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1")
	ctx, cancel := context.WithCancel(t.Context())
	all := watch(ctx, t, &r, hello)
	second := hello
	second.Version = "2.0"
	some := watch(t.Context(), t, &r, second)
	all.expect(t)
	some.expect(t)
	b.Version = "2.0"
	hidden := node(t, "10.0.0.3:1")
	hidden.Available = false
	r.Set(hello, b, hidden, a)
	all.expect(t, "10.0.0.1:1", "10.0.0.2:1")
	some.expect(t, "10.0.0.2:1")
	cancel()
	r.Set(hello)
	some.expect(t)
	eventually(t, func() string {
		r.board.mu.Lock()
		defer r.board.mu.Unlock()
		if n := len(r.board.feeds[hello.key()]); n != 1 {
			return fmt.Sprintf("watches: got %d, want 1", n)
		}
		return ""
	})
	if got, _ := all.latest(); len(got) != 2 {
		t.Errorf("after the end of its context: got %v, want no further update", addrs(got))
	}
	if err := r.Watch(t.Context(), Service{}, some.update); err == nil {
		t.Error("a watch of no service was accepted")
	}
	if err := r.Watch(t.Context(), hello, nil); err == nil {
		t.Error("a watch without receiver was accepted")
	}
}

// The slice that a receiver gets is its own, and the list of one is not the list of another.
func TestListsAreNotShared(t *testing.T) {
	var r Static
	r.Set(hello, node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1"))
	one, two := watch(t.Context(), t, &r, hello), watch(t.Context(), t, &r, hello)
	list := one.expect(t, "10.0.0.1:1", "10.0.0.2:1")
	two.expect(t, "10.0.0.1:1", "10.0.0.2:1")
	list[0].Host = "changed"
	three := watch(t.Context(), t, &r, hello)
	three.expect(t, "10.0.0.1:1", "10.0.0.2:1")
	two.expect(t, "10.0.0.1:1", "10.0.0.2:1")
}

func TestStaticAnnounce(t *testing.T) {
	var r Static
	n := node(t, "10.0.0.1:1")
	older, end := context.WithCancel(t.Context())
	if err := r.Announce(older, n); err != nil {
		t.Fatal(err)
	}
	n.Available = false
	newer, endNewer := context.WithCancel(t.Context())
	if err := r.Announce(newer, n); err != nil {
		t.Fatal(err)
	}
	end()
	if got := r.Announced(); len(got) != 1 || got[0].Available {
		t.Errorf("got %+v, want what was said last", got)
	}
	endNewer()
	eventually(t, func() string {
		if got := r.Announced(); len(got) != 0 {
			return fmt.Sprintf("got %v after the context's end", got)
		}
		return ""
	})
}

// A slow receiver misses lists in between but never the last, never has two at once, and gets none twice.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []int
		inside := false
		var feeds Feeds
		ctx, cancel := context.WithCancel(t.Context())
		f := feeds.Watch(ctx, Service{}, func(nodes []Node) {
			mu.Lock()
			if inside {
				t.Error("two updates at once")
			}
			inside = true
			mu.Unlock()
			time.Sleep(time.Second) // the receiver is slow; the clock is not real
			mu.Lock()
			inside = false
			got = append(got, len(nodes))
			mu.Unlock()
		}, nil)
		list := make([]Node, 9)
		for i := range list {
			f.Put(list[:i+1])
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		f.Put(list)
		synctest.Wait()
		cancel()
		synctest.Wait()
		f.Put(nil)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(got, []int{1, 9}) {
			t.Errorf("lists: got lengths %v, want the first and the last", got)
		}
		if f.Len() != 9 {
			t.Errorf("length: got %d, want 9", f.Len())
		}
	})
}

func TestDirect(t *testing.T) {
	d, err := NewDirect(DirectOptions{
		Host: "::1", Port: 9982, Address: " 10.0.0.1:8002, 10.0.0.1:8002,,unix:///run/a.sock", Group: "other", Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := hello
	s.Version = "3.1"
	nodes := watch(t.Context(), t, d, s).expect(t, "[::1]:9982", "10.0.0.1:8002", "unix:///run/a.sock")
	for _, n := range nodes {
		if n.Group != "other" || n.Path != hello.Path || n.Version != "3.1" || n.Protocol != "motan2" || !n.Available {
			t.Errorf("got %+v", n)
		}
	}
	if err := d.Announce(t.Context(), nodes[0]); err != nil {
		t.Errorf("announce: %v", err)
	}
	if st := d.State(); !st.Connected {
		t.Errorf("state: got %+v", st)
	}
	for _, o := range []DirectOptions{{}, {Address: ","}, {Address: "10.0.0.1"}, {Host: "h"}, {Address: "a b:1"}, {Address: "h:99999"}} {
		if _, err := NewDirect(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestLocal(t *testing.T) {
	var l Local
	list := watch(t.Context(), t, &l, hello)
	list.expect(t)
	n := node(t, "10.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	if err := l.Announce(ctx, n); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:1")
	hidden := n
	hidden.Available = false
	if err := l.Put(hidden, 0); err != nil {
		t.Fatal(err)
	}
	list.expect(t)
	if got := l.Nodes(); len(got) != 1 || got[0].Available {
		t.Errorf("nodes: got %+v", got)
	}
	cancel() // of the announcement that Put has replaced
	if err := l.Put(n, 0); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:1")
	st := l.State()
	if len(st.Announced) != 1 || !st.Announced[0].Written || len(st.Watches) != 1 || st.Watches[0].Nodes != 1 || !st.Connected {
		t.Errorf("state: got %+v", st)
	}
	if !l.Delete(n.Key()) || l.Delete(n.Key()) {
		t.Error("delete: want true the first time and false the second")
	}
	list.expect(t)
	for name, bad := range map[string]error{
		"no host": l.Put(Node{Service: hello}, 0),
		"no path": l.Put(Node{Host: "h", Port: 1}, 0),
		"ttl":     l.Put(n, -1),
	} {
		if bad == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := l.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:1")
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	list.expect(t)
	if err := l.Put(n, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("put after close: got %v", err)
	}
	if err := l.Watch(t.Context(), hello, list.update); !errors.Is(err, ErrClosed) {
		t.Errorf("watch after close: got %v", err)
	}
}

func TestLocalExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Local
		put := func(address string, ttl time.Duration) {
			t.Helper()
			if err := l.Put(node(t, address), ttl); err != nil {
				t.Fatal(err)
			}
		}
		check := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if got := addrs(l.Nodes()); !slices.Equal(got, want) {
				t.Errorf("nodes: got %v, want %v", got, want)
			}
		}
		put("10.0.0.1:1", 10*time.Second)
		put("10.0.0.2:1", 20*time.Second)
		put("10.0.0.3:1", 0)
		time.Sleep(9 * time.Second)
		put("10.0.0.1:1", 10*time.Second) // says again that it lives
		time.Sleep(9 * time.Second)
		check("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1")
		time.Sleep(1 * time.Second)
		check("10.0.0.2:1", "10.0.0.3:1")
		time.Sleep(time.Second)
		check("10.0.0.3:1")
		time.Sleep(24 * time.Hour)
		check("10.0.0.3:1")
		if l.timer != nil {
			t.Error("a timer is left though nothing expires")
		}
	})
}

func TestLocalIsBounded(t *testing.T) {
	var l Local
	n := node(t, "10.0.0.1:1")
	for i := range maxLocalNodes {
		n.Path = fmt.Sprintf("s%d", i)
		if err := l.Put(n, 0); err != nil {
			t.Fatal(err)
		}
		if i == 200 { // filling it up one by one takes long; the bound is on the number alone
			for j := i + 1; j < maxLocalNodes; j++ {
				m := n
				m.Path = fmt.Sprintf("s%d", j)
				l.nodes[m.Key()] = &localNode{node: m}
			}
			break
		}
	}
	if err := l.Put(n, 0); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	n.Path = "one.more"
	if err := l.Put(n, 0); err == nil {
		t.Error("one more than allowed was accepted")
	}
}

func TestMerge(t *testing.T) {
	var first, second Static
	m := Merge(&first, &second, &Local{})
	a, b := node(t, "10.0.0.1:1"), node(t, "10.0.0.1:1")
	a.Params = map[string]string{"from": "first"}
	b.Params = map[string]string{"from": "second"}
	second.Set(hello, b, node(t, "10.0.0.2:1"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	list := watch(ctx, t, m, hello)
	if nodes := list.expect(t, "10.0.0.1:1", "10.0.0.2:1"); nodes[0].Params["from"] != "second" {
		t.Errorf("got %+v", nodes[0])
	}
	first.Set(hello, a)
	eventually(t, func() string {
		if nodes, _ := list.latest(); nodes[0].Params["from"] != "first" {
			return fmt.Sprintf("got %+v, want what the first registry says", nodes[0])
		}
		return ""
	})
	if err := m.Announce(ctx, a); err != nil || len(first.Announced()) != 1 || len(second.Announced()) != 1 {
		t.Errorf("announce: %v; first %v, second %v", err, first.Announced(), second.Announced())
	}
	if st := m.State(); !st.Connected || len(st.Announced) != 1 || len(st.Watches) != 1 {
		t.Errorf("state: got %+v", st)
	}
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
	bad := Merge(&first, broken{})
	if err := bad.Watch(ctx, hello, func([]Node) { t.Error("update of a watch that was refused") }); err == nil {
		t.Error("watch: the error of one registry was lost")
	}
	if err := bad.Announce(ctx, a); err == nil {
		t.Error("announce: the error of one registry was lost")
	}
}
