package zookeeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxPacket bounds one packet from a server. A list of 100,000 names of 40 bytes fits; a server's own bound for what it
	// takes (jute.maxbuffer) is 1 MiB.
	maxPacket = 8 << 20
	// maxWelcome bounds the first packet, the answer to the request for a session; it has about 40 bytes.
	maxWelcome = 1 << 10
	// minPacket is the header of an answer: request number, transaction, error.
	minPacket = 16
)

// guard is a connection to a server that checks the lengths of packets before the client library trusts them (it would
// allocate 1.2 GiB for an HTTP server's answer), and that limits the time until the first packet (the library would wait
// for minutes on a server that hangs).
type guard struct {
	net.Conn
	welcomeBy time.Time // when the first packet must be there

	hung atomic.Bool // the time until the first packet has passed

	mu       sync.Mutex
	welcomed bool   // guarded by mu: the first packet is there
	reason   string // guarded by mu: why the connection ended, as far as is known

	// Only the reader uses these.
	head [4]byte
	have int // bytes of head read
	left int // bytes of the packet not read yet
}

// Read implements net.Conn.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err != nil {
		if isTimeout(err) && !g.isWelcomed() {
			g.hung.Store(true)
		}
		g.ended(endOf(err))
	}
	for rest := p[:n]; len(rest) > 0; {
		if g.left > 0 {
			step := min(g.left, len(rest))
			g.left -= step
			rest = rest[step:]
			if g.left == 0 {
				g.welcome()
			}
			continue
		}
		step := copy(g.head[g.have:], rest)
		g.have += step
		rest = rest[step:]
		if g.have == len(g.head) {
			if bad := g.open(); bad != nil {
				return 0, bad
			}
		}
	}
	return n, err
}

// open begins a packet whose length is in head.
func (g *guard) open() error {
	size := binary.BigEndian.Uint32(g.head[:])
	g.have = 0
	limit := uint32(maxPacket)
	if !g.isWelcomed() {
		limit = maxWelcome
	}
	if size < minPacket || size > limit {
		g.Close()
		err := fmt.Errorf("registry/zookeeper: %s sent a packet of %d bytes; it does not speak ZooKeeper's protocol, or a list is too long",
			g.RemoteAddr(), size)
		g.ended(err.Error())
		return err
	}
	g.left = int(size)
	return nil
}

// ended notes why the connection ends; the first who knows is right.
func (g *guard) ended(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reason == "" {
		g.reason = reason
	}
}

// lost tells why the connection ended; empty while it has not.
func (g *guard) lost() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reason == "" {
		return ""
	}
	return fmt.Sprintf("connection to %s: %s", g.RemoteAddr(), g.reason)
}

// endOf says in words what a failed reading means.
func endOf(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "ended by the server"
	case isTimeout(err):
		return "nothing was heard from the server for too long"
	}
	return err.Error()
}

func (g *guard) welcome() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.welcomed {
		g.welcomed = true
		// The deadline of the welcome must not outlive it; the library sets its own before each packet.
		g.Conn.SetReadDeadline(time.Time{})
	}
}

func (g *guard) isWelcomed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.welcomed
}

// SetReadDeadline implements net.Conn. Until the first packet is there, t cannot be later than welcomeBy.
func (g *guard) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.welcomed && (t.IsZero() || t.After(g.welcomeBy)) {
		t = g.welcomeBy
	}
	return g.Conn.SetReadDeadline(t)
}
