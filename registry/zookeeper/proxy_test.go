package zookeeper

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// proxy stands before a server and treats its connections badly.
type proxy struct {
	addr   string
	target string
	delay  atomic.Int64 // nanoseconds by which each answer comes late
	closed atomic.Bool  // new connections are ended at once
	done   chan struct{}
	wait   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]*atomic.Bool // guarded by mu: both ends; true: nothing goes through any more
}

// startProxy runs until the end of the test.
func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), target: target, done: make(chan struct{}), conns: make(map[net.Conn]*atomic.Bool)}
	p.wait.Go(func() { // ends with the listener
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			if p.closed.Load() {
				in.Close()
				out.Close()
				continue
			}
			hole := new(atomic.Bool)
			p.mu.Lock()
			p.conns[in], p.conns[out] = hole, hole
			p.mu.Unlock()
			p.wait.Go(func() { p.pipe(in, out, hole, false) }) // both end with their connections
			p.wait.Go(func() { p.pipe(out, in, hole, true) })
		}
	})
	t.Cleanup(func() {
		close(p.done)
		l.Close()
		p.cut()
		p.wait.Wait()
	})
	return p
}

// pipe carries what from says to to; answers come late.
func (p *proxy) pipe(from, to net.Conn, hole *atomic.Bool, answers bool) {
	type chunk struct {
		at   time.Time
		data []byte
	}
	chunks := make(chan chunk, 1024)
	p.wait.Go(func() { // ends with chunks
		defer to.Close()
		for c := range chunks {
			select {
			case <-time.After(time.Until(c.at)):
			case <-p.done:
			}
			if hole.Load() {
				continue
			}
			if _, err := to.Write(c.data); err != nil {
				from.Close()
			}
		}
	})
	defer close(chunks)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		late := time.Duration(0)
		if answers {
			late = time.Duration(p.delay.Load())
		}
		if n > 0 {
			chunks <- chunk{time.Now().Add(late), append([]byte(nil), buf[:n]...)}
		}
		if err != nil {
			return
		}
	}
}

// swallow has the present connections stay open with nothing going through: both sides believe in them.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, hole := range p.conns {
		hole.Store(true)
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
		delete(p.conns, c)
	}
}

// A server whose answers come late is used all the same: no request is given up, and nothing is asked twice.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	makeNode(t, c, testBase+"/server/10.0.0.1:8001", providerText(8001), 0)
	makeNode(t, c, groupCommand, []byte("command"), 0)
	p := startProxy(t, s.Addr)
	p.delay.Store(int64(700 * time.Millisecond))
	r := open(t, s, func(o *Options) { o.Address, o.SessionTimeout, o.ConnectTimeout = p.addr, 4*time.Second, 3*time.Second })
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8002)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
	makeNode(t, c, testBase+"/server/10.0.0.1:8003", providerText(8003), zk.FlagEphemeral)
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002", "10.0.0.1:8003")
	if st := r.State(); st.Sessions != 1 || st.Extra["reconnects"] != 0 || st.Extra["requests"] > 40 {
		t.Errorf("state: got %d sessions, %v; want one connection and few requests", st.Sessions, st.Extra)
	}
	hasty := open(t, s, func(o *Options) {
		o.Address, o.SessionTimeout, o.ConnectTimeout = p.addr, 4*time.Second, 200*time.Millisecond
	})
	watch(t, hasty, testService).expect(t, "10.0.0.1:8001", "10.0.0.1:8002", "10.0.0.1:8003")
}

// A connection through which nothing comes any more, and which nobody has closed, is noticed and replaced; what happened
// meanwhile is found. The session lives on where that is quick enough.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	p := startProxy(t, s.Addr)
	var said logged
	r := open(t, s, func(o *Options) {
		o.Address = p.addr
		o.Log = newLog(&said)
	})
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	for i := range 3 {
		p.swallow()
		makeNode(t, c, fmt.Sprintf("%s/server/10.0.0.9:%d", testBase, 9001+i), nil, 0)
		eventually(t, func() string {
			if got, _, _ := list.latest(); len(got) != 2+i || got[0] != "10.0.0.1:8001" {
				return fmt.Sprintf("round %d: got %v, want ours and %d others", i, got, i+1)
			}
			return ""
		})
		expectTree(t, c, map[string]int64{servedPath: connected(t, r)})
	}
	if text := said.text(); !strings.Contains(text, "nothing was heard from the server") {
		t.Errorf("log: got %s, want the reason", text)
	}
}
