package etcd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/motand/motand/registry"
)

const (
	defaultPort           = "2379"
	defaultSessionTimeout = 20 * time.Second
	defaultConnectTimeout = 3 * time.Second
	defaultCallTimeout    = 5 * time.Second
	defaultRelist         = time.Minute
	defaultSelfCheck      = 30 * time.Second
	maxServers            = 64
)

// Options says which etcd a Registry uses, and how. Only Address must be given.
type Options struct {
	// Address names the servers: "h1:2379,h2:2379,h3". A port may be left out (2379). Names are resolved by the client library,
	// again after each lost connection.
	Address string
	// Prefix is what all keys begin with, such as "/dc1"; empty for none.
	Prefix string

	// SessionTimeout is how long after a crash of ours etcd keeps what we announced, in whole seconds; 0 means 20 s. The
	// servers raise it to one and a half of their election timeout.
	SessionTimeout time.Duration
	// ConnectTimeout bounds connecting and saying who we are; 0 means 3 s.
	ConnectTimeout time.Duration
	// CallTimeout bounds one request; 0 means 5 s. A sign of life is given up after a third of SessionTimeout already.
	CallTimeout time.Duration

	// Auth is "user:password"; empty for none. The user needs a role that may read and, to announce, write below Prefix + "/motan/".
	Auth string
	// TLS is nil for connections in the clear.
	TLS *TLS
	// Form is how the text of our nodes is stored; "" means registry.TextPlain. All forms are read.
	Form registry.TextForm

	// Relist is how often lists are compared with etcd without being told of a change; 0 means 60 s. It costs one request, whose
	// answer is small. Each time differs by up to a tenth.
	Relist time.Duration
	// SelfCheck is the longest time until we see that somebody deleted or changed what we announced; 0 means 30 s.
	SelfCheck time.Duration

	Log *slog.Logger // nil means slog.Default()

	servers        []string // host:port, from Address
	user, password string   // from Auth
}

// complete checks o and fills in what was left out.
func (o *Options) complete() error {
	if o.Form == "" {
		o.Form = registry.TextPlain
	}
	if err := o.Form.Check(); err != nil {
		return err
	}
	if o.Auth != "" {
		var ok bool
		if o.user, o.password, ok = strings.Cut(o.Auth, ":"); !ok || o.user == "" || o.password == "" {
			return errors.New("registry/etcd: auth is not user:password")
		}
	}
	if o.Prefix = strings.TrimRight(o.Prefix, "/"); o.Prefix != "" {
		first, rest, _ := strings.Cut(o.Prefix, "/")
		if first != "" {
			return fmt.Errorf("registry/etcd: prefix %q does not begin with a slash", o.Prefix)
		}
		for step := range strings.SplitSeq(rest, "/") {
			if err := checkStep(step); err != nil {
				return fmt.Errorf("registry/etcd: prefix %q: %w", o.Prefix, err)
			}
		}
	}
	if o.TLS != nil {
		if _, err := o.TLS.config(); err != nil {
			return err
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := o.readAddress(); err != nil {
		return err
	}
	return o.readTimes()
}

// readAddress fills in servers.
func (o *Options) readAddress() error {
	for server := range strings.SplitSeq(o.Address, ",") {
		if server = strings.TrimSpace(server); server == "" {
			continue
		}
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			host, port = strings.Trim(server, "[]"), defaultPort
		}
		if strings.ContainsRune(server, '/') {
			return fmt.Errorf("registry/etcd: address %q: write host:port, without http:// and without a path", o.Address)
		}
		if _, _, err := registry.ParseAddr(net.JoinHostPort(host, port)); err != nil {
			return fmt.Errorf("registry/etcd: address %q: %w", o.Address, err)
		}
		o.servers = append(o.servers, net.JoinHostPort(host, port))
	}
	switch {
	case len(o.servers) == 0:
		return errors.New("registry/etcd: no server: give an address like \"etcd1:2379,etcd2:2379,etcd3:2379\"")
	case len(o.servers) > maxServers:
		return fmt.Errorf("registry/etcd: %d servers are more than the %d allowed", len(o.servers), maxServers)
	}
	return nil
}

// readTimes checks the times of o.
func (o *Options) readTimes() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
		least time.Duration
	}{
		{"session timeout", &o.SessionTimeout, defaultSessionTimeout, time.Second},
		{"connect timeout", &o.ConnectTimeout, defaultConnectTimeout, 10 * time.Millisecond},
		{"call timeout", &o.CallTimeout, defaultCallTimeout, 10 * time.Millisecond},
		{"relist", &o.Relist, defaultRelist, 10 * time.Millisecond},
		{"self check", &o.SelfCheck, defaultSelfCheck, 10 * time.Millisecond},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.usual
		case *d.value < d.least || *d.value > 24*time.Hour:
			return fmt.Errorf("registry/etcd: %s of %v is not between %v and 24h", d.name, *d.value, d.least)
		}
	}
	return nil
}
