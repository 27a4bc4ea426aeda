package httpbridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// webConn is a connection to a web service, plain or over TLS: the head of each answer is checked before it is parsed.
type webConn struct {
	net.Conn // a *keptConn, or TLS over one
	head     answerHead
	begun    bool  // something of the answer has been read
	fault    error // an *answerFault: nothing more is read
}

// Read reads from the connection. Its error is an *answerFault where the head of the answer is refused. The first byte passes in
// any case: where there is none, fasthttp takes every error for the end of the connection.
func (c *webConn) Read(b []byte) (int, error) {
	if c.fault != nil {
		return 0, c.fault
	}
	n, err := c.Conn.Read(b)
	if c.fault = c.head.read(b[:n]); c.fault == nil {
		c.begun = c.begun || n > 0
		return n, err
	}
	if c.begun {
		return 0, c.fault
	}
	c.begun = true
	return 1, nil
}

// Write writes a request, or a part of one: what is read next is the answer.
func (c *webConn) Write(b []byte) (int, error) {
	c.head.begin()
	c.begun = false
	return c.Conn.Write(b)
}

// secureConn is a webConn over TLS. It tells fasthttp by its method that there is no need for another TLS around it.
type secureConn struct{ webConn }

// Handshake does nothing: it was made when the connection was.
func (*secureConn) Handshake() error { return nil }

// TLSSettings are how web services are reached by https. The files are read for each connection, so that they can be
// renewed. The zero value trusts whom the system trusts, and shows no certificate.
type TLSSettings struct {
	CA         string // PEM file with the certificates of who signed the web service's; empty means those of the system
	Cert, Key  string // PEM files of our certificate, both or neither
	ServerName string // whose certificate it must be; empty means the domain, else the host of the address
	Insecure   bool   // any certificate will do

	// Seen is told the certificate that a web service has shown on each connection; nil for nobody. It must not block.
	Seen func(address string, shown *x509.Certificate)
}

// config is what a connection to the host name is made with.
func (s *TLSSettings) config(name string) (*tls.Config, error) {
	c := &tls.Config{ServerName: name, InsecureSkipVerify: s.Insecure, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if s.ServerName != "" {
		c.ServerName = s.ServerName
	}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("proxyCA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("proxyCA: %s has no certificate in PEM", s.CA)
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, errors.New("proxyCert and proxyKey belong together, one of them is missing")
	}
	if s.Cert != "" {
		own, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("proxyCert and proxyKey: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

// secure shakes hands over conn, and closes it where that fails. shown is the certificate of the other side.
func secure(conn *keptConn, config *tls.Config, timeout time.Duration) (made net.Conn, shown *x509.Certificate, err error) {
	c := tls.Client(conn, config)
	err = c.SetDeadline(time.Now().Add(timeout))
	if err == nil {
		err = c.Handshake()
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return &secureConn{webConn{Conn: c}}, c.ConnectionState().PeerCertificates[0], nil
}
