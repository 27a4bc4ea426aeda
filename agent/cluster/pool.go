package cluster

import (
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

// lastCalls is how long a client that nobody refers to any more may take to finish its calls.
const lastCalls = 30 * time.Second

// ClientKey is what makes two users share the connections to a node.
type ClientKey struct {
	Addr             string
	Connections      int
	MaxContentLength int
	ConnectTimeout   time.Duration
}

// Pool shares the connections to nodes between clusters and between the snapshots of a
// configuration: one client for each key, for as long as somebody refers to it.
type Pool struct {
	mu      sync.Mutex
	clients map[ClientKey]*pooled // guarded by mu
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
	if e.users--; e.users == 0 {
		delete(p.clients, key)
		go closeIdle(e.client, lastCalls) // ends with the client's last call, or after lastCalls
	}
}

func closeIdle(c *motan.Client, wait time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(wait); c.InFlight() > 0 && time.Now().Before(end); {
		<-tick.C
	}
	c.Close()
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

// Close closes every client at once; calls in flight fail.
func (p *Pool) Close() {
	p.mu.Lock()
	clients := p.clients
	p.clients = nil
	p.mu.Unlock()
	for _, e := range clients {
		e.client.Close()
	}
}
