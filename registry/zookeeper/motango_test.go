package zookeeper

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// fault is one row of TestMotanGoFaults at work.
type fault struct {
	t    *testing.T
	s    *zktest.Server
	c    *zk.Conn
	r    *Registry
	list *receiver
}

// motanGoFaults are what motan-go was seen to do wrong with ZooKeeper, and what must come of it here. want is the tree in the
// end, without what is above a listed path; own nodes are marked with an asterisk.
var motanGoFaults = []struct {
	name string
	run  func(f fault)
	want []string
}{
	{"Z1 subscribed before the path exists: a later provider is never seen", subscribedTooEarly, []string{
		"/command", "/S/server/10.0.0.1:8001", "/S/client/10.0.0.7:0*",
	}},
	{"Z2 server down at the start: nothing registered, no watch", downAtStart, []string{
		"/S/server/10.0.0.1:8001*", "/S/client/10.0.0.7:0*",
	}},
	{"Z3 a watched node deleted: a core burns for ever", watchedDeleted, []string{
		"/S/server", "/S/client/10.0.0.7:0*",
	}},
	{"Z4 a node that is no URL: blind from then on", noURL, []string{
		"/S/server/10.0.0.1:8001", "/S/server/junk", "/S/client/10.0.0.7:0*",
	}},
	{"Z5 a reconnect: own nodes deleted and made again, goroutines double", reconnected, []string{
		"/S/server/10.0.0.1:8001*", "/S/client/10.0.0.7:0*",
	}},
	{"Z6 the end: nodes stay for half a minute", ended, []string{
		"/S/server", "/S/client",
	}},
	{"Z7 availability: the agent itself appears as a service", switched, []string{
		"/S/server/10.0.0.1:8001*", "/S/unavailableServer", "/S/client/10.0.0.7:0*",
	}},
	{"Z8 all at once: races, deadlocks, what is said while disconnected is dropped", allAtOnce, []string{
		"/S/server/10.0.0.1:8001*", "/S/client/10.0.0.7:0*",
	}},
}

// It counts goroutines and so does not run beside other tests.
func TestMotanGoFaults(t *testing.T) {
	s := zktest.Start(t)
	c := s.Client()
	for i, x := range motanGoFaults {
		t.Run(x.name, func(t *testing.T) {
			name, _, _ := strings.Cut(x.name, " ")
			f := fault{t: t, s: s, c: c}
			awaitServer(t, c)
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithTimeout(t.Context(), 2*testTimeout)
			defer cancel()
			f.r = open(t, s, func(o *Options) {
				o.LocalIP, o.SessionTimeout, o.SelfCheck = "10.0.0.7", 4*time.Second, 100*time.Millisecond
				o.Address = s.Addr + "/" + name
			})
			if i == 1 {
				s.Stop()
			}
			f.list = watch(t, f.r, registry.Service{Group: "g", Path: "S"})
			x.run(f)
			top := "/" + name + root + "/g"
			var got []string
			eventually(t, func() string {
				got = leaves(t, c, top, f.r.ownSession())
				want := slices.Clone(x.want)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					return fmt.Sprintf("tree: got %q, want %q", got, want)
				}
				return ""
			})
			t.Logf("tree in the end: %q; %v", got, f.r.State().Extra)
			if err := f.r.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
			eventually(t, func() string {
				if n := runtime.NumGoroutine(); n > before {
					return fmt.Sprintf("goroutines: got %d after the end, %d before", n, before)
				}
				return ""
			})
			if got := owned(t, c, "/"+name); len(got) > 0 {
				t.Errorf("tree after the end: %q are still there", got)
			}
		})
	}
}

func subscribedTooEarly(f fault) {
	command := watchCommand(f.t, f.r, registry.Scope{Group: "g"})
	f.list.expect(f.t)
	command.expect(f.t, "")
	f.provide(8001, 0)
	makeNode(f.t, f.c, f.top()+"/command", []byte("x"), 0)
	f.list.expect(f.t, "10.0.0.1:8001")
	command.expect(f.t, "x")
}

func downAtStart(f fault) {
	f.announce(f.t.Context(), 8001, true)
	f.s.Restart()
	f.list.expect(f.t, "10.0.0.1:8001")
}

func watchedDeleted(f fault) {
	command := watchCommand(f.t, f.r, registry.Scope{Group: "g"})
	f.list.expect(f.t)
	makeNode(f.t, f.c, f.top()+"/command", []byte("x"), 0)
	command.expect(f.t, "x")
	goroutines := settled(f.r)
	requests := f.r.State().Extra["requests"]
	for range 3 {
		removeAll(f.t, f.c, f.top()+"/command")
		removeAll(f.t, f.c, f.top()+"/S/server")
		command.expect(f.t, "")
		makeNode(f.t, f.c, f.top()+"/command", []byte("x"), 0)
		command.expect(f.t, "x")
	}
	removeAll(f.t, f.c, f.top()+"/command")
	command.expect(f.t, "")
	eventually(f.t, func() string {
		if n := settled(f.r); n > goroutines {
			return fmt.Sprintf("goroutines: got %d, had %d", n, goroutines)
		}
		return ""
	})
	if n := f.r.State().Extra["requests"] - requests; n > 500 {
		f.t.Errorf("requests: got %d for four deletions of two nodes, want few", n)
	}
}

func noURL(f fault) {
	f.list.expect(f.t)
	makeNode(f.t, f.c, f.top()+"/S/server/junk", []byte("no URL"), 0)
	f.provide(8001, 0)
	f.list.expect(f.t, "10.0.0.1:8001")
}

func reconnected(f fault) {
	f.announce(f.t.Context(), 8001, true)
	f.list.expect(f.t, "10.0.0.1:8001")
	connected(f.t, f.r)
	path := f.top() + "/S/server/10.0.0.1:8001"
	_, first, err := f.c.Exists(path)
	if err != nil {
		f.t.Fatal(err)
	}
	_, _, updates := f.list.latest()
	goroutines := settled(f.r)
	for i := range 5 {
		f.r.link.kick("kicked by the test")
		eventually(f.t, func() string {
			if n := f.r.State().Extra["reconnects"]; n != int64(i+1) {
				return fmt.Sprintf("reconnects: got %d, want %d", n, i+1)
			}
			return ""
		})
	}
	eventually(f.t, func() string {
		if n := settled(f.r); n > goroutines {
			return fmt.Sprintf("goroutines: got %d after 5 reconnects, had %d", n, goroutines)
		}
		return ""
	})
	_, last, err := f.c.Exists(path)
	if err != nil || last.Czxid != first.Czxid {
		f.t.Errorf("own node: made in transaction %x, before %x, error %v; want it left alone", last.Czxid, first.Czxid, err)
	}
	if _, _, n := f.list.latest(); n != updates {
		f.t.Errorf("updates: got %d, had %d; want no flap", n, updates)
	}
}

func ended(f fault) {
	f.announce(f.t.Context(), 8001, true)
	f.list.expect(f.t, "10.0.0.1:8001")
	ctx, cancel := context.WithTimeout(f.t.Context(), testTimeout)
	defer cancel()
	if err := f.r.Close(ctx); err != nil {
		f.t.Fatal(err)
	}
	if got := owned(f.t, f.c, f.top()); len(got) > 0 {
		f.t.Errorf("after Close: %q are still there", got)
	}
}

func switched(f fault) {
	agent := registry.Node{Service: registry.Service{Group: "app", Path: "app"}, Host: "10.0.0.7", Port: 8002}
	if err := f.r.AnnounceAgent(f.t.Context(), agent); err != nil {
		f.t.Fatal(err)
	}
	for _, available := range []bool{false, true, false, true} {
		f.announce(f.t.Context(), 8001, available)
		if available {
			f.list.expect(f.t, "10.0.0.1:8001")
		} else {
			f.list.expect(f.t)
			await(f.t, f.c, f.top()+"/S/unavailableServer/10.0.0.1:8001")
		}
	}
	above := strings.TrimSuffix(f.top(), "/g")
	names, _, err := f.c.Children(above)
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"agent", "g"}) {
		f.t.Errorf("below %s: got %q, %v; want no service of the agent's name", above, names, err)
	}
	if got := leaves(f.t, f.c, above+"/agent", f.r.ownSession()); !slices.Equal(got, []string{"/app/node/10.0.0.7:8002*"}) {
		f.t.Errorf("agents: got %q", got)
	}
}

func allAtOnce(f fault) {
	f.list.expect(f.t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { // ends after its rounds
			for round := range 15 {
				ctx, cancel := context.WithCancel(f.t.Context())
				port := 9000 + i%4 // pairs fight over an address
				n := registry.Node{Service: registry.Service{Group: "g", Path: "S", Protocol: "motan2"}, Host: "10.0.0.1", Port: port, Available: round%2 == 0}
				if err := f.r.Announce(ctx, n); err != nil {
					f.t.Error(err)
				}
				if err := f.r.Watch(ctx, registry.Service{Group: "g", Path: "S", Version: strconv.Itoa(i)}, func([]registry.Node) {}); err != nil {
					f.t.Error(err)
				}
				if err := f.r.WatchCommand(ctx, registry.Scope{Group: "g"}, func(string) {}); err != nil {
					f.t.Error(err)
				}
				if i == 0 && round%5 == 0 {
					f.r.link.kick("kicked by the test")
				}
				f.r.State()
				cancel()
			}
		})
	}
	group.Wait()
	f.r.link.kick("kicked by the test")
	f.announce(f.t.Context(), 8001, true) // while there may be no connection
	f.list.expect(f.t, "10.0.0.1:8001")
	removeEmpty(f, "/S/unavailableServer")
}

// removeEmpty deletes a folder that holds nothing any more, and may never have been made.
func removeEmpty(f fault, path string) {
	f.t.Helper()
	eventually(f.t, func() string {
		names, _, err := f.c.Children(f.top() + path)
		if err == nil && len(names) > 0 {
			return fmt.Sprintf("%q are not withdrawn", names)
		}
		return ""
	})
	removeAll(f.t, f.c, f.top()+path)
}

// top is the group's folder.
func (f fault) top() string { return f.r.address.chroot + root + "/g" }

func (f fault) announce(ctx context.Context, port int, available bool) {
	f.t.Helper()
	n := registry.Node{Service: registry.Service{Group: "g", Path: "S", Protocol: "motan2"}, Host: "10.0.0.1", Port: port, Available: available}
	if err := f.r.Announce(ctx, n); err != nil {
		f.t.Fatal(err)
	}
}

// provide writes a provider as another program would.
func (f fault) provide(port int, flags int32) {
	f.t.Helper()
	makeNode(f.t, f.c, fmt.Sprintf("%s/S/server/10.0.0.1:%d", f.top(), port), fmt.Appendf(nil, "motan2://10.0.0.1:%d/S?group=g", port), flags)
}

func (r *Registry) ownSession() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

// leaves lists what has nothing below it, relative to top and sorted; with an asterisk what belongs to session.
func leaves(t *testing.T, c *zk.Conn, top string, session int64) []string {
	t.Helper()
	var all []string
	walk(t, c, top, func(path string, stat *zk.Stat) {
		if stat.NumChildren > 0 {
			return
		}
		mark := ""
		if stat.EphemeralOwner != 0 && stat.EphemeralOwner == session {
			mark = "*"
		}
		all = append(all, strings.TrimPrefix(path, top)+mark)
	})
	slices.Sort(all)
	return all
}

// owned lists the ephemeral nodes at and below top.
func owned(t *testing.T, c *zk.Conn, top string) []string {
	t.Helper()
	var all []string
	walk(t, c, top, func(path string, stat *zk.Stat) {
		if stat.EphemeralOwner != 0 {
			all = append(all, path)
		}
	})
	return all
}

// walk visits path and what is below it.
func walk(t *testing.T, c *zk.Conn, path string, visit func(path string, stat *zk.Stat)) {
	t.Helper()
	names, stat, err := c.Children(path)
	if err != nil { // it vanished, or the server is away: who waits for the tree asks again
		return
	}
	visit(path, stat)
	for _, name := range names {
		walk(t, c, path+"/"+name, visit)
	}
}

// awaitServer waits until c is served.
func awaitServer(t *testing.T, c *zk.Conn) {
	t.Helper()
	eventually(t, func() string {
		if _, _, err := c.Exists("/"); err != nil {
			return err.Error()
		}
		return ""
	})
}
