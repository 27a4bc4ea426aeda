package agent

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// managed is an agent that was made and announces, but does not serve.
func managed(t *testing.T, r *recorder) *Agent {
	t.Helper()
	x := withRecorder(r)
	c := parse(t, x, "", recorderYAML+"motan-refer:\n  r: {path: svc, group: g, registry: outside, version: \"2.0\"}\n  q: {path: other, group: h, registry: outside}\n"+
		"motan-service:\n  s: {path: plain, group: g, provider: demo, registry: outside}\n")
	for _, s := range c.Services {
		s.Export.Port = freePort(t)
	}
	a, err := New(c, x)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		leave(context.Background(), a.snapshot.Load().registries, a.log) //nolint:usetesting // the test's context has ended; nobody writes to the folder after this
		a.free()
	})
	if err := a.announcer.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// ask makes a request of the management port; headers are name, value, name, value.
func ask(t *testing.T, a *Agent, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Host = "127.0.0.1:8002"
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	r.RemoteAddr = "127.0.0.1:4711"
	w := httptest.NewRecorder()
	a.management.server.Handler.ServeHTTP(w, r)
	return w
}

// The availability as motan-go's URLs have it (agent inventory, section 6).
func TestAvailability(t *testing.T) {
	r := new(recorder)
	a := managed(t, r)
	steps := []struct {
		path   string
		status int
		body   string
		listed bool // the service is available after it
	}{
		{"/", 503, "Service Unavailable", false},
		{"/200", 200, "ok.", true},
		{"/", 200, "OK", true},
		{"/anything", 200, "OK", true},
		{"/503", 200, "ok.", false},
		{"/", 503, "Service Unavailable", false},
		{"/200", 200, "ok.", true},
	}
	for _, s := range steps {
		w := ask(t, a, http.MethodGet, s.path, "")
		if w.Code != s.status || w.Body.String() != s.body {
			t.Errorf("%s: got %d %q, want %d %q", s.path, w.Code, w.Body, s.status, s.body)
		}
		if nodes := r.Announced(); len(nodes) != 1 || nodes[0].Available != s.listed {
			t.Errorf("%s: got %v, want available %t", s.path, nodes, s.listed)
		}
	}
	a.stopping.Store(true)
	if w := ask(t, a, http.MethodGet, "/", ""); w.Code != 503 {
		t.Errorf("while stopping: got %d, want 503", w.Code)
	}
	a.announcer.withdraw(t.Context())
	if w := ask(t, a, http.MethodGet, "/200", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "shutting down") {
		t.Errorf("/200 while stopping: got %d %q, want 500", w.Code, w.Body)
	}
}

// A browser that another site has led here changes nothing; tools and people do.
func TestCrossSiteIsRefused(t *testing.T) {
	put := `{"service":"s","address":"127.0.0.1:1"}`
	tests := []struct {
		name    string
		headers []string
		refused bool
	}{
		{"a tool", nil, false},
		{"a person", []string{"Sec-Fetch-Site", "none"}, false},
		{"our own page", []string{"Sec-Fetch-Site", "same-origin", "Host", "localhost:8002"}, false},
		{"our own page by address", []string{"Sec-Fetch-Site", "same-origin", "Host", "[::1]:8002"}, false},
		{"a page whose name means this host", []string{"Sec-Fetch-Site", "same-origin", "Host", "evil.example:8002"}, true},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"another host of the site", []string{"Sec-Fetch-Site", "same-site"}, true},
		{"an origin", []string{"Origin", "http://evil.example"}, true},
		{"no origin", []string{"Origin", "null"}, true},
		{"a site that lies about being none", []string{"Sec-Fetch-Site", "none", "Origin", "http://evil.example"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := managed(t, new(recorder))
			for _, target := range []string{"GET /200", "POST /200", "GET /503", "PUT /api/v1/local/nodes", "DELETE /api/v1/local/nodes"} {
				method, path, _ := strings.Cut(target, " ")
				w := ask(t, a, method, path, put, tt.headers...)
				if refused := w.Code == http.StatusForbidden; refused != tt.refused {
					t.Errorf("%s: got %d %q, want refused %t", target, w.Code, w.Body, tt.refused)
				}
			}
			if tt.refused && a.announcer.ready() {
				t.Error("the services were made available")
			}
			if w := ask(t, a, http.MethodGet, "/healthz", "", tt.headers...); w.Code != http.StatusOK {
				t.Errorf("reading: got %d, want 200", w.Code)
			}
		})
	}
}

func TestReading(t *testing.T) {
	a := managed(t, new(recorder))
	tests := []struct {
		path   string
		status int
		want   string // within the body
	}{
		{"/version", 200, Version},
		{"/healthz", 200, "ok\n"},
		{"/getConfig", 200, "application: test-agent"},
		{"/getReferService", 200, `{"code":200,"body":{"service":[{"name":"g_2.0_motan2_svc","status":true},{"name":"h_1.0_motan2_other","status":true}]}}`},
		{"/metrics", 200, `motand_connections{listener="motan"} 0`},
		{"/metrics", 200, `motand_registry_up{registry="outside"} 1`},
		{"/metrics", 200, `motand_registry_commands{registry="outside"} 1`},
		{"/metrics", 200, `motand_registry_events_total{event="repairs",registry="outside"} 3`},
		{"/debug/pprof/", 200, "goroutine"},
		{"/api/v1/local/nodes", 200, "[]\n"},
		{"/api/v1/nothing", 404, "error"},
	}
	for _, tt := range tests {
		w := ask(t, a, http.MethodGet, tt.path, "")
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: got %d %q, want %d and %q", tt.path, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

// Ready is who knows something about the nodes of every refer.
func TestReady(t *testing.T) {
	r := new(recorder)
	a := managed(t, r)
	if err := a.snapshot.Load().start(t.Context()); err != nil {
		t.Fatal(err)
	}
	motantest.Await(t, "both lists", func() bool { return a.snapshot.Load().pending() == 0 })
	if w := ask(t, a, http.MethodGet, "/readyz", ""); w.Code != 200 {
		t.Errorf("lists are known: got %d %q, want 200", w.Code, w.Body)
	}
	a.snapshot.Load().all[1].heard.Store(false)
	if w := ask(t, a, http.MethodGet, "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "waiting for the registry") {
		t.Errorf("one is not: got %d %q, want 503", w.Code, w.Body)
	}
	if w := ask(t, a, http.MethodGet, "/readyz", ""); !strings.HasSuffix(w.Body.String(), "nothing on disk: q\n") {
		t.Errorf("got %q, want the refer named", w.Body)
	}
	a.stopping.Store(true)
	if w := ask(t, a, http.MethodGet, "/readyz", ""); w.Code != 503 || w.Body.String() != "stopping\n" {
		t.Errorf("stopping: got %d %q, want 503", w.Code, w.Body)
	}
}

// A list that stays silent leaves the agent unready; the first one that comes, empty or not, ends that.
func TestPendingCountsSilentRefers(t *testing.T) {
	x := withRecorder(new(silent))
	c := parse(t, x, "", recorderYAML+"motan-refer:\n  a: {path: a, group: g, registry: outside}\n  b: {path: b, group: g, registry: inside}\n")
	s, err := newCompiler(t, x).compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	motantest.Await(t, "one list to be missing", func() bool { return s.pending() == 1 })
}

// silent is a registry that never says anything.
type silent struct{ registry.Static }

func (*silent) Watch(context.Context, registry.Service, func([]registry.Node)) error { return nil }

func TestLocalNodesAPI(t *testing.T) {
	const path = "/api/v1/local/nodes"
	a := managed(t, new(recorder))
	whole := `{"service":"s","group":"g","address":"127.0.0.1:8100","version":"2.0","protocol":"motan","params":{"k":"v"},"ttl":60}`
	if w := ask(t, a, http.MethodPut, path, whole); w.Code != 200 {
		t.Fatalf("put: got %d %q, want 200", w.Code, w.Body)
	}
	if w := ask(t, a, http.MethodPut, path, `{"service":"s","group":"g","address":"unix:///run/s"}`); w.Code != 200 {
		t.Fatalf("put of a unix socket: got %d %q, want 200", w.Code, w.Body)
	}
	w := ask(t, a, http.MethodGet, path, "")
	var got []localNode
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got) != 2 {
		t.Fatalf("got %s (%v), want two nodes", w.Body, err)
	}
	if n := got[0]; n.Service != "s" || n.Group != "g" || n.Address != "127.0.0.1:8100" || n.Version != "2.0" || n.Protocol != "motan" || n.Params["k"] != "v" {
		t.Errorf("got %+v, want what was put", n)
	}
	if n := got[1]; n.Address != "unix:///run/s" || n.Protocol != "motan2" {
		t.Errorf("got %+v, want unix:///run/s and motan2", n)
	}
	gone := `{"service":"s","group":"g","address":"127.0.0.1:8100"}`
	if w := ask(t, a, http.MethodDelete, path, gone); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("delete: got %d %q, want 204", w.Code, w.Body)
	}
	if w := ask(t, a, http.MethodDelete, path, gone); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "no such node") {
		t.Errorf("delete again: got %d %q, want 404", w.Code, w.Body)
	}
	if got := len(a.compiler.local.Nodes()); got != 1 {
		t.Errorf("got %d nodes, want 1", got)
	}
}

// What is no node is refused with a word on what is wrong and what is wanted.
func TestLocalNodesRefused(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"nothing", ``, "EOF"},
		{"no JSON", `service=s`, "invalid character"},
		{"a list", `[]`, "cannot unmarshal"},
		{"no service", `{"address":"127.0.0.1:1"}`, "service and address are required"},
		{"no address", `{"service":"s"}`, "service and address are required"},
		{"unknown key", `{"service":"s","addr":"127.0.0.1:1"}`, `unknown field \"addr\"`},
		{"wrong type", `{"service":"s","address":1}`, "cannot unmarshal"},
		{"negative time", `{"service":"s","address":"127.0.0.1:1","ttl":-1}`, "ttl is a number of seconds"},
		{"years", `{"service":"s","address":"127.0.0.1:1","ttl":99999999}`, "ttl is a number of seconds"},
		{"port out of range", `{"service":"s","address":"127.0.0.1:70000"}`, "parse address"},
		{"no port", `{"service":"s","address":"127.0.0.1"}`, "the address has no port"},
		{"path behind", `{"service":"s","address":"127.0.0.1:1/x"}`, "parse address"},
		{"service with a newline", `{"service":"s\nt","address":"127.0.0.1:1"}`, "error"},
		{"too long", `{"service":"` + strings.Repeat("s", maxManagementBody) + `"}`, "too large"},
		{"nested without end", strings.Repeat(`{"params":`, 20000), "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := managed(t, new(recorder))
			w := ask(t, a, http.MethodPut, "/api/v1/local/nodes", tt.body)
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); w.Code != http.StatusBadRequest || err != nil {
				t.Fatalf("got %d %.200q, want 400 and JSON", w.Code, w.Body)
			}
			if !strings.Contains(w.Body.String(), tt.want) || len(p.Error) > 2000 {
				t.Errorf("got %.300q, want %s", w.Body, tt.want)
			}
			if n := len(a.compiler.local.Nodes()); n != 0 {
				t.Errorf("got %d nodes, want none", n)
			}
		})
	}
}

func TestLocalNodesMethods(t *testing.T) {
	w := ask(t, managed(t, new(recorder)), http.MethodPost, "/api/v1/local/nodes", `{}`)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("got %d %v, want 405 with Allow", w.Code, w.Header())
	}
}

// The credentials of a registry are not told to who asks for the configuration.
func TestGetConfigKeepsSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"auth: user:password\n":                 "auth: ***\n",
		`zk: {auth: "user:p w", host: h}`:       `zk: {auth: ***, host: h}`,
		"  auth: 'user:it''s'\n  host: h\n":     "  auth: ***",
		`{"auth": "a:b", "authority": "c"}`:     `{"auth": ***, "authority": "c"}`,
		"group: auth\npath: com.example.Auth\n": "group: auth\npath: com.example.Auth\n",
	} {
		if got := secrets.ReplaceAllString(text, "${1}***"); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
