package agent

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// crowd bounds the connections of the management port: who floods it must not take the descriptors and the memory that calls
// need. Further connections are closed, one every few milliseconds: the others wait in the system's queue, so that whoever makes them
// anew and anew does not take the processor either.
type crowd struct {
	most    int64
	open    atomic.Int64
	refused atomic.Int64
}

// maxManagement is how many connections the management port has at most. Scrapers, load balancers and people need a few.
const maxManagement = 512

// crowdPause is between two connections that are closed.
const crowdPause = 5 * time.Millisecond

// bound returns l with the connections of all such listeners bounded together.
func (c *crowd) bound(l net.Listener) net.Listener { return &boundedListener{l, c} }

type boundedListener struct {
	net.Listener
	crowd *crowd
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.crowd.open.Add(1) <= l.crowd.most {
			return &boundedConn{Conn: conn, crowd: l.crowd}, nil
		}
		l.crowd.open.Add(-1)
		l.crowd.refused.Add(1)
		_ = conn.Close() // nothing was said
		time.Sleep(crowdPause)
	}
}

type boundedConn struct {
	net.Conn
	crowd *crowd
	once  sync.Once
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.once.Do(func() { c.crowd.open.Add(-1) })
	return c.Conn.Close()
}
