package httpbridge

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// newSecureWeb is a web service over TLS that tells the address and the certificate of who asks. ca is the file of its own
// certificate, which is for example.com; cert and key are one that it takes from clients.
func newSecureWeb(t *testing.T) (w *httptest.Server, ca, cert, key string) {
	t.Helper()
	w = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(out, r.RemoteAddr+" "+r.TLS.ServerName+" "+map[bool]string{true: "known", false: "unknown"}[len(r.TLS.PeerCertificates) > 0])
	}))
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	w.StartTLS()
	t.Cleanup(w.Close)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private, err := x509.MarshalPKCS8PrivateKey(w.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	ca = write("ca.pem", "CERTIFICATE", w.Certificate().Raw)
	return w, ca, ca, write("key.pem", "PRIVATE KEY", private)
}

// TestProviderTLS checks whom https trusts, whose certificate it wants, and that kept connections are used again.
func TestProviderTLS(t *testing.T) {
	w, ca, cert, key := newSecureWeb(t)
	tests := []struct {
		name, domain string
		s            TLSSettings
		want         string // end of the answer, or part of the error
		fails        bool
	}{
		{"nobody is trusted", "example.com", TLSSettings{}, "certificate", true},
		{"another name", "d", TLSSettings{CA: ca}, "not d", true},
		{"the domain's", "example.com", TLSSettings{CA: ca}, " example.com unknown", false},
		{"the name that is set", "d", TLSSettings{CA: ca, ServerName: "example.com"}, " example.com unknown", false},
		{"the address's", "", TLSSettings{CA: ca}, "  unknown", false},
		{"with a certificate of ours", "example.com", TLSSettings{CA: ca, Cert: cert, Key: key}, " example.com known", false},
		{"whoever it is", "d", TLSSettings{Insecure: true}, " d unknown", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, ProviderSettings{Domain: tt.domain, ProxyAddress: w.Listener.Addr().String(), ProxySchema: "https", TLS: tt.s})
			first := ""
			for range 3 {
				c := newCall(t, nil, "M_m", "/", "http_Host", "h")
				motan.Do(p, c)
				if tt.fails {
					checkFailed(t, c, motan.KindUnavailable, 503, tt.want)
					return
				}
				if c.Err != nil {
					t.Fatal(c.Err)
				}
				got := string(c.Reply.Body())
				if !strings.HasSuffix(got, tt.want) || first != "" && got != first {
					t.Errorf("got %q, want %q on the connection of %q", got, tt.want, first)
				}
				first = got
			}
		})
	}
}

func TestTLSSettingsErrors(t *testing.T) {
	_, ca, cert, _ := newSecureWeb(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		s    TLSSettings
		want string
	}{
		{"no file", TLSSettings{CA: empty + "x"}, "proxyCA: "},
		{"no certificate", TLSSettings{CA: empty}, "no certificate in PEM"},
		{"no key", TLSSettings{CA: ca, Cert: cert}, "belong together"},
		{"a key that is none", TLSSettings{CA: ca, Cert: cert, Key: empty}, "proxyCert and proxyKey: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, s := range []ProviderSettings{{ProxyAddress: "h:1", ProxySchema: "https", TLS: tt.s}, {URLFormat: "https://h/%s", TLS: tt.s}} {
				if p, err := NewProvider(s); p != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, %v, want an error with %q", p, err, tt.want)
				}
			}
		})
	}
}
