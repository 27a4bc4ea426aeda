package httpbridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// What the fields of Tunnels mean where they are 0.
const (
	defaultTunnels    = 1024
	defaultTunnelIdle = 10 * time.Minute
)

// Tunnels says where CONNECT leads to. It is closed as long as Allow is empty. Nobody can tell what passes in a tunnel, so
// more is needed to open one than for a request: the port must be named, and an address of this host, its link or a cloud's
// metadata is reached only where a pattern is that address, or a network of such, or localhost; not by a name that leads there.
type Tunnels struct {
	Allow []TargetPattern // of ParseTunnel
	Max   int             // at one time; 0 means 1024
	Idle  time.Duration   // after which a tunnel ends in which nothing has moved, in either direction; 0 means 10 min
}

// errTunnel is why no tunnel is made.
var (
	errTunnelClosed = errors.New("CONNECT leads only to what motan-agent.httpProxyConnect names")
	errTunnelFull   = errors.New("there are as many tunnels as httpProxyConnectMax allows")
	errTunnelTarget = errors.New("CONNECT needs a host and a port, as in example.com:443")
)

// knows tells whether a pattern may be meant, before the name is looked up: names that nobody allowed are not asked for.
func (t *Tunnels) knows(name string, port int) bool {
	for i := range t.Allow {
		p := &t.Allow[i]
		if p.prefix.IsValid() && p.port == port || p.matches(name, netip.AddrPortFrom(netip.Addr{}, uint16(port))) {
			return true
		}
	}
	return false
}

// check tells why a tunnel may not lead to the address that a name has led to.
func (t *Tunnels) check(name string, addr netip.AddrPort, targets *Targets) error {
	addr = plainAddr(addr)
	switch {
	case targets.Off:
		return errTargetOff
	case targets.isOwn(addr):
		return errTargetOwn
	}
	closed := isClosed(addr.Addr())
	for i := range t.Allow {
		p := &t.Allow[i]
		names := p.prefix.IsValid() && isClosed(p.prefix.Addr()) && p.prefix.Bits() >= 8 || p.name == "localhost" && addr.Addr().IsLoopback()
		if p.matches(name, addr) && (!closed || names) {
			return nil
		}
	}
	return errTunnelClosed
}

// tunnels are those that are open.
type tunnels struct {
	opened         atomic.Int64
	sent, received atomic.Int64

	ctx    context.Context    // of dialling; ends with the Forward
	cancel context.CancelFunc // ends it

	mu    sync.Mutex
	count int                  // guarded by mu; with those that are still being dialled
	all   map[*tunnel]struct{} // guarded by mu
	over  bool                 // guarded by mu; no further ones
	fewer *sync.Cond           // of mu; count has become less
}

// take counts a tunnel that is to be made.
func (t *tunnels) take(limit int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
		return ErrServerClosed
	case t.count >= limit:
		return errTunnelFull
	}
	t.count++
	return nil
}

// leave forgets one that has ended, or was not made: nil.
func (t *tunnels) leave(x *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, x)
	t.count--
	t.fewer.Broadcast()
}

// end ends all of them, and waits for that.
func (t *tunnels) end() {
	t.cancel()
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	for _, x := range t.now() {
		x.cut(ErrServerClosed)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.count > 0 {
		t.fewer.Wait()
	}
}

// add has x among those that are open, unless no further ones are to be.
func (t *tunnels) add(x *tunnel) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return ErrServerClosed
	}
	t.all[x] = struct{}{}
	t.opened.Add(1)
	return nil
}

func (t *tunnels) now() []*tunnel {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.all))
}

// TunnelStats are what has come of CONNECT.
type TunnelStats struct {
	Open, Opened   int64
	Sent, Received int64 // bytes to the hosts, and from them
}

// TunnelStats counts.
func (f *Forward) TunnelStats() TunnelStats {
	t := &f.tunnels
	t.mu.Lock()
	defer t.mu.Unlock()
	return TunnelStats{Open: int64(len(t.all)), Opened: t.opened.Load(), Sent: t.sent.Load(), Received: t.received.Load()}
}

// Use replaces where requests and tunnels go. Tunnels that are open and would not be made any more end after grace.
func (f *Forward) Use(targets Targets, t Tunnels, grace time.Duration) {
	if t.Max <= 0 {
		t.Max = defaultTunnels
	}
	t.Idle = orDefault(t.Idle, defaultTunnelIdle)
	f.rules.Store(&forwardRules{targets, t})
	for _, x := range f.tunnels.now() {
		x.review(t.check(x.name, x.addr, &targets), grace)
	}
}

// connect answers CONNECT: it makes a tunnel, or says why not. The connection is of no further use in either case.
func (f *Forward) connect(ctx *fasthttp.RequestCtx) {
	begin := time.Now()
	target := strings.ToLower(string(ctx.Request.Header.RequestURI()))
	ctx.SetConnectionClose()
	x, err := f.open(ctx, target)
	switch {
	case err == nil:
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(client net.Conn) {
			x.run(client)
			f.settings.Logger.Info("http-proxy", "host", target, "method", "CONNECT", "status", fasthttp.StatusOK, "ms", time.Since(begin).Milliseconds(),
				"sent", x.sent.Load(), "received", x.received.Load(), "end", x.why())
		})
		return
	case errors.Is(err, errTunnelTarget):
		f.Refused.Add(1)
		answerText(ctx, fasthttp.StatusBadRequest, err.Error())
	case errors.Is(err, errTunnelFull), errors.Is(err, ErrServerClosed):
		f.Refused.Add(1)
		ctx.Response.Header.SetBytesV("Retry-After", soon)
		answerText(ctx, fasthttp.StatusServiceUnavailable, err.Error())
	default:
		var cause error
		if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
			cause = errStalled
		}
		f.fail(ctx, err, cause)
	}
	f.settings.Logger.Info("http-proxy", "host", target, "method", "CONNECT", "status", ctx.Response.StatusCode(), "ms", time.Since(begin).Milliseconds(), "err", err)
}

// open dials target for the client of ctx. Without an error the tunnel is the client's, which runs or drops it.
func (f *Forward) open(ctx *fasthttp.RequestCtx, target string) (*tunnel, error) {
	client, ok := ctx.Conn().(*serverConn)
	if !ok {
		return nil, fmt.Errorf("a connection of type %T cannot become a tunnel", ctx.Conn())
	}
	if client.server.draining.Load() {
		return nil, ErrServerClosed
	}
	name, text, err := net.SplitHostPort(target)
	port := parsePort(text)
	if err != nil || port == 0 || name == "" {
		return nil, errTunnelTarget
	}
	rules := f.rules.Load()
	if rules.targets.Off {
		return nil, errTargetOff
	}
	if !rules.tunnels.knows(name, port) {
		return nil, errTunnelClosed
	}
	if err := f.tunnels.take(rules.tunnels.Max); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: f.settings.Timeout, Control: controlled(name, func(name string, addr netip.AddrPort) error {
		return rules.tunnels.check(name, addr, &rules.targets)
	})}
	host, err := d.DialContext(f.tunnels.ctx, "tcp", target)
	if err != nil {
		f.tunnels.leave(nil)
		return nil, err
	}
	addr, _ := netip.ParseAddrPort(host.RemoteAddr().String()) // it is one of TCP
	x := &tunnel{forward: f, name: name, addr: addr, client: client, host: host, idle: rules.tunnels.Idle}
	if err := f.tunnels.add(x); err != nil {
		x.drop(err)
		return nil, err
	}
	client.tunnel = x
	if now := f.rules.Load(); now != rules { // replaced while it was dialled
		x.review(now.tunnels.check(name, addr, &now.targets), 0)
	}
	return x, nil
}
