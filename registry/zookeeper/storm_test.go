package zookeeper

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// The rate lets a burst through, then as many per second as it says, in the order in which they came.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRate(100)
		began := time.Now()
		for i := range 25 {
			if pause := l.take(time.Now()); pause != 0 {
				t.Fatalf("request %d of the burst: got a pause of %v", i, pause)
			}
		}
		for i := 1; i <= 10; i++ {
			if pause := l.take(time.Now()); pause != time.Duration(i)*10*time.Millisecond {
				t.Errorf("request %d after the burst: got a pause of %v, want %v", i, pause, time.Duration(i)*10*time.Millisecond)
			}
		}
		if n := l.delayed.Load(); n != 10 {
			t.Errorf("delayed: got %d, want 10", n)
		}
		if err := l.wait(t.Context()); err != nil || time.Since(began) != 110*time.Millisecond {
			t.Errorf("wait: got %v after %v, want 110ms", err, time.Since(began))
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.wait(ended); err == nil {
			t.Error("wait with a context that has ended: got no error")
		}
	})
}

// After a reconnect each list is asked for once or twice within some seconds, not read entry by entry, and not at once.
func TestReconnectReadsLittle(t *testing.T) {
	const services, nodes = 40, 5
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	w := &wire{}
	r := open(t, s, func(o *Options) { o.Dial = w.dial; o.SessionTimeout = 4 * time.Second })
	var lists []*receiver
	for i := range services {
		service := registry.Service{Group: testGroup, Path: "com.example.S" + strconv.Itoa(i)}
		for port := range nodes {
			path := fmt.Sprintf("%s/%s/%s/server/10.0.0.1:%d", root, service.Group, service.Path, 8001+port)
			text := fmt.Appendf(nil, "motan2://10.0.0.1:%d/%s?group=%s", 8001+port, service.Path, service.Group)
			makeNode(t, c, path, text, 0)
		}
		lists = append(lists, watch(t, r, service))
	}
	for _, l := range lists {
		l.expect(t, "10.0.0.1:8001", "10.0.0.1:8002", "10.0.0.1:8003", "10.0.0.1:8004", "10.0.0.1:8005")
	}
	reads, readLists, armed := w.reads.Load(), w.lists.Load(), w.armed.Load()
	if reads != services*nodes || readLists > 3*services {
		t.Errorf("at the start: got %d entries and %d lists read, want %d and about %d", reads, readLists, services*nodes, services)
	}
	before := r.State().Extra
	r.link.kick("kicked by the test")
	eventually(t, func() string {
		for _, st := range r.State().Watches {
			if st.Stale {
				return "not read again"
			}
		}
		if n := r.State().Extra["readings"] - before["readings"]; n < services {
			return fmt.Sprintf("%d of %d lists read again", n, services)
		}
		return ""
	})
	if n := w.reads.Load() - reads; n != 0 {
		t.Errorf("entries read after a reconnect without changes: got %d, want none", n)
	}
	if n := w.lists.Load() - readLists; n > 2*services {
		t.Errorf("lists read after a reconnect: got %d of %d, want each once or twice", n, services)
	}
	if n := w.armed.Load() - armed; n != 0 {
		t.Errorf("watches set after a reconnect in the same session: got %d, want none, they are restored", n)
	}
	if got := r.State().Extra; got["reconnects"] != 1 {
		t.Errorf("reconnects: got %d, want 1", got["reconnects"])
	}
}

// What is known is read again at the rate allowed; what is not is read at once.
func TestReadRate(t *testing.T) {
	const nodes = 60
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	for port := range nodes {
		makeNode(t, c, testBase+"/server/10.0.0.1:"+strconv.Itoa(10000+port), providerText(10000+port), 0)
	}
	r := open(t, s, func(o *Options) { o.ReadRate = 100; o.SessionTimeout = 4 * time.Second })
	list := watch(t, r, testService)
	eventually(t, func() string {
		if got, _, _ := list.latest(); len(got) != nodes {
			return fmt.Sprintf("got %d nodes, want %d", len(got), nodes)
		}
		return ""
	})
	if n := r.State().Extra["delayed_requests"]; n != 0 {
		t.Errorf("delayed at the start: got %d, want none", n)
	}
	removeAll(t, c, testBase+"/server")
	for port := range nodes {
		makeNode(t, c, testBase+"/server/10.0.0.1:"+strconv.Itoa(20000+port), providerText(20000+port), 0)
	}
	eventually(t, func() string {
		if got, _, _ := list.latest(); len(got) != nodes || got[0] != "10.0.0.1:20000" {
			return fmt.Sprintf("got %d nodes, want the %d new ones", len(got), nodes)
		}
		return ""
	})
	if n := r.State().Extra["delayed_requests"]; n == 0 {
		t.Error("delayed: got none, want what exceeds the rate to wait")
	}
}

// Watching and leaving the same service and command over and over sets no further watch, and one more notice ends that.
func TestWatchAndLeave(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	w := &wire{}
	r := open(t, s, func(o *Options) { o.Dial = w.dial; o.SessionTimeout = 4 * time.Second })
	round := func() {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		list, command := make(chan struct{}, 10), make(chan struct{}, 10)
		if err := r.Watch(ctx, testService, func([]registry.Node) { list <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
		if err := r.WatchCommand(ctx, registry.Scope{Group: testGroup}, func(string) { command <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
		<-list
		<-command
		cancel()
		eventually(t, func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.lookouts)+len(r.orders)+r.running > 0 {
				return "not left"
			}
			return ""
		})
	}
	round()
	armed := w.armed.Load()
	for range 20 {
		round()
	}
	if n := w.armed.Load() - armed; n > 2 {
		t.Errorf("watches set in 20 further rounds: got %d, want those left over to be used", n)
	}
	makeNode(t, c, servedPath, providerText(8001), 0) // uses up the watch that is left over
	list := watch(t, r, testService)
	list.expect(t, "10.0.0.1:8001")
	makeNode(t, c, testBase+"/server/10.0.0.1:8002", providerText(8002), 0)
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
}

// Why a connection was lost is in the log and the state.
func TestReasonOfLoss(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	tests := []struct {
		name string
		lose func(r *Registry)
		want string
	}{
		{"the server ends", func(*Registry) { s.Stop() }, "ended by the server"},
		{"no answer", func(r *Registry) {
			s.Pause()
			if err := r.Announce(t.Context(), provider(8001)); err != nil {
				t.Fatal(err)
			}
		}, "no answer to "},
	}
	for _, tt := range tests {
		s.Restart()
		var said logged
		r := open(t, s, func(o *Options) {
			o.CallTimeout, o.SessionTimeout = 300*time.Millisecond, 4*time.Second
			o.Log = newLog(&said)
		})
		watch(t, r, testService).expect(t)
		tt.lose(r)
		eventually(t, func() string {
			if text := said.text(); !strings.Contains(text, "connection lost") || !strings.Contains(text, tt.want) {
				return fmt.Sprintf("%s: log: got %s, want %q as the reason", tt.name, text, tt.want)
			}
			if st := r.State(); st.Connected || st.LastError == "" {
				return fmt.Sprintf("%s: state: got %+v, want an error", tt.name, st)
			}
			return ""
		})
	}
	s.Restart() // for the registries to be closed in order
}

// logged keeps a log.
type logged struct {
	mu   sync.Mutex
	said bytes.Buffer // guarded by mu
}

func newLog(l *logged) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

// Repairs that follow on each other come ever more rarely, are counted and reported, and are forgotten once all is well.
func TestRepairPace(t *testing.T) {
	now := time.Now()
	silence := slog.New(slog.DiscardHandler)
	m := &claim{}
	m.change(wish{path: "/a", addr: "10.0.0.1:1"})
	if m.finish(now, m.generation, 1, time.Minute, true, nil, silence) || m.problem != "" {
		t.Errorf("the first time: got a repair, problem %q", m.problem)
	}
	want := []time.Duration{1, 2, 3, 5, 9, 11, 11}
	for i, minutes := range want {
		if !m.finish(now, m.generation, 1, time.Minute, true, nil, silence) {
			t.Errorf("repair %d is not told", i)
		}
		pause, most := m.checkAt.Sub(now), minutes*time.Minute
		if pause > most || pause < most*9/10 {
			t.Errorf("repair %d: next check in %v, want about %v", i, pause, most)
		}
		if !strings.Contains(m.problem, fmt.Sprintf("(%d in a row)", i+1)) {
			t.Errorf("repair %d: problem %q", i, m.problem)
		}
	}
	if m.finish(now, m.generation, 1, time.Minute, false, nil, silence) || m.problem != "" || m.checkAt.Sub(now) > time.Minute {
		t.Errorf("all is well: problem %q, next check in %v", m.problem, m.checkAt.Sub(now))
	}
	if m.finish(now, m.generation, 2, time.Minute, true, nil, silence) {
		t.Error("in a new session: told as a repair")
	}
	m.withdraw()
	if m.finish(now, m.generation, 2, time.Minute, true, nil, silence) {
		t.Error("withdrawn: told as a repair")
	}
	m.change(wish{path: "/a", addr: "10.0.0.1:1", yield: true})
	m.finish(now, m.generation, 2, time.Minute, false, nil, silence)
	if m.finish(now, m.generation, 2, time.Minute, true, nil, silence) || m.problem != "" {
		t.Errorf("after somebody else's node that went: told as a repair, problem %q", m.problem)
	}
}

// A node that another program changes is repaired, and counted.
func TestRepairCounted(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, func(o *Options) { o.SelfCheck = 50 * time.Millisecond })
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	id := connected(t, r)
	expectTree(t, c, map[string]int64{servedPath: id})
	right, _, err := c.Get(servedPath)
	if err != nil {
		t.Fatal(err)
	}
	for i, spoil := range []func(){
		func() { set(t, c, servedPath, []byte("spoiled")) },
		func() { makeNode(t, c, hiddenPath, nil, zk.FlagEphemeral) },
		func() { removeAll(t, c, testBase) },
	} {
		spoil()
		eventually(t, func() string {
			data, _, err := c.Get(servedPath)
			if err != nil || !bytes.Equal(data, right) || owner(t, c, servedPath) != id || owner(t, c, hiddenPath) != 0 {
				return fmt.Sprintf("change %d: node is %q, %v; want it made again", i, data, err)
			}
			if n := r.State().Extra["repairs"]; n != int64(i+1) {
				return fmt.Sprintf("change %d: %d repairs counted, want %d", i, n, i+1)
			}
			return ""
		})
	}
}
