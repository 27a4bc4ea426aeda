package simulation

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

const seed = 20261129

// world is a caller's agent, its providers, and what has become of the calls.
type world struct {
	t         *testing.T
	begin     time.Time
	length    time.Duration
	providers []*provider
	pool      cluster.Pool
	cluster   *cluster.Cluster
	handler   motan.Handler // in front of the cluster
	dice      *rand.Rand    // of the providers and the load; guarded by mu

	mu    sync.Mutex
	ended []ended // guarded by mu
	taken []taken // guarded by mu
	open  sync.WaitGroup
}

// ended is a call that has ended.
type ended struct {
	at, took time.Duration // at since the beginning of the world
	good     bool
	refused  bool
}

// taken is a request that a provider has taken.
type taken struct {
	at       time.Duration
	provider int
}

// provider answers after latency, or with an exception where fails says so. With workers above 0 it serves so many at once,
// the others wait for their turn.
type provider struct {
	latency func(at time.Duration, dice *rand.Rand) time.Duration
	fails   func(at time.Duration, dice *rand.Rand) bool
	workers int
	free    []time.Time // when each worker is free
}

// lockedSource lets goroutines that run one after the other share a source.
type lockedSource struct {
	mu  sync.Mutex
	pcg *rand.PCG // guarded by mu
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pcg.Uint64()
}

func newDice(n uint64) *rand.Rand { return rand.New(&lockedSource{pcg: rand.NewPCG(seed, n)}) }

// simulate runs a load against providers through a cluster with those settings for the time.
func simulate(t *testing.T, length time.Duration, s cluster.Settings, providers []*provider, load func(w *world)) *world {
	t.Helper()
	w := &world{t: t, length: length, providers: providers, dice: newDice(2)}
	synctest.Test(t, func(t *testing.T) {
		w.begin = time.Now()
		w.pool.Dial = w.dial
		s.Service, s.Group, s.Pool, s.Connections = "svc", "g", &w.pool, 1
		if s.Timeouts.Request == 0 {
			s.Timeouts = cluster.Timeouts{Request: time.Second}
		}
		w.cluster = cluster.New(s)
		w.handler = w.cluster
		var nodes []registry.Node
		for i := range providers {
			nodes = append(nodes, registry.Node{
				Service: registry.Service{Group: "g", Path: "svc", Protocol: "motan2"}, Host: fmt.Sprintf("10.0.0.%d", i), Port: 1, Available: true,
			})
		}
		w.cluster.Update(nodes)
		load(w)
		w.open.Wait()
		w.cluster.Close()
		w.pool.Close()
	})
	return w
}

func (w *world) now() time.Duration { return time.Since(w.begin) }

// steady makes rate calls a second, at times that are spread by chance, until the length is over.
func (w *world) steady(rate func(at time.Duration) float64) {
	for {
		at := w.now()
		if at >= w.length {
			return
		}
		w.mu.Lock()
		pause := time.Duration(w.dice.ExpFloat64() / rate(at) * float64(time.Second))
		w.mu.Unlock()
		<-time.After(max(pause, time.Microsecond))
		w.call()
	}
}

func (w *world) call() {
	c := motan.NewCall()
	c.Request.CopyFrom(request)
	w.open.Add(1)
	c.Push(w, 0)
	w.handler.Handle(c)
}

var request = motantest.Request("svc", "m", []byte("body"))

// Return notes how a call has ended. It is the edge.
func (w *world) Return(c *motan.Call, _ int) bool {
	e := ended{at: w.now(), took: time.Duration(motan.Now() - c.Start), good: c.Err == nil && !c.Reply.Failed(), refused: c.Err != nil && c.Err.Kind == motan.KindRefused}
	w.mu.Lock()
	w.ended = append(w.ended, e)
	w.mu.Unlock()
	c.Release()
	w.open.Done()
	return false
}

// dial connects to a provider.
func (w *world) dial(_ context.Context, addr string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	i := slices.IndexFunc(w.cluster.Endpoints(), func(e *cluster.Endpoint) bool { return e.Addr() == addr })
	go w.serve(i, theirs) // ends with the connection
	return ours, nil
}

// serve is a provider's side of a connection.
func (w *world) serve(i int, conn net.Conn) {
	var writing sync.Mutex
	for {
		raw, err := motantest.ReadFrame(conn)
		if err != nil {
			conn.Close()
			return
		}
		var f motan.Frame
		if _, err := f.Decode(raw, len(raw)); err != nil {
			w.t.Error(err)
			return
		}
		if f.Type&motan.FlagHeartbeat != 0 {
			continue // nobody asks a provider that answers
		}
		reply, after := w.take(i, &f)
		time.AfterFunc(after, func() {
			writing.Lock()
			defer writing.Unlock()
			_, _ = bytes.NewReader(reply).WriteTo(conn) // a caller that has gone needs no answer
		})
	}
}

// take decides when and how provider i answers.
func (w *world) take(i int, f *motan.Frame) (reply []byte, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, at := w.providers[i], w.now()
	w.taken = append(w.taken, taken{at, i})
	after = p.latency(at, w.dice)
	if p.workers > 0 {
		after = p.turn(time.Now(), after)
	}
	answer := &motan.Frame{}
	answer.SetBody([]byte("answer"))
	if p.fails != nil && p.fails(at, w.dice) {
		answer.SetException(motan.Exception{Code: motan.CodeUnavailable, Type: motan.TypeService, Message: "overloaded"})
	}
	return answer.AppendTo(nil, f.ID, motan.FlagResponse), after
}

// turn is when a request that takes that long is answered by the worker that is free first.
func (p *provider) turn(now time.Time, takes time.Duration) time.Duration {
	if p.free == nil {
		p.free = make([]time.Time, p.workers)
	}
	first := 0
	for i := range p.free {
		if p.free[i].Before(p.free[first]) {
			first = i
		}
	}
	if p.free[first].Before(now) {
		p.free[first] = now
	}
	p.free[first] = p.free[first].Add(takes)
	return p.free[first].Sub(now)
}
