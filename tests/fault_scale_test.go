package tests

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// What one motand watches in TestFaultScale, and how many of the services change at once and are called.
const (
	manyServices  = 1000
	nodesOfEach   = 100
	stormServices = 100
	calledOfThem  = 10
)

// crowd is many services with many nodes each, in a real ZooKeeper. All addresses are those of one provider.
type crowd struct {
	t    *testing.T
	conn *zk.Conn
	port int
}

func crowdService(s int) string { return fmt.Sprintf("com.example.S%03d", s) }

// addr is the address of node n of service s. Each generation has addresses of its own.
func (c crowd) addr(generation, s, n int) string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 10+10*generation+s/250, s%250, n+1, c.port)
}

func (c crowd) folder(s int) string { return "/motan/demo/" + crowdService(s) + "/server" }

// add returns the requests that list all nodes of service s.
func (c crowd) add(generation, s int) []any {
	requests := make([]any, nodesOfEach)
	for n := range requests {
		addr := c.addr(generation, s, n)
		requests[n] = &zk.CreateRequest{
			Path: c.folder(s) + "/" + addr, Acl: zk.WorldACL(zk.PermAll),
			Data: []byte("motan2://" + addr + "/" + crowdService(s) + "?group=demo&nodeType=service&version=1.0&application=crowd&serialization=simple"),
		}
	}
	return requests
}

// remove returns the requests that delete them.
func (c crowd) remove(generation, s int) []any {
	requests := make([]any, nodesOfEach)
	for n := range requests {
		requests[n] = &zk.DeleteRequest{Path: c.folder(s) + "/" + c.addr(generation, s, n), Version: -1}
	}
	return requests
}

// each calls f with the numbers of n services, several at once, and ends the test when one fails.
func (c crowd) each(n int, f func(s int) error) {
	c.t.Helper()
	var next atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { // ends with the last service
			for s := int(next.Add(1)) - 1; s < n; s = int(next.Add(1)) - 1 {
				if err := f(s); err != nil {
					c.t.Errorf("service %d: %v", s, err)
				}
			}
		})
	}
	wait.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func (c crowd) multi(requests []any) error {
	_, err := c.conn.Multi(requests...)
	return err
}

// crowdYAML refers to all services.
func crowdYAML(settings string) string {
	var b strings.Builder
	b.WriteString(agentYAML + "\nmotan-registry:\n  zk: " + settings + "\nmotan-refer:\n")
	for s := range manyServices {
		fmt.Fprintf(&b, "  s%d: {path: %s, group: demo, protocol: motan2, registry: zk, requestTimeout: 30000, connectTimeout: 10000}\n", s, crowdService(s))
	}
	return b.String()
}

// awaitAll waits until d knows all nodes. It asks seldom: an answer about so many costs something.
func awaitAll(d *daemon) {
	d.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	known := 0.0
	for end := time.Now().Add(10 * patience); known != manyServices*nodesOfEach; <-tick.C {
		if time.Now().After(end) {
			d.t.Fatalf("%v nodes are known, want %d", known, manyServices*nodesOfEach)
		}
		known = d.metric("motand_upstream_nodes")
	}
}

// TestFaultScale has one motand watch 1,000 services of 100 nodes, tells what that costs, and then replaces all nodes of 100
// services at once while some of these are called.
func TestFaultScale(t *testing.T) {
	onlyLong(t)
	server := zktest.Start(t)
	var newest atomic.Int64 // the first number of the addresses of the newest generation that was called
	p := newProvider(t, "0.0.0.0", func(local string, request, reply *motan.Frame) time.Duration {
		_, rest, _ := strings.Cut(local, ".")
		number, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > newest.Load() {
			newest.Store(n)
		}
		return echo(local, request, reply)
	})
	c := crowd{t, server.Client(), p.port}
	z := tree{t, c.conn}
	z.make("/motan/demo", nil)
	c.each(manyServices, func(s int) error {
		for _, path := range []string{"/motan/demo/" + crowdService(s), c.folder(s)} {
			if _, err := c.conn.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
				return err
			}
		}
		return c.multi(c.add(0, s))
	})
	proxy := newZKProxy(t, server.Addr)
	s, yaml := newSetup(t), crowdYAML(zkSettings(proxy.addr))
	from := time.Now()
	d := startMotandUp(t, s, yaml)
	idle := d.rss()
	awaitAll(d)
	since(t, "start without a cache, until all nodes are known", from)
	note(t, "requests to ZooKeeper for each node, at the start", float64(proxy.requests())/manyServices/nodesOfEach)
	note(t, "resident memory, MiB, and bytes for each node", fmt.Sprintf("%d, %d", d.rss()>>20, (d.rss()-idle)/manyServices/nodesOfEach))
	d.Stop()

	from = time.Now()
	d = startMotandIn(s, yaml)
	since(t, "start with a cache, until ready", from)
	awaitAll(d)
	awaitUp(d, 1)
	note(t, "resident memory after that, MiB", d.rss()>>20)
	before := -1
	await(t, "ZooKeeper to be read", func() bool {
		last := before
		before = proxy.requests()
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		<-timer.C
		return last == before
	})
	c.storm(d, proxy, &newest)
}

// storm replaces all nodes of one service, and then of many, while calls are made.
func (c crowd) storm(d *daemon, proxy *zkProxy, newest *atomic.Int64) {
	c.t.Helper()
	t := c.t
	called := calledOfThem
	load := startSteadyOf(t, d.addr("motan"), 2000, func([]byte) (string, []string) {
		return crowdService(rand.IntN(called)), []string{"M_g", "demo"}
	})
	load.goOn(5 * time.Second) // connections are made
	load.take()
	load.goOn(10 * time.Second)
	load.take().clean(t, "before")

	requests, from := proxy.requests(), time.Now()
	if err := c.multi(append(c.remove(0, 0), c.add(1, 0)...)); err != nil {
		t.Fatal(err)
	}
	await(t, "a new node of one service to be called", func() bool { return newest.Load() == 20 })
	since(t, "from the change of one service to a call of a new node, with the ten calls in between", from)
	load.take().clean(t, "one service replaced")
	note(t, "requests to ZooKeeper for each node that came", float64(proxy.requests()-requests)/nodesOfEach)

	requests, from = proxy.requests(), time.Now()
	c.each(stormServices-1, func(s int) error {
		return c.multi(append(c.remove(0, s+1), c.add(1, s+1)...))
	})
	since(t, "ZooKeeper took to replace all nodes of 99 services", from)
	load.goOn(10 * time.Second)
	load.take().clean(t, "99 services replaced, and 10 s after")
	awaitAll(d)
	note(t, "requests to ZooKeeper for each node that came, 99 services", float64(proxy.requests()-requests)/nodesOfEach/(stormServices-1))
	note(t, "resident memory at the end, and at most, MiB", fmt.Sprintf("%d, %d", d.rss()>>20, d.peakRSS()>>20))
	load.finish().clean(t, "after")
}
