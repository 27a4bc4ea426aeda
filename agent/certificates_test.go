package agent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan/motantest"
)

// newCertificates writes one certificate for each end, with the key that all share, into a PEM file.
func newCertificates(t *testing.T, path string, ends ...time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, end := range ends {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "c"}, NotBefore: end.Add(-time.Hour), NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateEnd(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	soon, late := now.Add(time.Hour), now.Add(1000*time.Hour)
	dir := t.TempDir()
	both, none := filepath.Join(dir, "both"), filepath.Join(dir, "none")
	newCertificates(t, both, late, soon)
	newCertificates(t, none)
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, kind, file string
		want             time.Time
		fails            string
	}{
		{"a chain ends with the first of it", certificateOwn, both, soon, ""},
		{"a signer may have a newer one", certificateSigner, both, late, ""},
		{"a key only", certificateOwn, none, time.Time{}, "holds no certificate"},
		{"no certificate in the block", certificateOwn, broken, time.Time{}, "broken: x509"},
		{"no file", certificateOwn, filepath.Join(dir, "x"), time.Time{}, "no such file"},
		{"a folder", certificateOwn, dir, time.Time{}, "directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := certificateEnd(certificateKey{Kind: tt.kind, Name: tt.file})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, want an error with %q", err, tt.fails)
				}
				return
			}
			if err != nil || !got.Equal(tt.want) {
				t.Errorf("got %v (%v), want %v", got, err, tt.want)
			}
		})
	}
}

// A certificate is told of once a day while its end is near, and again when a renewed one comes to that.
func TestCertificatesTell(t *testing.T) {
	var out bytes.Buffer
	x := &certificates{log: slog.New(slog.NewTextHandler(&out, nil))}
	now := time.Now()
	lines := func(want ...string) {
		t.Helper()
		got := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
		out.Reset()
		if len(got) != len(want) {
			t.Fatalf("got %q, want %d lines", got, len(want))
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("got %q, want %q in it", got[i], want[i])
			}
		}
	}
	see := x.seen("motan-registry.zk")
	see("zk1:2281", &x509.Certificate{NotAfter: now.Add(30 * 24 * time.Hour)})
	x.tell(now)
	lines()
	now = now.Add(10 * 24 * time.Hour)
	x.tell(now)
	lines("expires soon")
	x.tell(now.Add(time.Hour))
	lines()
	now = now.Add(21 * 24 * time.Hour)
	x.tell(now)
	lines("has expired")
	see("zk1:2281", &x509.Certificate{NotAfter: now.Add(90 * 24 * time.Hour)})
	x.tell(now)
	lines()
	see("zk1:2281", &x509.Certificate{NotAfter: now.Add(time.Hour)})
	x.tell(now)
	lines("days=0")
}

// What servers show is bounded, and forgotten with their entry.
func TestCertificatesShown(t *testing.T) {
	x := new(certificates)
	see := x.seen("motan-service.web")
	for i := range maxShown + 10 {
		see(fmt.Sprint(i), &x509.Certificate{NotAfter: time.Now()})
	}
	if n := len(x.list()); n != maxShown {
		t.Errorf("got %d, want %d", n, maxShown)
	}
	x.read(parse(t, Default(), "", directYAML))
	if n := len(x.list()); n != 0 {
		t.Errorf("got %d after the entry has gone, want none", n)
	}
}

// The file that a service names and the certificate that its web server shows are in the metrics and in the status, and follow a reload.
func TestCertificatesInUse(t *testing.T) {
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	own := filepath.Join(t.TempDir(), "own.pem")
	newCertificates(t, own, time.Now().Add(5*24*time.Hour))
	const service = "motan-service:\n  web: {path: web, group: g, provider: http, registry: inside, export: 'motan2:PORT0', available: auto, proxySchema: https, proxyVerify: false, " +
		"enableRewrite: false, domain: d, proxyAddress: '%s', proxyCert: %q, proxyKey: %[2]q}\n"
	text := recorderYAML + "motan-refer:\n  web: {path: web, group: g, registry: inside}\n" + fmt.Sprintf(service, web.Listener.Addr(), own)
	r := newReloader(t, withRecorder(new(recorder)), text)
	motantest.Await(t, "a call that reaches the web server", func() bool {
		call := frame("/x", "")
		call.Set("M_p", "web")
		r.dial().Call(call)
		return len(r.expiries.list()) == 2
	})
	metrics := ask(t, r.Agent, http.MethodGet, "/metrics", "").Body.String()
	for _, want := range []string{
		fmt.Sprintf(`motand_certificate_expiry_timestamp_seconds{entry="motan-service.web",kind="own",name=%q} `, own),
		fmt.Sprintf(`motand_certificate_expiry_timestamp_seconds{entry="motan-service.web",kind="server",name="%s"} %g`, web.Listener.Addr(), float64(web.Certificate().NotAfter.Unix())),
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("want %s in\n%s", want, metrics)
		}
	}
	v := asked[statusView](t, r.Agent, "/api/v1/status")
	var shown bytes.Buffer
	v.print(&shown)
	if len(v.Certificates) != 2 || !strings.Contains(shown.String(), "in 4 days") || strings.Contains(shown.String(), web.Listener.Addr().String()) {
		t.Errorf("got %+v and\n%s\nwant both, and only the one that ends soon in the table", v.Certificates, &shown)
	}
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	r.expiries.read(r.snapshot.Load().config)
	if all := r.expiries.list(); len(all) != 2 || all[0].Error == "" || !strings.Contains(all[0].state(time.Now()), "CANNOT BE READ") {
		t.Errorf("after its file has gone: got %+v", all)
	}
	if err := r.Reload(r.parse(t, recorderYAML)); err != nil {
		t.Fatal(err)
	}
	if all := r.expiries.list(); len(all) != 0 {
		t.Errorf("after the service has gone: got %+v", all)
	}
}
