package etcd

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS names PEM files. Cert and Key are read again for each connection, so that certificates are renewed without a restart.
type TLS struct {
	CA         string // certificates of who signed the servers'; empty: those that the system trusts
	Cert, Key  string // our certificate and its key, for servers that ask for one; both or none
	ServerName string // the name in the servers' certificates; empty: the host of the address

	// Seen is told the certificate that a server has shown on each connection; nil for nobody. It must not block.
	Seen func(server string, shown *x509.Certificate)
}

// config returns what the client library needs, or what is wrong with the files.
func (t *TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("registry/etcd: TLS: certificates of the servers' signers: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("registry/etcd: TLS: %s holds no certificate in PEM form", t.CA)
		}
	}
	// The library puts the host of the address into ServerName, whatever is there.
	c.InsecureSkipVerify = t.ServerName != ""
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if t.ServerName != "" {
			if err := verify(s, c.RootCAs, t.ServerName); err != nil {
				return err
			}
		}
		t.tell(s)
		return nil
	}
	switch {
	case t.Cert == "" && t.Key == "":
		return c, nil
	case t.Cert == "" || t.Key == "":
		return nil, errors.New("registry/etcd: TLS: our certificate and its key are two files: name both")
	}
	if _, err := t.pair(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.pair() }
	return c, nil
}

// tell says whose certificate a server has shown. Its address is not known here: its name is that which was asked for, or
// the one of the certificate where an IP address was.
func (t *TLS) tell(s tls.ConnectionState) {
	if t.Seen == nil || len(s.PeerCertificates) == 0 {
		return
	}
	shown := s.PeerCertificates[0]
	t.Seen(cmp.Or(s.ServerName, shown.Subject.CommonName, shown.Subject.String()), shown)
}

func (t *TLS) pair() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("registry/etcd: TLS: our certificate %s with key %s: %w", t.Cert, t.Key, err)
	}
	return &pair, nil
}

// verify checks the certificates of a server as the standard library does, against a name of our choice.
func verify(s tls.ConnectionState, roots *x509.CertPool, name string) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("registry/etcd: TLS: the server has no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(o); err != nil {
		return fmt.Errorf("registry/etcd: TLS: certificate of the server: %w", err)
	}
	return nil
}
