package httpbridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Targets says which hosts requests are passed on to as plain HTTP. What lies on this host, on its link, or hands out secrets to
// whoever asks from this host (the metadata services of clouds) is closed unless Allow names it: a web page, or a program
// that is given a URL, must not reach it by way of the agent.
type Targets struct {
	Off    bool            // none at all
	Listed bool            // those of Allow only
	Allow  []TargetPattern // opens what is closed
	// Own tells whether an address is one of the agent's own listeners, which are never asked. Nil means that none is.
	Own func(netip.AddrPort) bool
}

// TargetPattern is one entry of Targets.Allow: a name, *. and the end of one, an address or a network, with a port or for all.
type TargetPattern struct {
	all    bool   // of every host
	name   string // in lower case; begins with . for what ends with it
	prefix netip.Prefix
	port   int // 0 is all
}

// ParseTarget reads a pattern: host, host:port, *.example.com, 10.0.0.0/8, [::1]:8080.
func ParseTarget(text string) (TargetPattern, error) {
	var p TargetPattern
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		if host, p.port = h, parsePort(port); p.port == 0 {
			return p, fmt.Errorf("target %q: the port is no number from 1 to 65535", text)
		}
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if prefix, err := netip.ParsePrefix(host); err == nil {
		p.prefix = prefix.Masked()
		return p, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		p.prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		return p, nil
	}
	name, _ := strings.CutPrefix(host, "*")
	if p.name = name; !isHost([]byte(name)) || strings.ContainsAny(name, ":[]") || name != host && name[0] != '.' {
		return p, fmt.Errorf("target %q: want a name, *.example.com, an address or a network, with :port if need be", text)
	}
	return p, nil
}

// parsePort returns 0 for what is no port.
func parsePort(text string) int {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// ParseTunnel reads a pattern for [Tunnels]: as ParseTarget, with a port; *:443 is that port of all hosts.
func ParseTunnel(text string) (TargetPattern, error) {
	if port, ok := strings.CutPrefix(text, "*:"); ok {
		p, err := ParseTarget("all:" + port)
		return TargetPattern{all: true, port: p.port}, err
	}
	p, err := ParseTarget(text)
	if err == nil && p.port == 0 {
		err = fmt.Errorf("tunnel %q: the port is missing, as in %s:443", text, text)
	}
	return p, err
}

// matches tells whether the pattern is one of the name that was asked for, or of the address that it has led to.
func (p *TargetPattern) matches(name string, addr netip.AddrPort) bool {
	switch {
	case p.port != 0 && p.port != int(addr.Port()):
		return false
	case p.all:
		return true
	case p.prefix.IsValid():
		return p.prefix.Contains(addr.Addr())
	case p.name[0] == '.':
		return strings.HasSuffix(name, p.name)
	}
	return name == p.name
}

// errTarget is why a target is refused.
var (
	errTargetOff    = errors.New("requests are not passed on to other hosts here (httpProxyForward)")
	errTargetOwn    = errors.New("the target is this agent itself")
	errTargetClosed = errors.New("the target lies on this host or its link and is closed; motan-agent.httpProxyAllow opens it")
	errTargetListed = errors.New("the target is none of motan-agent.httpProxyAllow")
)

// check tells why the address that a name has led to may not be dialled.
func (t *Targets) check(name string, addr netip.AddrPort) error {
	addr = plainAddr(addr)
	if t.isOwn(addr) {
		return errTargetOwn
	}
	for i := range t.Allow {
		if t.Allow[i].matches(strings.ToLower(name), addr) {
			return nil
		}
	}
	switch {
	case t.Listed:
		return errTargetListed
	case isClosed(addr.Addr()):
		return errTargetClosed
	}
	return nil
}

// Dial connects to host:port if it is one of the targets, within timeout; 0 means no bound.
func (t *Targets) Dial(ctx context.Context, network, addr string, timeout time.Duration) (net.Conn, error) {
	if t.Off {
		return nil, errTargetOff
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: timeout, Control: controlled(host, t.check)}
	return d.DialContext(ctx, network, addr)
}

func (t *Targets) isOwn(addr netip.AddrPort) bool { return t.Own != nil && t.Own(addr) }

// plainAddr is addr as patterns have it.
func plainAddr(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
}

// controlled returns the hook of a dialer that checks each address right before it is dialled: a name that leads elsewhere the
// second time it is looked up gains nothing.
func controlled(name string, check func(name string, addr netip.AddrPort) error) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			return errTargetClosed
		}
		return check(name, addr)
	}
}

// metadata are the addresses at which clouds hand out secrets, beside those that are link-local.
var metadataAddrs = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"), netip.MustParseAddr("fd00:ec2::254"),
}

var (
	nat64    = netip.MustParsePrefix("64:ff9b::/96")
	sixToFor = netip.MustParsePrefix("2002::/16")
)

// isClosed tells whether an address is of this host, of its link, of a group of hosts, or of a cloud's metadata; also where it is
// an IPv4 one inside of one of IPv6.
func isClosed(a netip.Addr) bool {
	b := a.As16()
	switch {
	case a.Is6() && nat64.Contains(a):
		return isClosed(netip.AddrFrom4([4]byte(b[12:])))
	case a.Is6() && sixToFor.Contains(a):
		return isClosed(netip.AddrFrom4([4]byte(b[2:6])))
	case a.IsLoopback(), a.IsUnspecified(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsInterfaceLocalMulticast():
		return true
	case a.Is4() && (b[12] == 0 || b[12] == 127 || b[12] >= 240):
		return true
	}
	return slices.Contains(metadataAddrs, a)
}
