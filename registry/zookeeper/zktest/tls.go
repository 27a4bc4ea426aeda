package zktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nettyJars are what the manifest of Debian's jar leaves out; without them the secure port opens and answers nobody.
var nettyJars = []string{
	"/usr/share/java/netty-all.jar", "/usr/share/java/netty-resolver.jar", "/usr/share/java/netty-codec.jar",
}

// Secure is where and how the secure port of a Server is reached.
type Secure struct {
	Addr      string // "127.0.0.1:port"; the server's certificate is for 127.0.0.1
	CA        string // PEM file with the certificate of who signed all others
	Cert, Key string // PEM files of a client's certificate, without which the server lets nobody in
}

// StartTLS starts a server that has a secure port beside the usual one. It is stopped at the end of the test, which is skipped
// where Start would skip it.
func StartTLS(tb testing.TB) (*Server, Secure) {
	tb.Helper()
	s := prepare(tb)
	s.jar = strings.Join(append([]string{s.jar}, nettyJars...), ":")
	folder := filepath.Join(s.dir, "tls")
	if err := os.Mkdir(folder, 0o700); err != nil {
		tb.Fatalf("zktest: make certificates: %v", err)
	}
	a := newAuthority(tb, folder)
	serverCert, serverKey := a.issue("server")
	secure := Secure{Addr: fmt.Sprintf("127.0.0.1:%d", freePorts(tb, 1)[0]), CA: a.file}
	secure.Cert, secure.Key = a.issue("client")
	both := filepath.Join(folder, "both.pem")
	var text []byte
	for _, path := range []string{serverKey, serverCert} {
		part, err := os.ReadFile(path)
		if err != nil {
			tb.Fatalf("zktest: make certificates: %v", err)
		}
		text = append(text, part...)
	}
	if err := os.WriteFile(both, text, 0o600); err != nil {
		tb.Fatalf("zktest: make certificates: %v", err)
	}
	_, port, _ := net.SplitHostPort(secure.Addr)
	s.add("secureClientPortAddress=127.0.0.1\nsecureClientPort=%s\n"+
		"serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\nssl.clientAuth=need\n"+
		"ssl.keyStore.location=%s\nssl.keyStore.type=PEM\nssl.trustStore.location=%s\nssl.trustStore.type=PEM\n"+
		"ssl.hostnameVerification=false\n", port, both, a.file)
	s.Restart()
	secure.await(tb)
	return s, secure
}

// await returns when the secure port lets the client in.
func (x Secure) await(tb testing.TB) {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(x.Cert, x.Key)
	if err != nil {
		tb.Fatalf("zktest: %v", err)
	}
	//nolint:gosec // whose certificate it is does not matter here
	config := &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", x.Addr, config)
		if err == nil {
			_ = conn.Close() // it was only tried
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("zktest: the secure port does not answer after %v: %v", startTimeout, err)
		}
		<-tick.C
	}
}

// authority signs certificates.
type authority struct {
	tb     testing.TB
	folder string
	file   string // its own certificate
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	issued int64
}

func newAuthority(tb testing.TB, folder string) *authority {
	tb.Helper()
	a := &authority{tb: tb, folder: folder}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.issued = 1
	a.file, _, a.key = a.sign("ca", a.cert)
	return a
}

// issue returns the files of a new certificate for 127.0.0.1 and of its key.
func (a *authority) issue(name string) (cert, key string) {
	a.tb.Helper()
	a.issued++
	cert, key, _ = a.sign(name, &x509.Certificate{
		SerialNumber: big.NewInt(a.issued), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return cert, key
}

// sign writes a new key and a certificate for it; the authority's own certificate it signs with that key.
func (a *authority) sign(name string, template *x509.Certificate) (certFile, keyFile string, key *ecdsa.PrivateKey) {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatalf("zktest: make a key: %v", err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, signer)
	if err != nil {
		a.tb.Fatalf("zktest: make a certificate: %v", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatalf("zktest: make a key: %v", err)
	}
	certFile, keyFile = filepath.Join(a.folder, name+".pem"), filepath.Join(a.folder, name+".key")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			a.tb.Fatalf("zktest: make certificates: %v", err)
		}
	}
	return certFile, keyFile, key
}
