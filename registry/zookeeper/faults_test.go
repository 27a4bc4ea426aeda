package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// What is wished for while the server is down comes about when it comes up (motan-go registers nothing).
func TestServerDownAtStart(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	s.Stop()
	r := open(t, s, nil)
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if st := r.State(); st.Connected || st.LastError == "" {
			return fmt.Sprintf("state: connected %v, error %q; want an error that says why", st.Connected, st.LastError)
		}
		return ""
	})
	if _, _, count := list.latest(); count != 0 {
		t.Errorf("updates before the registry was reached: got %d, want none", count)
	}
	s.Restart()
	list.expect(t, "10.0.0.1:8001")
}

// A reconnect in the same session changes nothing in the tree, and no goroutine comes on top (motan-go deletes and makes
// every node again, and doubles its goroutines each time). It counts goroutines and so does not run beside other tests.
func TestReconnects(t *testing.T) {
	s := zktest.Start(t)
	r := open(t, s, func(o *Options) { o.SessionTimeout = 4 * time.Second })
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	c := s.Client()
	before := connected(t, r)
	_, stat, err := c.Exists(testBase + "/server/10.0.0.1:8001")
	if err != nil {
		t.Fatal(err)
	}
	goroutines := 0
	for i := range 8 {
		arrivals := func() int {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.arrivals
		}
		had := arrivals()
		r.link.kick("kicked by the test")
		eventually(t, func() string {
			if arrivals() == had {
				return "not reconnected"
			}
			return ""
		})
		port := strconv.Itoa(9000 + i)
		makeNode(t, c, testBase+"/server/10.0.0.9:"+port, fmt.Appendf(nil, "motan2://10.0.0.9:%s/%s?group=%s", port, testPath, testGroup), 0)
		eventually(t, func() string {
			if got, _, _ := list.latest(); !slices.Contains(got, "10.0.0.9:"+port) {
				return fmt.Sprintf("after reconnect %d: got %v, want 10.0.0.9:%s in it", i, got, port)
			}
			return ""
		})
		if i == 0 {
			goroutines = settled(r)
		}
	}
	eventually(t, func() string {
		if n := settled(r); n > goroutines {
			return fmt.Sprintf("goroutines: got %d after 8 reconnects, %d after the first", n, goroutines)
		}
		return ""
	})
	if after := connected(t, r); after != before {
		t.Fatalf("session: got %x, want %x: this test is about reconnects in one session", after, before)
	}
	_, now, err := c.Exists(testBase + "/server/10.0.0.1:8001")
	if err != nil || now.Czxid != stat.Czxid {
		t.Errorf("own node: made in transaction %v, at first in %v (error %v); want it left alone", now.Czxid, stat.Czxid, err)
	}
}

// settled returns the number of goroutines when no job is under way.
func settled(r *Registry) int {
	for {
		r.mu.Lock()
		running := r.running
		r.mu.Unlock()
		if running == 0 {
			return runtime.NumGoroutine()
		}
		runtime.Gosched()
	}
}

// Close ends the session: nodes vanish at once (motan-go leaves them for up to 40 s).
func TestCloseWithdrawsAtOnce(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, func(o *Options) { o.SessionTimeout = 4 * time.Second; o.LocalIP = "10.0.0.7" })
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	c := s.Client()
	eventually(t, func() string {
		if owner(t, c, testBase+"/client/10.0.0.7:0") == 0 {
			return "no client node"
		}
		return ""
	})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Fatalf("close: %v", err)
	}
	for _, path := range []string{"/server/10.0.0.1:8001", "/client/10.0.0.7:0"} {
		if id := owner(t, c, testBase+path); id != 0 {
			t.Errorf("%s: session %x still owns it after Close", path, id)
		}
	}
	if err := r.Announce(t.Context(), provider(8001)); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("announce after close: got %v, want %v", err, registry.ErrClosed)
	}
	if err := r.Watch(t.Context(), testService, list.update); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("watch after close: got %v, want %v", err, registry.ErrClosed)
	}
}

// A server that is restarted with its data keeps the session, or ends it while it is away; in both cases all comes back.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	for range 2 {
		s.Restart()
		c := s.Client()
		eventually(t, func() string {
			id := connected(t, r)
			if got := owner(t, c, testBase+"/server/10.0.0.1:8001"); got != id {
				return fmt.Sprintf("own node: owner %x, want our session %x", got, id)
			}
			return ""
		})
	}
	list.expect(t, "10.0.0.1:8001")
}

// A server that lost all data refuses a client that has seen more than it; we begin a new session and say all again.
func TestServerRestartEmpty(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, nil)
	list := watch(t, r, testService)
	for port := 8001; port <= 8005; port++ {
		if err := r.Announce(t.Context(), provider(port)); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"10.0.0.1:8001", "10.0.0.1:8002", "10.0.0.1:8003", "10.0.0.1:8004", "10.0.0.1:8005"}
	list.expect(t, all...)
	old := connected(t, r)
	s.Wipe()
	s.Restart()
	began := time.Now()
	c := s.Client()
	eventually(t, func() string {
		id := owner(t, c, testBase+"/server/10.0.0.1:8001")
		if id == 0 || id == old {
			return fmt.Sprintf("own node: owner %x after %v, want a new session", id, time.Since(began))
		}
		return ""
	})
	t.Logf("announced again %v after the server came back empty", time.Since(began))
	list.expect(t, all...)
}

// Expiry of the session: the server forgets us while we are cut off; all is there again with a new session.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	gate := &gate{}
	r := open(t, s, func(o *Options) { o.Dial = gate.dial; o.SessionTimeout = time.Second })
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	old := connected(t, r)
	c := s.Client()
	gate.shut(true)
	r.link.kick("kicked by the test")
	eventually(t, func() string {
		if owner(t, c, testBase+"/server/10.0.0.1:8001") != 0 {
			return "the session has not expired"
		}
		return ""
	})
	gate.shut(false)
	eventually(t, func() string {
		if id := owner(t, c, testBase+"/server/10.0.0.1:8001"); id == 0 || id == old {
			return fmt.Sprintf("owner: got %x, want a new session", id)
		}
		return ""
	})
	makeNode(t, c, testBase+"/server/10.0.0.1:8002", providerText(8002), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
	if st := r.State(); st.Sessions != 2 {
		t.Errorf("sessions: got %d, want 2", st.Sessions)
	}
}

// A server that accepts connections and never answers is given up in the connect timeout, for another that does.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	hung, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	r := open(t, s, func(o *Options) {
		o.Address = hung.Addr().String() + "," + s.Addr
		o.ConnectTimeout = 200 * time.Millisecond
	})
	watch(t, r, testService).expect(t)
}

// A server that stops answering in the middle does not hold up requests for ever, and is used again when it answers.
func TestServerPauses(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, func(o *Options) { o.CallTimeout = 300 * time.Millisecond; o.SessionTimeout = 4 * time.Second })
	list := watch(t, r, testService)
	list.expect(t)
	s.Pause()
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if r.State().Connected {
			return "a server that does not answer still counts as connected"
		}
		return ""
	})
	s.Resume()
	list.expect(t, "10.0.0.1:8001")
}

// gate is a dialer that can be shut.
type gate struct {
	mu     sync.Mutex
	closed bool // guarded by mu
}

func (g *gate) shut(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed {
		return nil, errors.New("the gate is shut")
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
