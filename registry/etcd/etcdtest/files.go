package etcdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Files are PEM files for TLS in the test's folder.
type Files struct {
	CA   string // who signed Cert, and nobody else's
	Cert string // of 127.0.0.1, for servers and clients
	Key  string // of Cert

	pool *x509.CertPool
	pair tls.Certificate
}

// newFiles makes an authority and a certificate of its.
func newFiles(tb testing.TB) *Files {
	tb.Helper()
	dir := tb.TempDir()
	f := &Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("etcdtest: make certificates: %v", err)
		}
	}
	write := func(path, kind string, der []byte) []byte {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		check(os.WriteFile(path, text, 0o600))
		return text
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	check(err)
	f.pool = x509.NewCertPool()
	f.pool.AppendCertsFromPEM(write(f.CA, "CERTIFICATE", der))

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	check(err)
	cert := write(f.Cert, "CERTIFICATE", der)
	der, err = x509.MarshalECPrivateKey(key)
	check(err)
	f.pair, err = tls.X509KeyPair(cert, write(f.Key, "EC PRIVATE KEY", der))
	check(err)
	return f
}
