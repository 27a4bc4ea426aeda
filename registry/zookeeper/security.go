package zookeeper

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/go-zookeeper/zk"
)

// Access says who may do what with the nodes that we create.
type Access string

const (
	// AccessOpen lets everybody do everything, as Motan Java and motan-go do.
	AccessOpen Access = "open"
	// AccessRead lets everybody read, but only those with our user and password write. Consumers without these see the
	// providers, but cannot show themselves below "client" in folders that we made.
	AccessRead Access = "read"
	// AccessAuth lets only those with our user and password read or write.
	AccessAuth Access = "auth"
)

// maxSecretFile bounds a file with a certificate, a key or a password.
const maxSecretFile = 1 << 20

// secure checks what o says of security, and fills in what was left out.
func (o *Options) secure() error {
	switch {
	case o.Access == "" && o.Auth == "":
		o.Access = AccessOpen
	case o.Access == "":
		o.Access = AccessAuth
	case o.Access != AccessOpen && o.Access != AccessRead && o.Access != AccessAuth:
		return fmt.Errorf("registry/zookeeper: access %q: use %q, %q or %q", o.Access, AccessOpen, AccessRead, AccessAuth)
	case o.Access != AccessOpen && o.Auth == "":
		return fmt.Errorf("registry/zookeeper: access %q needs a user and password: set auth", o.Access)
	}
	if o.TLS == nil {
		return nil
	}
	_, err := o.TLS.config("")
	return err
}

// acl returns the rules of what we create.
func (o *Options) acl() []zk.ACL {
	switch o.Access {
	case AccessAuth:
		return zk.AuthACL(zk.PermAll)
	case AccessRead:
		return append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
	}
	return zk.WorldACL(zk.PermAll)
}

// TLS names the files for connections to the secure port of ZooKeeper 3.5 and later. They are PEM, and are read again for
// each connection, so that certificates can be renewed without a restart.
type TLS struct {
	CA         string // certificates of who signed the servers'; empty: those that the system trusts
	Cert, Key  string // our own certificate and its key, for servers that ask for one; both or none
	ServerName string // the name in the servers' certificates; empty: the host of the address

	// Seen is told the certificate that a server has shown on each connection; nil for nobody. It must not block.
	Seen func(server string, shown *x509.Certificate)
}

// config returns what a connection to host needs, or what is wrong with the files.
func (t *TLS) config(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.CA != "" {
		text, err := ReadSecret(t.CA)
		if err != nil {
			return nil, fmt.Errorf("registry/zookeeper: TLS: certificates of the servers' signers: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("registry/zookeeper: TLS: %s holds no certificate in PEM form", t.CA)
		}
	}
	if t.Cert == "" && t.Key == "" {
		return c, nil
	}
	if t.Cert == "" || t.Key == "" {
		return nil, errors.New("registry/zookeeper: TLS: our certificate and its key are two files: name both")
	}
	cert, err := ReadSecret(t.Cert)
	if err != nil {
		return nil, fmt.Errorf("registry/zookeeper: TLS: our certificate: %w", err)
	}
	key, err := ReadSecret(t.Key)
	if err != nil {
		return nil, fmt.Errorf("registry/zookeeper: TLS: the key of our certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("registry/zookeeper: TLS: our certificate %s with key %s: %w", t.Cert, t.Key, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// dial returns a dialer that speaks TLS over the connections that plain makes.
func (t *TLS) dial(plain dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config, err := t.config(host)
		if err != nil {
			return nil, err
		}
		tcp, err := plain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(tcp, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			tcp.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		if shown := conn.ConnectionState().PeerCertificates; t.Seen != nil && len(shown) > 0 {
			t.Seen(address, shown[0])
		}
		return conn, nil
	}
}

// ReadSecret returns what is in a file with a certificate, a key or a password. The error names the file, and never tells what
// is in it.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxSecretFile)
	}
	return text, nil
}
