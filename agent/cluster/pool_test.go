package cluster_test

import (
	"sync"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestPoolShares(t *testing.T) {
	var p cluster.Pool
	t.Cleanup(p.Close)
	key := cluster.ClientKey{Addr: "127.0.0.1:1", Connections: 1}
	one, two := p.Get(key), p.Get(key)
	if one != two {
		t.Error("the same key has two clients, want one")
	}
	other := key
	other.Connections = 2
	if p.Get(other) == one {
		t.Error("keys that differ share a client, want two")
	}
	if got := clients(&p); got != 2 {
		t.Errorf("got %d clients, want 2", got)
	}
	p.Put(key)
	if p.Get(key) != one {
		t.Error("the client was replaced while it had a user")
	}
	p.Put(key)
	p.Put(key)
	if got := clients(&p); got != 1 {
		t.Errorf("after the last user: got %d clients, want 1", got)
	}
	p.Put(key) // one too many does nothing
	p.Put(cluster.ClientKey{Addr: "never seen"})
	if p.Get(key) == one {
		t.Error("a client without users is given out again")
	}
}

// A client that nobody refers to any more finishes its calls before it is closed.
func TestPoolClosesWhenIdle(t *testing.T) {
	answer := make(chan struct{})
	s := motantest.NewServer(t, func(q *motan.Frame) *motan.Frame {
		<-answer
		return motantest.Echo(q)
	})
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	k := newCluster(t, cluster.Settings{Pool: pool}, s.Addr())
	done := make(chan *motan.Call)
	go func() { // ends with the call
		c := newCall("body")
		motan.Do(k, c)
		done <- c
	}()
	s.Await(1)
	k.Update(nil)
	if got := clients(pool); got != 0 {
		t.Errorf("got %d clients referred to, want 0", got)
	}
	if got := s.Open(); got != 1 {
		t.Errorf("got %d connections while a call is in flight, want 1", got)
	}
	close(answer)
	c := <-done
	defer c.Release()
	if outcome(c) != "ok" || string(c.Reply.Body()) != "body" {
		t.Errorf("got %s %q, want body", outcome(c), c.Reply.Body())
	}
	motantest.Await(t, "the connection to be closed", func() bool { return s.Open() == 0 })
}

// Close ends what is left at once: what is used, and what waits for its last calls.
func TestPoolClose(t *testing.T) {
	s := motantest.NewServer(t, motantest.Silent)
	pool := new(cluster.Pool)
	gone := newCluster(t, cluster.Settings{Pool: pool, Connections: 1}, s.Addr())
	used := newCluster(t, cluster.Settings{Pool: pool, Connections: 2}, s.Addr())
	var wait sync.WaitGroup
	outcomes := make([]string, 2)
	for i, k := range []*cluster.Cluster{gone, used} {
		wait.Go(func() {
			c := newCall("")
			motan.Do(k, c)
			outcomes[i] = outcome(c)
			c.Release()
		})
	}
	s.Await(2)
	gone.Close()
	pool.Close()
	wait.Wait()
	for i, got := range outcomes {
		if got != "broken" {
			t.Errorf("call %d: got %s, want broken", i, got)
		}
	}
	motantest.Await(t, "both connections to be closed", func() bool { return s.Open() == 0 })
}
