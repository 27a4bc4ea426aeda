package cluster_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func addrs(k *cluster.Cluster) []string {
	var all []string
	for _, e := range k.Endpoints() {
		all = append(all, e.Addr())
	}
	return all
}

func TestUpdate(t *testing.T) {
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	k := newCluster(t, cluster.Settings{Pool: pool})
	a, b, c := "127.0.0.1:1", "127.0.0.1:2", "[::1]:3"
	steps := []struct {
		name string
		give []string
		want []string
	}{
		{"come", []string{a, b}, []string{a, b}},
		{"the same", []string{a, b}, []string{a, b}},
		{"another order", []string{b, a}, []string{b, a}},
		{"come and go", []string{b, c}, []string{b, c}},
		{"named twice", []string{a, c, a, c, a}, []string{a, c}},
		{"all go", nil, nil},
		{"come back", []string{a}, []string{a}},
	}
	for _, tt := range steps {
		k.Update(nodes(t, tt.give...))
		if got := addrs(k); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if got := clients(pool); got != len(tt.want) {
			t.Errorf("%s: got %d clients, want %d", tt.name, got, len(tt.want))
		}
	}
	k.Close()
	k.Update(nodes(t, a, b))
	if got := addrs(k); len(got) != 0 || clients(pool) != 0 {
		t.Errorf("after Close: got %v and %d clients, want none", got, clients(pool))
	}
	k.Close()
	if got := outcome(do(t, k, newCall(""))); got != "no_endpoint" {
		t.Errorf("call after Close: got %s, want no_endpoint", got)
	}
}

// A node that stays keeps its connection, also when what is said of it changes.
func TestUpdateKeepsConnections(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	k := newCluster(t, cluster.Settings{}, s.Addr())
	do(t, k, newCall(""))
	for i := range 5 {
		n := node(t, s.Addr())
		n.Params = map[string]string{"weight": fmt.Sprint(i)}
		list := nodes(t, fmt.Sprintf("127.0.0.1:%d", i+1))
		k.Update(append(list, n))
		if got := k.Endpoints()[1].Node().Params["weight"]; got != fmt.Sprint(i) {
			t.Errorf("weight: got %s, want %d", got, i)
		}
		k.Update(append(list[:0], n))
		if c := do(t, k, newCall("")); outcome(c) != "ok" {
			t.Fatalf("got %v, want ok", c.Err)
		}
	}
	if got := s.Accepted(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

// Two clusters with a node in common share the connection, and it outlives one of them.
func TestClustersShareConnections(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	one := newCluster(t, cluster.Settings{Pool: pool}, s.Addr())
	two := newCluster(t, cluster.Settings{Pool: pool}, s.Addr())
	do(t, one, newCall(""))
	do(t, two, newCall(""))
	one.Close()
	if c := do(t, two, newCall("")); outcome(c) != "ok" {
		t.Errorf("got %v, want ok", c.Err)
	}
	if got := s.Accepted(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

// Updates that meet a Close leave no client behind.
func TestUpdateMeetsClose(t *testing.T) {
	pool := new(cluster.Pool)
	t.Cleanup(pool.Close)
	list := nodes(t, "127.0.0.1:1", "127.0.0.1:2")
	for range 200 {
		k := cluster.New(cluster.Settings{Pool: pool})
		var wait sync.WaitGroup
		wait.Go(func() { k.Update(list) })
		wait.Go(func() { k.Update(list[:1]) })
		wait.Go(k.Close)
		wait.Wait()
		if n := clients(pool); n != 0 {
			t.Fatalf("got %d clients after Close, want 0", n)
		}
	}
}

// Nodes come and go under load: no call is lost, and each gets its own answer from a node that
// was listed at some time.
func TestUpdateUnderLoad(t *testing.T) {
	const workers, each = 8, 500
	var all []string
	for range 4 {
		all = append(all, motantest.NewServer(t, motantest.Echo).Addr())
	}
	k := newCluster(t, cluster.Settings{}, all...)
	progress := make(chan struct{}, 1) // a token now and then, while calls are made
	var updates, calls sync.WaitGroup
	for i := range 2 {
		updates.Go(func() { // ends with the calls
			for step := i; ; step++ {
				if _, more := <-progress; !more {
					return
				}
				// One node alone, another one alone, some, all: also lists with nothing in common.
				from, to := step%4, 1+step%4
				if step%3 == 0 {
					to = 4
				}
				k.Update(nodes(t, all[from:to]...))
			}
		})
	}
	for w := range workers {
		calls.Go(func() {
			for i := range each {
				if i%5 == 0 {
					select {
					case progress <- struct{}{}:
					default:
					}
				}
				body := fmt.Sprintf("%d/%d", w, i)
				c := newCall(body)
				motan.Do(k, c)
				if got := outcome(c); got != "ok" || string(c.Reply.Body()) != body {
					t.Errorf("call %s: got %s %q (%v)", body, got, c.Reply.Body(), c.Err)
				}
				if got := string(c.Reply.Get("x-forwarded-for")); got != c.Endpoint || !slices.Contains(all, got) {
					t.Errorf("call %s: came from %q, want %q", body, got, c.Endpoint)
				}
				c.Release()
			}
		})
	}
	calls.Wait()
	close(progress)
	updates.Wait()
}

// A provider that restarts again and again fails calls that it had got, but answers no call with
// another one's reply, and each call ends.
func TestNodesBreakUnderLoad(t *testing.T) {
	const workers, each = 8, 300
	var servers []*motantest.Server
	var all []string
	for range 3 {
		s := motantest.NewServer(t, motantest.Echo)
		servers, all = append(servers, s), append(all, s.Addr())
	}
	k := newCluster(t, cluster.Settings{Retries: 2}, all...)
	var stop atomic.Bool
	var breaking, calls sync.WaitGroup
	breaking.Go(func() {
		for i := 0; !stop.Load(); i++ {
			servers[i%3].Break()
		}
	})
	for w := range workers {
		calls.Go(func() {
			for i := range each {
				body := fmt.Sprintf("%d/%d", w, i)
				c := newCall(body)
				motan.Do(k, c)
				switch got := outcome(c); got {
				case "ok":
					if string(c.Reply.Body()) != body {
						t.Errorf("call %s: got the reply %q", body, c.Reply.Body())
					}
				case "broken", "not_sent":
				default:
					t.Errorf("call %s: got %s (%v)", body, got, c.Err)
				}
				c.Release()
			}
		})
	}
	calls.Wait()
	stop.Store(true)
	breaking.Wait()
	motantest.Await(t, "a call to succeed", func() bool { return outcome(do(t, k, newCall(""))) == "ok" })
}
