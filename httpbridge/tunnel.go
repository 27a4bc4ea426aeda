package httpbridge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/motand/motand/motan"
)

// tunnelBlock is how much is held of what passes in each direction of a tunnel.
const tunnelBlock = 16 << 10

var tunnelBlocks = sync.Pool{New: func() any { return new([tunnelBlock]byte) }}

// Why a tunnel has ended.
var (
	errTunnelDone    = errors.New("both sides have ended")
	errTunnelIdle    = errors.New("nothing has moved for httpProxyConnectIdleTimeout")
	errTunnelRevoked = errors.New("the configuration does not allow it any more")
)

// tunnel is a client's connection and one to a host, between which bytes pass as they come. What one side ends the other sees
// ended, and may go on sending itself.
type tunnel struct {
	forward *Forward
	name    string // as the client has asked for
	addr    netip.AddrPort
	client  *serverConn
	host    net.Conn
	idle    time.Duration

	moved          atomic.Int64 // when something moved, see [motan.Now]
	sent, received atomic.Int64

	mu     sync.Mutex
	ended  error       // guarded by mu; nil until then
	watch  *time.Timer // guarded by mu; runs look; nil before run
	revoke *time.Timer // guarded by mu; runs cut; nil unless the tunnel is not allowed any more
}

// run tells the client that the tunnel is there and passes bytes until both sides have ended, or cut. Nothing is left then.
func (x *tunnel) run(client io.Reader) {
	x.moved.Store(motan.Now())
	x.mu.Lock()
	if x.ended == nil {
		x.watch = time.AfterFunc(x.idle, x.look)
	}
	x.mu.Unlock()
	x.client.passing = true // what it sends is not held
	all := &x.forward.tunnels
	if _, err := io.WriteString(x.client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		x.cut(err)
	}
	var back sync.WaitGroup
	back.Go(func() { x.pass(x.client, x.host, &x.received, &all.received) }) // ends as the connections do
	x.pass(x.host, client, &x.sent, &all.sent)
	back.Wait()
	x.drop(errTunnelDone)
	x.client.server.forget(x.client)
}

// drop ends a tunnel in which nothing passes, or not any more.
func (x *tunnel) drop(why error) {
	x.cut(why)
	x.forward.tunnels.leave(x)
}

// pass copies one direction and hands its end on.
func (x *tunnel) pass(to net.Conn, from io.Reader, counts ...*atomic.Int64) {
	block := tunnelBlocks.Get().(*[tunnelBlock]byte) //nolint:forcetypeassert // the pool has nothing else
	defer tunnelBlocks.Put(block)
	for {
		n, err := from.Read(block[:])
		if n > 0 {
			x.moved.Store(motan.Now())
			if _, failed := to.Write(block[:n]); failed != nil {
				x.cut(failed)
				return
			}
			x.moved.Store(motan.Now())
			for _, c := range counts {
				c.Add(int64(n))
			}
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			x.cut(err)
		} else if half, ok := endOf(to).(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			x.cut(err)
		}
		return
	}
}

// endOf is the connection itself.
func endOf(conn net.Conn) net.Conn {
	if c, ok := conn.(*serverConn); ok {
		return c.Conn
	}
	return conn
}

// look ends the tunnel if nothing has moved for too long, else it looks again when that may be so.
func (x *tunnel) look() {
	left := x.idle - time.Duration(motan.Now()-x.moved.Load())
	if left <= 0 {
		x.cut(errTunnelIdle)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended == nil {
		x.watch.Reset(left)
	}
}

// review ends the tunnel after grace if refused says that it would not be made any more, and leaves it if it would.
func (x *tunnel) review(refused error, grace time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.revoke != nil && (refused == nil || x.ended != nil):
		x.revoke.Stop()
		x.revoke = nil
	case x.revoke == nil && refused != nil && x.ended == nil:
		x.revoke = time.AfterFunc(grace, func() { x.cut(errTunnelRevoked) })
	}
}

// cut ends both sides; the first reason stays. A side that was reset is told to the other as that.
func (x *tunnel) cut(why error) {
	x.mu.Lock()
	if x.ended != nil {
		x.mu.Unlock()
		return
	}
	x.ended = why
	if x.watch != nil {
		x.watch.Stop()
	}
	if x.revoke != nil {
		x.revoke.Stop()
	}
	x.mu.Unlock()
	for _, conn := range []net.Conn{x.client.Conn, x.host} {
		if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok && errors.Is(why, syscall.ECONNRESET) {
			_ = tcp.SetLinger(0) // an error means that it has ended
		}
		_ = conn.Close() // likewise
	}
}

// why is the reason of the end, as the log has it.
func (x *tunnel) why() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ended.Error()
}
