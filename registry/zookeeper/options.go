package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/motand/motand/registry"
)

const (
	defaultPort           = "2181"
	defaultSessionTimeout = 20 * time.Second
	defaultConnectTimeout = 3 * time.Second
	defaultCallTimeout    = 15 * time.Second
	defaultRelist         = time.Minute
	defaultSelfCheck      = 30 * time.Second
	defaultReadRate       = 3000
	maxServers            = 64
)

// Options says which ZooKeeper a Registry uses, and how. Only Address must be given.
type Options struct {
	// Address names the servers and, if wanted, the node below which everything is: "h1:2181,h2:2181,h3/a/b". A port may be
	// left out (2181). Names are resolved again at each attempt to connect.
	Address string

	// SessionTimeout is how long after a crash of ours ZooKeeper keeps what we announced; 0 means 20 s. The servers raise or
	// lower it to between 2 and 20 of their ticks, usually 4 to 40 s.
	SessionTimeout time.Duration
	// ConnectTimeout bounds one attempt: connecting, and being let in; 0 means 3 s. While no server lets us in, the time for that
	// grows up to SessionTimeout.
	ConnectTimeout time.Duration
	// CallTimeout bounds one request. When it passes, the connection is given up and another server is tried; 0 means 15 s.
	CallTimeout time.Duration

	// Auth is "user:password" of ZooKeeper's scheme "digest"; empty: we do not say who we are.
	Auth string
	// Access says who may do what with the nodes that we create; "" means AccessAuth with Auth, else AccessOpen. Nodes that
	// are there already keep their rules.
	Access Access
	// TLS has connections to the servers' secure port encrypted; nil: they are not.
	TLS *TLS
	// Form is how the text of our nodes is stored; "" means registry.TextJava.
	Form registry.TextForm
	// LocalIP is the host under which watches appear below "client"; empty: they do not appear.
	LocalIP string
	// ClientParams are the parameters of these entries, such as application; nil for none.
	ClientParams map[string]string

	// IPv6 allows that IPv6 addresses are announced. The readers of Motan Java and motan-go fail on them, the latter so that it
	// sees no change of the service any more.
	IPv6 bool

	// Relist is how often lists are read without being told of a change, in case a notice was lost; 0 means 60 s. Each
	// time differs by up to a tenth.
	Relist time.Duration
	// SelfCheck is the longest time until we see that somebody deleted what we announced; 0 means 30 s.
	SelfCheck time.Duration

	// ReadRate is how many requests per second may be made to read again what is known already, after a reconnect or a notice,
	// so that many agents do not keep a server that has just come up from its work; 0 means 3,000. What is not known yet is
	// read as fast as the server answers.
	ReadRate int

	// Dial connects to a server; nil means TCP. It must give up when ctx ends.
	Dial dialer
	Log  *slog.Logger // nil means slog.Default()
}

// dialer makes connections, as net.Dialer.DialContext does.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// servers and chroot of an address, as the client library wants them.
type address struct {
	servers []string // host:port
	chroot  string   // "" or "/a/b"
}

// parseAddress reads Options.Address.
func parseAddress(text string) (address, error) {
	var a address
	hosts, chroot, hasChroot := strings.Cut(text, "/")
	if hasChroot && strings.Trim(chroot, "/") != "" {
		for part := range strings.SplitSeq(strings.TrimRight(chroot, "/"), "/") {
			if err := checkSegment(part); err != nil {
				return address{}, fmt.Errorf("registry/zookeeper: address %q: folder: %w", text, err)
			}
			a.chroot += "/" + part
		}
	}
	for server := range strings.SplitSeq(hosts, ",") {
		if server = strings.TrimSpace(server); server == "" {
			continue
		}
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			host, port = strings.Trim(server, "[]"), defaultPort
		}
		if _, _, err := registry.ParseAddr(net.JoinHostPort(host, port)); err != nil {
			return address{}, fmt.Errorf("registry/zookeeper: address %q: %w", text, err)
		}
		a.servers = append(a.servers, net.JoinHostPort(host, port))
	}
	switch {
	case len(a.servers) == 0:
		return address{}, errors.New("registry/zookeeper: no server: give an address like \"zk1:2181,zk2:2181,zk3:2181\"")
	case len(a.servers) > maxServers:
		return address{}, fmt.Errorf("registry/zookeeper: %d servers are more than the %d allowed", len(a.servers), maxServers)
	}
	return a, nil
}

// complete checks o and fills in what was left out.
func (o *Options) complete() error {
	if err := o.Form.Check(); err != nil {
		return err
	}
	if user, _, ok := strings.Cut(o.Auth, ":"); o.Auth != "" && (!ok || user == "") {
		return errors.New("registry/zookeeper: auth is not user:password")
	}
	if err := o.secure(); err != nil {
		return err
	}
	switch {
	case o.ReadRate == 0:
		o.ReadRate = defaultReadRate
	case o.ReadRate < 10 || o.ReadRate > 1_000_000:
		return fmt.Errorf("registry/zookeeper: read rate of %d is not between 10 and 1,000,000 requests per second", o.ReadRate)
	}
	if o.LocalIP != "" {
		if _, _, err := registry.ParseAddr(net.JoinHostPort(o.LocalIP, "0")); err != nil {
			return fmt.Errorf("registry/zookeeper: own address: %w", err)
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"session timeout", &o.SessionTimeout, defaultSessionTimeout},
		{"connect timeout", &o.ConnectTimeout, defaultConnectTimeout},
		{"call timeout", &o.CallTimeout, defaultCallTimeout},
		{"relist", &o.Relist, defaultRelist},
		{"self check", &o.SelfCheck, defaultSelfCheck},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.usual
		case *d.value < 10*time.Millisecond || *d.value > 24*time.Hour:
			return fmt.Errorf("registry/zookeeper: %s of %v is not between 10ms and 24h", d.name, *d.value)
		}
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.TLS != nil {
		o.Dial = o.TLS.dial(o.Dial)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return nil
}
