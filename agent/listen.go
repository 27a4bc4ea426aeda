package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/motand/motand/agent/handover"
	"github.com/motand/motand/conf"
)

// ListenError says that a listener could not be had, and who wanted it for what.
type ListenError struct {
	For  string // such as "Motan calls of programs on this host (motan-agent.port)"
	Addr string
	Err  error
}

// Error names the address, its purpose and what can be done.
func (e *ListenError) Error() string {
	hint := ""
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		hint = "; another process, perhaps another agent, has it: stop that one or configure another address"
	}
	return fmt.Sprintf("cannot listen on %s for %s: %v%s", e.Addr, e.For, e.Err, hint)
}

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// listeners are all sockets of the agent, opened before anything is served on one of them.
type listeners struct {
	motan      []net.Listener
	http       []net.Listener
	management net.Listener

	given *inheritance // sockets that need not be opened; nil for none

	mu      sync.Mutex
	exports map[int]net.Listener             // by port; guarded by mu once the agent runs
	left    map[net.Listener]bool            // guarded by mu; closed while the agent runs
	sockets map[net.Listener]handover.Socket // guarded by mu; what they are called
}

// listen opens what c asks for and is not given, everything or nothing.
func listen(c *conf.Config, exportPorts []int, given *inheritance) (*listeners, error) {
	l := &listeners{given: given, exports: make(map[int]net.Listener), sockets: make(map[net.Listener]handover.Socket)}
	var errs []error
	open := func(name, purpose, network, addr string) net.Listener {
		x, err := l.open(name, network, addr)
		if err != nil {
			errs = append(errs, &ListenError{For: purpose, Addr: addr, Err: err})
		}
		return x
	}
	a := &c.Agent
	local := func(name, unix string, port int, purpose, unixKey, key string) []net.Listener {
		var all []net.Listener
		if unix != "" {
			all = append(all, open(name, purpose+" (motan-agent."+unixKey+")", "unix", unix))
			name += "-tcp"
		}
		if unix == "" || a.At(key) != a.Position { // both where both are written
			all = append(all, open(name, purpose+" (motan-agent."+key+")", "tcp", net.JoinHostPort(a.Host, strconv.Itoa(port))))
		}
		return all
	}
	l.motan = local("motan", a.UnixSock, a.Port, "Motan calls of programs on this host", "unixSock", "port")
	if wantsHTTP(a) {
		l.http = local("http", a.HTTPUnixSock, a.HTTPPort, "HTTP calls of programs on this host", "httpProxyUnixSock", "hport")
	}
	for _, port := range exportPorts {
		l.exports[port] = open(exportName(port), exportPurpose, "tcp", exportAddr(port))
	}
	var err error
	if l.management, err = l.openManagement(a); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		l.close()
		return nil, errors.Join(errs...)
	}
	return l, nil
}

const exportPurpose = "services exported to other hosts (motan-service export)"

func exportName(port int) string { return "export-" + strconv.Itoa(port) }
func exportAddr(port int) string { return ":" + strconv.Itoa(port) }

// add listens on those export ports that are not open yet, on all or on none. It returns the
// new listeners.
func (l *listeners) add(ports []int) ([]net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	added := make(map[int]net.Listener)
	for _, port := range ports {
		if l.exports[port] != nil {
			continue
		}
		x, err := l.openLocked(exportName(port), "tcp", exportAddr(port))
		if err != nil {
			for _, x := range added {
				delete(l.sockets, x)
				_ = x.Close()
			}
			return nil, &ListenError{For: exportPurpose, Addr: exportAddr(port), Err: err}
		}
		added[port] = x
	}
	maps.Copy(l.exports, added)
	return slices.Collect(maps.Values(added)), nil
}

// keep closes the listeners of export ports that are not among ports. Connections that came in
// by them stay.
func (l *listeners) keep(ports []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for port, x := range l.exports {
		if slices.Contains(ports, port) {
			continue
		}
		if l.left == nil {
			l.left = make(map[net.Listener]bool)
		}
		l.left[x] = true
		delete(l.exports, port)
		delete(l.sockets, x)
		_ = x.Close()
	}
}

// dropped tells whether keep has closed x.
func (l *listeners) dropped(x net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left[x]
}

// wantsHTTP tells whether the HTTP port is opened: unless the configuration says no.
func wantsHTTP(a *conf.Agent) bool {
	written := a.At("httpProxyEnable") != a.Position
	return a.HTTPEnable || !written
}

func (l *listeners) openManagement(a *conf.Agent) (net.Listener, error) {
	if a.ManagementUnixSock != "" {
		x, err := l.open("management", "unix", a.ManagementUnixSock)
		if err != nil {
			return nil, &ListenError{For: "management (motan-agent.managementUnixSock)", Addr: a.ManagementUnixSock, Err: err}
		}
		return x, nil
	}
	const purpose = "management (motan-agent.mport)"
	first, last := a.ManagementPort, a.ManagementPort
	if a.ManagementPorts != (conf.PortRange{}) {
		first, last = a.ManagementPorts.First, a.ManagementPorts.Last
	}
	addr := func(port int) string { return net.JoinHostPort(a.ManagementHost, strconv.Itoa(port)) }
	for port := first; port < last; port++ { // one that is given may be a later one
		if l.given.has("management", "tcp", addr(port)) {
			first = port
		}
	}
	for port := first; ; port++ {
		x, err := l.open("management", "tcp", addr(port))
		if err == nil {
			return x, nil
		}
		if port >= last {
			return nil, &ListenError{For: purpose, Addr: addr(port), Err: err}
		}
	}
}

// listenOn listens; on a unix socket it replaces one that nobody answers on any more, and lets
// every user of the host connect, as motan-go does.
func listenOn(network, addr string) (net.Listener, error) {
	if network != "unix" {
		return listenConfig(addr).Listen(context.Background(), network, addr)
	}
	addr = strings.TrimPrefix(addr, "unix://")
	if info, err := os.Lstat(addr); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is not a socket", addr)
		}
		if conn, err := net.DialTimeout("unix", addr, time.Second); err == nil {
			_ = conn.Close()
			return nil, syscall.EADDRINUSE
		}
		if err := os.Remove(addr); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(addr, 0o777); err != nil { //nolint:gosec // local programs of any user call through it
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// listenConfig leaves keep-alive out where only programs on this host can connect: their end is always told, and the
// four system calls that switch it on cost those who make a connection for each call.
func listenConfig(addr string) *net.ListenConfig {
	c := new(net.ListenConfig)
	if host, _, err := net.SplitHostPort(addr); err == nil {
		if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
			c.KeepAlive = -1
		}
	}
	return c
}
