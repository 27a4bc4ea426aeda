package cluster

import (
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

const (
	lastCalls = 30 * time.Second       // how long a client that nobody refers to any more may take to finish its calls
	quietTime = 200 * time.Millisecond // how long it must be without one: a call may just have chosen it
	quietTick = 20 * time.Millisecond
)

// ClientKey is what makes two users share the connections to a node.
type ClientKey struct {
	Addr             string
	Connections      int
	MaxContentLength int
	ConnectTimeout   time.Duration
}

// Pool shares the connections to nodes between clusters and between the snapshots of a
// configuration: one client for each key, for as long as somebody refers to it. The zero Pool
// is ready; it is not used after Close.
type Pool struct {
	mu      sync.Mutex
	clients map[ClientKey]*pooled // guarded by mu
	closed  chan struct{}         // guarded by mu; made with the first retirement, closed by Close
	retired sync.WaitGroup        // clients that finish their last calls
}

type pooled struct {
	client *motan.Client
	users  int // guarded by Pool.mu
}

// Get returns the client for key and counts the caller as a user of it. No connection is
// made before the first call.
func (p *Pool) Get(key ClientKey) *motan.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.clients[key]
	if e == nil {
		if p.clients == nil {
			p.clients = make(map[ClientKey]*pooled)
		}
		e = &pooled{client: motan.NewClient(key.Addr, key.Connections, motan.ConnOptions{
			MaxContentLength: key.MaxContentLength,
			ConnectTimeout:   key.ConnectTimeout,
		})}
		p.clients[key] = e
	}
	e.users++
	return e.client
}

// Put ends one use of the client for key. After the last one the client is closed once the
// calls that are still in flight have ended.
func (p *Pool) Put(key ClientKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.clients[key]
	if e == nil {
		return
	}
	if e.users--; e.users > 0 {
		return
	}
	delete(p.clients, key)
	if p.closed == nil {
		p.closed = make(chan struct{})
	}
	closed := p.closed
	p.retired.Go(func() { // ends with the client's last call, after lastCalls, or by Close
		awaitQuiet(e.client, closed)
		e.client.Close()
	})
}

// awaitQuiet waits until c was without calls for quietTime, but not beyond lastCalls or closed.
func awaitQuiet(c *motan.Client, closed <-chan struct{}) {
	tick := time.NewTicker(quietTick)
	defer tick.Stop()
	begin := time.Now()
	for quiet := begin; time.Since(quiet) < quietTime && time.Since(begin) < lastCalls; {
		select {
		case <-tick.C:
		case <-closed:
			return
		}
		if c.InFlight() > 0 {
			quiet = time.Now()
		}
	}
}

// Each calls f for every client.
func (p *Pool) Each(f func(c *motan.Client)) {
	p.mu.Lock()
	clients := make([]*motan.Client, 0, len(p.clients))
	for _, e := range p.clients {
		clients = append(clients, e.client)
	}
	p.mu.Unlock()
	for _, c := range clients {
		f(c)
	}
}

// Close closes every client at once; calls in flight fail. It waits for the goroutines of all
// connections.
func (p *Pool) Close() {
	p.mu.Lock()
	clients := p.clients
	p.clients = nil
	if p.closed != nil {
		close(p.closed)
		p.closed = nil
	}
	p.mu.Unlock()
	for _, e := range clients {
		e.client.Close()
	}
	p.retired.Wait()
}
