package agent

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge/fastcgi/fpmtest"
	"github.com/motand/motand/motan/motantest"
)

// Each kind of check against what it looks for, what is something else, and nothing.
func TestProbes(t *testing.T) {
	provider := motantest.NewServer(t, motantest.Reply(nil))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/nowhere", http.StatusFound)
		case r.URL.Path == "/host" && r.Host == "shop.example.com", r.URL.Path == "/up":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(web.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	gone := "127.0.0.1:" + strconv.Itoa(freePort(t))
	addr := web.Listener.Addr().String()
	tests := []struct {
		name, kind, address, path string
		https                     bool
		want                      string // within the error; "" for none
	}{
		{"tcp", "tcp", provider.Addr(), "", false, ""},
		{"tcp, unix socket", "tcp", "unix://" + socket, "", false, ""},
		{"tcp, nobody", "tcp", gone, "", false, "refused"},
		{"tcp, no socket", "tcp", "unix://" + socket + "x", "", false, "no such file"},
		{"motan", "motan", provider.Addr(), "", false, ""},
		{"motan, nobody", "motan", gone, "", false, "refused"},
		{"motan, a web server", "motan", addr, "", false, "timeout"},
		{"motan, silence", "motan", silent.Addr().String(), "", false, "timeout"},
		{"http", "http", addr, "/up", false, ""},
		{"http, host is the domain", "http", addr, "/host", false, ""},
		{"http, redirected", "http", addr, "/moved", false, ""},
		{"fastcgi, nobody", "fastcgi", gone, "/", false, "refused"},
		{"fastcgi, silence", "fastcgi", silent.Addr().String(), "/", false, "timeout"},
		{"http, failing", "http", addr, "/", false, "status 500"},
		{"http, nobody", "http", gone, "/", false, "refused"},
		{"http, silence", "http", silent.Addr().String(), "/", false, "deadline"},
		{"https", "http", secure.Listener.Addr().String(), "/", true, "status 404"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &conf.Service{HTTP: conf.HTTP{ProxySchema: "http", Domain: "shop.example.com"}, Health: conf.HealthCheck{
				Kind: tt.kind, Address: tt.address, Path: tt.path, FirstStatus: 200, LastStatus: 399, Timeout: time.Second,
			}}
			if tt.https {
				s.HTTP.ProxySchema = "https"
			}
			p, err := Default().Probes[tt.kind](s)
			if err != nil {
				t.Fatal(err)
			}
			patience := 5 * time.Second
			if tt.want == "timeout" || tt.want == "deadline" {
				patience = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err = p.Probe(ctx)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// The check of PHP-FPM, with its ping.path and without.
func TestFastCGIProbe(t *testing.T) {
	fpm := fpmtest.Start(t, fpmtest.Options{})
	for path, want := range map[string]string{"/": "", fpmtest.PingPath: "", "/other": "status 404"} {
		p, err := Default().Probes["fastcgi"](&conf.Service{Health: conf.HealthCheck{Address: "unix://" + fpm.Address, Path: path}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err = p.Probe(ctx)
		cancel()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// A check that nobody knows is told with its place and what there is.
func TestUnknownProbe(t *testing.T) {
	x := Default()
	c := parse(t, x, "", recorderless+"motan-service:\n  s: {path: p, group: g, provider: demo, healthCheck: tcp, healthCheck.address: 'h:1'}\n")
	delete(x.Probes, "tcp")
	_, err := newCompiler(t, x).compile(c, nil)
	if err == nil || !strings.Contains(err.Error(), `healthCheck "tcp" is not known; there are fastcgi, http, motan`) || !strings.HasPrefix(err.Error(), "motan.yaml:") {
		t.Errorf("got %v, want the place and what there is", err)
	}
}

const recorderless = "motan-registry:\n  inside: {protocol: local}\n"
