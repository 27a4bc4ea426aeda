package agent

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/motand/motand/conf"
)

type listenAddr string

func (l listenAddr) Addr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", string(l)) // a literal of the test
	return a
}
func (listenAddr) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (listenAddr) Close() error              { return nil }

// Who may change something, and who may read what is not for strangers.
func TestAccess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none, token, inFile := conf.Agent{}, conf.Agent{ManagementToken: "s3cret"}, conf.Agent{ManagementTokenFile: file}
	trusting, absent := conf.Agent{ManagementToken: "s3cret", ManagementTrustLocal: true}, conf.Agent{ManagementTokenFile: file + ".none"}
	const here, everywhere, stranger = "127.0.0.1:8002", "0.0.0.0:8002", "10.9.8.7:1234"
	tests := []struct {
		name     string
		settings conf.Agent
		listen   string
		remote   string
		headers  string // name: value, with commas between
		change   int
		read     int
	}{
		{"on loopback", none, here, "127.0.0.1:5", "", 200, 200},
		{"on loopback, IPv6", none, "[::1]:8002", "[::1]:5", "", 200, 200},
		{"on loopback, from a page", none, here, "127.0.0.1:5", "Origin: http://evil.example", 403, 200},
		{"on loopback, from another site", none, here, "127.0.0.1:5", "Sec-Fetch-Site: cross-site", 403, 200},
		{"on loopback, under a name of somebody else's", none, here, "127.0.0.1:5", "Host: evil.example:8002", 403, 403},
		{"on loopback, as localhost", none, here, "127.0.0.1:5", "Host: localhost:8002", 200, 200},
		{"on loopback, without a name", none, here, "127.0.0.1:5", "Host: ", 200, 200},
		{"beyond, from this host, which is trusted, under a name of somebody else's", trusting, everywhere, "127.0.0.1:5", "Host: evil.example", 403, 403},
		{"beyond, the right one, under a name", token, everywhere, stranger, "Authorization: Bearer s3cret, Host: motand7.example.com", 200, 200},
		{"on loopback, over a connection from elsewhere that is left", token, here, stranger, "", 401, 401},
		{"beyond, no token configured", none, everywhere, stranger, "Authorization: Bearer ", 403, 403},
		{"beyond, none sent", token, everywhere, stranger, "", 401, 401},
		{"beyond, none sent, from this host", token, everywhere, "127.0.0.1:5", "", 401, 401},
		{"beyond, from this host, which is trusted", trusting, everywhere, "127.0.0.1:5", "", 200, 200},
		{"beyond, a stranger, this host is trusted", trusting, everywhere, stranger, "", 401, 401},
		{"beyond, a wrong one", token, everywhere, stranger, "Authorization: Bearer s3cre", 403, 403},
		{"beyond, another scheme", token, everywhere, stranger, "Authorization: Basic s3cret", 401, 401},
		{"beyond, the right one", token, everywhere, stranger, "Authorization: Bearer s3cret", 200, 200},
		{"beyond, the right one, from a page", token, everywhere, stranger, "Authorization: Bearer s3cret, Origin: http://evil.example", 403, 200},
		{"beyond, of a file", inFile, everywhere, stranger, "Authorization: Bearer s3cret", 200, 200},
		{"beyond, the file is absent", absent, everywhere, stranger, "Authorization: Bearer s3cret", 403, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccess(&tt.settings, []net.Listener{listenAddr(tt.listen)}, nil, slog.New(slog.DiscardHandler))
			called := 0
			h := func(w http.ResponseWriter, _ *http.Request) { called++; text(w, http.StatusOK, "done") }
			for i, guarded := range []http.HandlerFunc{a.change(h), a.private(h)} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8002/200", nil)
				r.RemoteAddr = tt.remote
				for header := range strings.SplitSeq(tt.headers, ", ") {
					if name, value, ok := strings.Cut(header, ": "); ok {
						r.Header.Set(name, value)
					}
					if host, ok := strings.CutPrefix(header, "Host: "); ok {
						r.Host = host
					}
				}
				called = 0
				w := httptest.NewRecorder()
				guarded(w, r)
				want := []int{tt.change, tt.read}[i]
				if w.Code != want || (called == 1) != (want == 200) {
					t.Errorf("%s: got %d, called %d times; want %d", []string{"change", "private"}[i], w.Code, called, want)
				}
				if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
					t.Errorf("got WWW-Authenticate %q with %d", w.Header().Get("WWW-Authenticate"), w.Code)
				}
			}
		})
	}
}

// Each change is written down with who and what; of refusals one a second, with the number of the others. No token is.
func TestAudit(t *testing.T) {
	var out bytes.Buffer
	a := newAccess(&conf.Agent{ManagementToken: "s3cret"}, []net.Listener{listenAddr("0.0.0.0:1")}, slog.New(slog.NewJSONHandler(&out, nil)), slog.New(slog.DiscardHandler))
	h := a.change(func(w http.ResponseWriter, r *http.Request) {
		if err := iotest.TestReader(r.Body, []byte(strings.Repeat("x", 3000))); err != nil {
			t.Errorf("body: %v", err)
		}
		text(w, http.StatusUnprocessableEntity, "no")
	})
	send := func(token string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/api/v1/filters?a=b", strings.NewReader(strings.Repeat("x", 3000)))
		r.Header.Set("Authorization", "Bearer "+token)
		h(httptest.NewRecorder(), r)
	}
	send("s3cret")
	var line struct {
		Status                            int
		Method, Path, Query, Body, Remote string
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Status != 422 || line.Method != "PUT" || line.Path != "/api/v1/filters" || line.Query != "a=b" || len(line.Body) != auditedBytes || line.Remote == "" {
		t.Errorf("got %+v", line)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("the token is in the log: %s", out.String())
	}
	out.Reset()
	for range 1000 {
		send("wrong")
	}
	if n := strings.Count(out.String(), "\n"); n == 0 || n > 100 {
		t.Errorf("1,000 refusals: got %d lines, want one a second", n)
	}
	if n := a.refused.Load(); n != 1000 {
		t.Errorf("got %d refusals counted, want 1000", n)
	}
}

// A management port that others reach: what is open stays open, changes and profiles need the token, which is shown to nobody.
func TestManagementBeyondLoopback(t *testing.T) {
	x := withRecorder(new(recorder))
	a := start(t, parse(t, x, "managementHost: 0.0.0.0\n  managementToken: s3cret\n", recorderYAML+servicesYAML), x)
	for path, want := range map[string]int{
		"/version": 200, "/metrics": 200, "/healthz": 200, "/getReferService": 200, "/switcher/getAll": 200,
		"/getConfig": 401, "/debug/pprof/": 401, "/debug/pprof/cmdline": 401,
		"/200": 401, "/503": 401, "/switcher/set?name=a&value=true": 401, "/reload/clusters": 401, "/registry/register": 401, "/logConfig/set?level=debug": 401,
	} {
		if w := ask(t, a.Agent, http.MethodGet, path, ""); w.Code != want {
			t.Errorf("%s without a token: got %d, want %d", path, w.Code, want)
		}
	}
	w := ask(t, a.Agent, http.MethodGet, "/getConfig", "", "Authorization", "Bearer s3cret")
	if w.Code != 200 || strings.Contains(w.Body.String(), "s3cret") || !strings.Contains(w.Body.String(), "managementToken: ***") {
		t.Errorf("/getConfig: got %d %s", w.Code, w.Body)
	}
}
