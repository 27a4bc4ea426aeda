package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

const (
	scaleHosts = 10_000  // on which the nodes of all services are
	scaleCalls = 200_000 // by which the cost of a choice is measured
)

// measureServices is G8: what an agent knows of many services, from the registry to the endpoints, in this process.
func measureServices(ctx context.Context, s *scale) error {
	before := liveHeap()
	m := newMany(s.o.services, s.o.nodes)
	if err := m.watch(ctx); err != nil {
		return err
	}
	defer m.close()
	m.renew(0)
	if err := m.await(ctx, s.o.services); err != nil {
		return err
	}
	pairs := float64(s.o.services * s.o.nodes)
	s.add("G8", fmt.Sprintf("heap for %d services of %d nodes", s.o.services, s.o.nodes), float64(liveHeap()-before)/mebi, 60*pairs/1e6, "MiB")
	s.add("G8", "goroutines", float64(runtime.NumGoroutine()), 0, "")
	begin, cpu := time.Now(), ownTime()
	m.renew(1)
	told := time.Since(begin)
	if err := m.await(ctx, 2*s.o.services); err != nil {
		return err
	}
	s.add("G8", "all lists told", told.Seconds(), 0, "s")
	s.add("G8", "all lists applied", time.Since(begin).Seconds(), 3, "s")
	s.add("G8", "CPU for that", (ownTime() - cpu).Seconds(), 1.5, "s")
	s.add("G8", "heap after it", float64(liveHeap()-before)/mebi, 60*pairs/1e6, "MiB")
	same, cold := m.pick()
	s.add("G8", fmt.Sprintf("a choice: a call to a service of %d nodes, less one to a service of one", s.o.nodes), float64(same), 100, "ns")
	s.add("G8", "the same with another service in each call", float64(cold), 0, "ns")
	return nil
}

// many are services that are watched, as an agent does.
type many struct {
	source   registry.Static
	pool     cluster.Pool
	services []registry.Service
	hosts    []string
	clusters []*cluster.Cluster
	single   *cluster.Cluster
	nodes    int
	applied  atomic.Int64 // lists
}

// answered ends every attempt before anything is sent.
type answered struct{}

func (answered) Request(*motan.Call) motan.Verdict { return motan.Answered }
func (answered) Reply(*motan.Call)                 {}

func newMany(services, nodes int) *many {
	m := &many{nodes: nodes}
	for h := range scaleHosts {
		m.hosts = append(m.hosts, fmt.Sprintf("10.1.%d.%d", h/250, h%250+1))
	}
	for i := range services {
		m.services = append(m.services, registry.Service{Group: benchGroup, Path: serviceName(i), Protocol: "motan2"})
		m.clusters = append(m.clusters, m.cluster(i))
	}
	m.single = m.cluster(0)
	m.single.Update(m.list(0, 0)[:1])
	return m
}

func (m *many) cluster(i int) *cluster.Cluster {
	return cluster.New(cluster.Settings{
		Service: serviceName(i), Group: benchGroup, Connections: 1, Pool: &m.pool,
		Timeouts: cluster.Timeouts{Request: time.Second}, Attempts: []motan.Filter{answered{}},
	})
}

func (m *many) close() {
	for _, k := range append(m.clusters, m.single) {
		k.Close()
	}
	m.pool.Close()
}

func (m *many) watch(ctx context.Context) error {
	for i, service := range m.services {
		if err := m.source.Watch(ctx, service, func(nodes []registry.Node) {
			m.clusters[i].Update(nodes)
			m.applied.Add(1)
		}); err != nil {
			return err
		}
	}
	return nil
}

// list is that of a service: the last node is another one in each turn.
func (m *many) list(i, turn int) []registry.Node {
	nodes := make([]registry.Node, m.nodes)
	params := map[string]string{"export": "motan2:8002", "nodeType": "service"}
	for n := range nodes {
		at := i*m.nodes + n
		if n == len(nodes)-1 {
			at += turn * m.nodes
		}
		nodes[n] = registry.Node{
			Service: m.services[i], Host: m.hosts[at%scaleHosts], Port: 8002, Available: true, Params: params,
		}
	}
	return nodes
}

// renew tells the lists of a turn.
func (m *many) renew(turn int) {
	for i := range m.services {
		m.source.Set(m.services[i], m.list(i, turn)...)
	}
}

// await waits until n lists have been applied.
func (m *many) await(ctx context.Context, n int) error {
	end := time.Now().Add(time.Minute)
	for m.applied.Load() < int64(n) {
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d lists were applied within a minute", m.applied.Load(), n)
		}
		if err := rest(ctx, time.Millisecond); err != nil {
			return interrupted(ctx)
		}
	}
	return nil
}

// pick is how much longer a call takes to a service of all nodes than one to a service of one node, and how much longer
// yet when each goes to another service, whose memory is not in the processor's caches.
func (m *many) pick() (same, cold time.Duration) {
	cost := [3]time.Duration{1 << 62, 1 << 62, 1 << 62}
	for range 7 { // the least disturbed of them count
		random := rand.New(rand.NewPCG(1, 2))
		for i, to := range []func(n int) *cluster.Cluster{
			func(int) *cluster.Cluster { return m.single },
			func(int) *cluster.Cluster { return m.clusters[0] },
			func(n int) *cluster.Cluster { return m.clusters[n] },
		} {
			cost[i] = min(cost[i], calls(func() *cluster.Cluster { return to(random.IntN(len(m.clusters))) }))
		}
	}
	return max(cost[1]-cost[0], 0), max(cost[2]-cost[0], 0)
}

// calls is the CPU time of a call to what to returns.
func calls(to func() *cluster.Cluster) time.Duration {
	begin := ownTime()
	for range scaleCalls {
		c := motan.NewCall()
		motan.Do(to(), c)
		c.Release()
	}
	return (ownTime() - begin) / scaleCalls
}

// liveHeap is how many bytes of the heap are in use.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second one frees what the first has only unlinked
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
