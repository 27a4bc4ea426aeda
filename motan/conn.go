package motan

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstBackoff = 20 * time.Millisecond // after the first failed dial, doubled up to maxBackoff, each with jitter
	maxBackoff   = time.Second
	dialPatience = 100 * time.Millisecond // how long a dial may take before calls are better sent elsewhere
	wantedFor    = time.Minute            // how long after the last call a dial is still tried again
)

var errClientClosed = errors.New("motan: client closed")

// ConnOptions are the settings of a client connection. The zero value is usable.
type ConnOptions struct {
	MaxContentLength int           // of replies; 0 means 10 MiB
	ConnectTimeout   time.Duration // 0 means 1 s
	// Dial opens the connection; nil means TCP, or a unix socket for "unix:///path".
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// ConnStats counts what happened on a connection and on its predecessors.
type ConnStats struct {
	Dials    atomic.Int64
	Failures atomic.Int64 // dials that failed
	Breaks   atomic.Int64 // open connections that ended
	Timeouts atomic.Int64 // calls that nobody answered in time
	Late     atomic.Int64 // replies that came after that, dropped
}

// Conn is a multiplexed client connection to one address, made when the first call needs it
// and made again when it breaks. Calls wait for a connection that is being made, as long as
// their deadline allows; while a provider cannot be reached they fail at once.
type Conn struct {
	addr  string
	opts  ConnOptions
	stats ConnStats

	current atomic.Pointer[link]
	wanted  atomic.Int64         // when a call last asked for the connection
	stands  atomic.Pointer[link] // the link that is open

	mu     sync.Mutex
	down   error // guarded by mu; the dial that failed last, while its pause lasts
	ctx    context.Context
	cancel context.CancelFunc
	gone   bool           // guarded by mu
	done   sync.WaitGroup // the goroutine of the current link
}

var _ Handler = (*Conn)(nil)

// NewConn returns a connection to addr ("host:port", "[v6]:port" or "unix:///path"). It does
// not dial before the first call. Close ends it.
func NewConn(addr string, opts ConnOptions) *Conn {
	if opts.ConnectTimeout == 0 {
		opts.ConnectTimeout = time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Conn{addr: addr, opts: opts, ctx: ctx, cancel: cancel}
}

// Stats are the connection's counters.
func (n *Conn) Stats() *ConnStats { return &n.stats }

// Handle sends c and ends it with the reply. A call that no connection could be had for ends
// with KindNotSent.
func (n *Conn) Handle(c *Call) {
	c.Attempts++
	for {
		l := n.current.Load()
		if l == nil {
			var err error
			if l, err = n.begin(); err != nil {
				c.Fail(notSent(err))
				return
			}
		}
		if l.send(c) {
			return
		}
		n.current.CompareAndSwap(l, nil) // broken: try another one
	}
}

// Usable tells whether a call would be sent, or wait for a dial that has only just begun: false
// while the provider cannot be reached or takes long to be.
func (n *Conn) Usable() bool {
	if n.stands.Load() != nil {
		return true
	}
	if l := n.current.Load(); l != nil {
		return Now()-l.since < int64(dialPatience)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down == nil && !n.gone
}

// Open tells whether a connection stands.
func (n *Conn) Open() bool { return n.stands.Load() != nil }

// begin starts a link, or tells why there is none.
func (n *Conn) begin() (*link, error) {
	n.wanted.Store(Now())
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.current.Load(); l != nil {
		return l, nil
	}
	if n.gone {
		return nil, errClientClosed
	}
	if n.down != nil {
		return nil, n.down
	}
	l := newLink(n)
	n.current.Store(l)
	n.done.Add(1)
	go n.run(l) // ends with the link, or when it is not wanted any more, or with Close
	return l, nil
}

// run drives l, and after a failed dial further ones until one succeeds. A connection that
// broke after it stood is made again by the next call.
func (n *Conn) run(l *link) {
	defer n.done.Done()
	pause := firstBackoff
	for {
		opened := l.run(n.ctx)
		if opened || n.ctx.Err() != nil {
			return
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)): //nolint:forbidigo // one for each failed dial, not for a call
		case <-n.ctx.Done():
			return
		}
		pause = min(2*pause, maxBackoff)
		if Now()-n.wanted.Load() > int64(wantedFor) {
			n.setDown(nil)
			return
		}
		l = newLink(n) // not current before it stands: calls must not wait for it
	}
}

func (n *Conn) setDown(err error) {
	n.mu.Lock()
	n.down = err
	n.mu.Unlock()
}

// opened is told by a link, which holds its mu, that it stands.
func (n *Conn) opened(l *link) {
	n.mu.Lock()
	n.down = nil
	n.current.Store(l)
	n.stands.Store(l)
	n.mu.Unlock()
}

// closed is told by a link that it has ended, and whether it stood.
func (n *Conn) closed(l *link, stood bool) {
	n.current.CompareAndSwap(l, nil)
	n.stands.CompareAndSwap(l, nil)
	if stood {
		n.stats.Breaks.Add(1)
	}
}

func (n *Conn) dial(ctx context.Context) (net.Conn, error) {
	n.stats.Dials.Add(1)
	ctx, cancel := context.WithTimeout(ctx, n.opts.ConnectTimeout)
	defer cancel()
	var conn net.Conn
	var err error
	if n.opts.Dial != nil {
		conn, err = n.opts.Dial(ctx, n.addr)
	} else {
		network, addr := SplitAddr(n.addr)
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
	}
	if err != nil {
		n.stats.Failures.Add(1)
	}
	return conn, err
}

// Close ends the connection; calls that wait fail. It waits for the connection's goroutine.
func (n *Conn) Close() {
	n.mu.Lock()
	n.gone = true
	n.mu.Unlock()
	n.cancel()
	if l := n.current.Load(); l != nil {
		l.end(errClientClosed)
	}
	n.done.Wait()
}

// InFlight is how many calls wait for a reply.
func (n *Conn) InFlight() int {
	l := n.current.Load()
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

// SplitAddr turns an address as configurations and registries write it into a network and an
// address of package net: "unix:///path" is the unix socket /path, all else is TCP.
func SplitAddr(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, "unix://"); ok {
		return "unix", path
	}
	return "tcp", addr
}
