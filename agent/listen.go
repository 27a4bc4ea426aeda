package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// wanted is a socket that a configuration asks for.
type wanted struct {
	name    string // motan, http, management, export-PORT; the TCP one beside a unix socket ends with -tcp
	network string
	addrs   []string // of which the first is taken that can be had
	purpose string
}

// wants tells whether s is the socket.
func (w *wanted) wants(s *handover.Socket) bool {
	return w.name == s.Name && w.network == s.Network && slices.Contains(w.addrs, s.Addr)
}

// wantedSockets are those that c asks for; exportPorts are those of its services.
func wantedSockets(c *conf.Config, exportPorts []int) []wanted {
	a := &c.Agent
	all := localSockets(a, "motan", a.UnixSock, a.Port, "Motan calls of programs on this host", "unixSock", "port")
	if a.ListensForHTTP() {
		all = append(all, localSockets(a, "http", a.HTTPUnixSock, a.HTTPPort, "HTTP calls of programs on this host", "httpProxyUnixSock", "hport")...)
	}
	for _, port := range exportPorts {
		all = append(all, wanted{exportName(port), "tcp", []string{":" + strconv.Itoa(port)}, "services exported to other hosts (motan-service export)"})
	}
	return append(all, managementSocket(a))
}

func localSockets(a *conf.Agent, name, unix string, port int, purpose, unixKey, key string) (all []wanted) {
	if unix != "" {
		all = append(all, wanted{name, "unix", []string{unix}, purpose + " (motan-agent." + unixKey + ")"})
		name += besideUnix
	}
	if unix == "" || a.At(key) != a.Position { // both where both are written
		all = append(all, wanted{name, "tcp", []string{net.JoinHostPort(a.Host, strconv.Itoa(port))}, purpose + " (motan-agent." + key + ")"})
	}
	return all
}

func managementSocket(a *conf.Agent) wanted {
	if a.ManagementUnixSock != "" {
		return wanted{"management", "unix", []string{a.ManagementUnixSock}, "management (motan-agent.managementUnixSock)"}
	}
	ports := a.ManagementPorts
	if ports == (conf.PortRange{}) {
		ports = conf.PortRange{First: a.ManagementPort, Last: a.ManagementPort}
	}
	w := wanted{"management", "tcp", nil, "management (motan-agent.mport)"}
	for port := ports.First; port <= ports.Last; port++ {
		w.addrs = append(w.addrs, net.JoinHostPort(a.ManagementHost, strconv.Itoa(port)))
	}
	return w
}

// besideUnix ends the name of a TCP socket for what there is a unix socket for, too.
const besideUnix = "-tcp"

func exportName(port int) string { return "export-" + strconv.Itoa(port) }

// opened is a socket that the agent listens on.
type opened struct {
	listener net.Listener
	handover.Socket
}

// listeners are all sockets of the agent. They are opened before anything is served on one of them.
type listeners struct {
	given *inheritance // sockets that need not be opened; nil for none

	mu   sync.Mutex
	open []opened              // guarded by mu; in the order in which they were opened
	left map[net.Listener]bool // guarded by mu; closed while the agent runs
}

// listen opens what is wanted and is not given, everything or nothing.
func listen(all []wanted, given *inheritance) (*listeners, error) {
	l := &listeners{given: given}
	if _, err := l.add(all); err != nil {
		return nil, err
	}
	return l, nil
}

// add listens on those sockets that are not open yet, on all or on none. It returns the new listeners.
func (l *listeners) add(all []wanted) ([]opened, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.open)
	var errs []error
	for i := range all {
		w := &all[i]
		if slices.ContainsFunc(l.open, func(x opened) bool { return w.wants(&x.Socket) }) {
			continue
		}
		x, err := l.listen(w)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.open = append(l.open, x)
	}
	added := slices.Clone(l.open[before:])
	if err := errors.Join(errs...); err != nil {
		l.open = l.open[:before]
		for _, x := range added {
			_ = x.listener.Close()
		}
		return nil, err
	}
	return added, nil
}

// listen returns the socket that was given for w, or opens it. Caller holds mu.
func (l *listeners) listen(w *wanted) (opened, error) {
	var x net.Listener
	var err error
	for _, addr := range w.addrs { // one that is given may be a later one
		var s handover.Socket
		if x, s, err = l.given.take(w.name, w.network, addr); x != nil || err != nil {
			return opened{x, handover.Socket{Name: w.name, Network: w.network, Addr: addr, Foreign: s.Foreign}}, err
		}
	}
	for _, addr := range w.addrs {
		if x, err = listenOn(w.network, addr); err == nil {
			x, err = ready(w.name, x)
		}
		if err == nil {
			return opened{x, handover.Socket{Name: w.name, Network: w.network, Addr: addr}}, nil
		}
	}
	return opened{}, &ListenError{For: w.purpose, Addr: w.addrs[len(w.addrs)-1], Err: err}
}

// keep closes the listeners that nobody wants. Connections that came in by them stay.
func (l *listeners) keep(all []wanted) {
	l.drop(func(x *opened) bool {
		return !slices.ContainsFunc(all, func(w wanted) bool { return w.wants(&x.Socket) })
	})
}

// drop closes some listeners.
func (l *listeners) drop(which func(x *opened) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(x opened) bool {
		if !which(&x) {
			return false
		}
		l.leave(x.listener)
		_ = x.listener.Close()
		return true
	})
}

// leave notes that x ends because we want it to. Caller holds mu.
func (l *listeners) leave(x net.Listener) {
	if l.left == nil {
		l.left = make(map[net.Listener]bool)
	}
	l.left[x] = true
}

// unwanted tells whether keep would close something.
func (l *listeners) unwanted(all []wanted) bool {
	return slices.ContainsFunc(l.all(), func(x opened) bool {
		return !slices.ContainsFunc(all, func(w wanted) bool { return w.wants(&x.Socket) })
	})
}

// dropped tells, once, whether x has ended because we wanted it to.
func (l *listeners) dropped(x net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped := l.left[x]
	delete(l.left, x)
	return dropped
}

// all are the open listeners.
func (l *listeners) all() []opened {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.open)
}

// of returns the open listeners of a server: motan, http, management or export. The newest is the last.
func (l *listeners) of(server string) []net.Listener {
	var all []net.Listener
	for _, x := range l.all() {
		if serverOf(x.Name) == server {
			all = append(all, x.listener)
		}
	}
	return all
}

// serverOf is whose connections come in by the socket of that name.
func serverOf(name string) string {
	if strings.HasPrefix(name, "export-") {
		return "export"
	}
	return strings.TrimSuffix(name, besideUnix)
}

// clashes tells whether a configuration asks for the address of a socket that is open for something else: that cannot be
// opened as long as the other is.
func (l *listeners) clashes(w *wanted) bool {
	if w.network != "tcp" || len(w.addrs) != 1 {
		return false
	}
	_, port, _ := net.SplitHostPort(w.addrs[0]) // made by us
	return port != "0" && slices.ContainsFunc(l.all(), func(x opened) bool {
		tcp, ok := x.listener.Addr().(*net.TCPAddr)
		return ok && strconv.Itoa(tcp.Port) == port && !w.wants(&x.Socket)
	})
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
