package cluster_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is the provider at addr in group g.
func node(t testing.TB, addr string) registry.Node {
	t.Helper()
	n := registry.Node{Service: registry.Service{Group: "g", Path: "svc", Protocol: "motan2"}, Available: true}
	if network, _ := motan.SplitAddr(addr); network == "unix" {
		n.Host = addr
		return n
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n.Host = host
	if n.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return n
}

func nodes(t testing.TB, addrs ...string) []registry.Node {
	t.Helper()
	all := make([]registry.Node, len(addrs))
	for i, addr := range addrs {
		all[i] = node(t, addr)
	}
	return all
}

// newCluster returns a cluster of the service svc with the nodes, which ends with the test.
// What s leaves open is filled in.
func newCluster(t testing.TB, s cluster.Settings, addrs ...string) *cluster.Cluster {
	t.Helper()
	s.Service, s.Group = "svc", "g"
	if s.Timeouts.Request == 0 {
		s.Timeouts = cluster.Timeouts{Request: motantest.Patience, Min: time.Millisecond, Max: motantest.Patience}
	}
	if s.Pool == nil {
		s.Pool = new(cluster.Pool)
		t.Cleanup(s.Pool.Close)
	}
	k := cluster.New(s)
	t.Cleanup(k.Close)
	k.Update(nodes(t, addrs...))
	return k
}

// newCall is a call of svc with further metadata.
func newCall(body string, pairs ...string) *motan.Call {
	c := motan.NewCall()
	c.Request.CopyFrom(motantest.Request("svc", "m", []byte(body), pairs...))
	return c
}

// do hands a call to h and returns it after its end.
func do(t testing.TB, h motan.Handler, c *motan.Call) *motan.Call {
	t.Helper()
	motan.Do(h, c)
	t.Cleanup(c.Release)
	return c
}

// outcome is how a call ended, in a word.
func outcome(c *motan.Call) string {
	if c.Err != nil {
		return c.Err.Kind.String()
	}
	if x, ok := c.Reply.Exception(); ok {
		return "exception " + strconv.Itoa(x.Code)
	}
	return "ok"
}

// downAddr is an address that nobody listens on.
func downAddr(t testing.TB) string {
	t.Helper()
	s := motantest.NewServer(t, motantest.Echo)
	s.Stop()
	return s.Addr()
}

// first is a balance that always chooses the first node.
type first struct{}

func (first) Over([]cluster.Endpoint) cluster.Choice { return first{} }

func (first) Pick(*motan.Call, int) int { return 0 }

// answering is a filter that ends each attempt itself, so that no connection is needed, and
// counts them by node.
type answering struct{ count map[string]int }

func (f *answering) Request(c *motan.Call) motan.Verdict {
	if f.count != nil {
		f.count[c.Endpoint]++
	}
	c.Reply.SetBody(answer)
	return motan.Answered
}

func (f *answering) Reply(*motan.Call) {}

var answer = []byte("answer")

// clients is how many clients p holds.
func clients(p *cluster.Pool) int {
	n := 0
	p.Each(func(*motan.Client) { n++ })
	return n
}
