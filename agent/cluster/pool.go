package cluster

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/motand/motand/motan"
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
	// Dial opens connections; nil is as motan.ConnOptions has it. It is set before the first use.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	mu       sync.Mutex
	clients  map[ClientKey]*pooled // guarded by mu
	retiring retirement
}

type pooled struct {
	client *motan.Client
	users  int   // guarded by Pool.mu
	told   *told // guarded by Pool.mu; nil where it was never asked
}

// Get returns the client for key and counts the caller as a user of it. No connection is
// made before the first call.
func (p *Pool) Get(key ClientKey) *motan.Client { return p.get([]byte(key.Addr), key) }

// get is Get for an address that is no string yet: it becomes one where the client is new.
func (p *Pool) get(addr []byte, key ClientKey) *motan.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Written out so that the compiler makes no string for the look-up.
	e := p.clients[ClientKey{
		Addr: string(addr), Connections: key.Connections,
		MaxContentLength: key.MaxContentLength, ConnectTimeout: key.ConnectTimeout,
	}]
	if e == nil {
		if p.clients == nil {
			p.clients = make(map[ClientKey]*pooled)
		}
		key.Addr = string(addr)
		e = &pooled{client: motan.NewClient(key.Addr, key.Connections, motan.ConnOptions{
			MaxContentLength: key.MaxContentLength,
			ConnectTimeout:   key.ConnectTimeout,
			Dial:             p.Dial,
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
	p.retiring.add(e.client)
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
	p.mu.Unlock()
	for _, e := range clients {
		e.client.Close()
	}
	p.retiring.close()
}
