package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// TestManagementURLs holds the answers of motan-go's agent, as they were captured from it.
func TestManagementURLs(t *testing.T) {
	d := startMotand(t, demoYAML)
	const text = "text/plain; charset=utf-8"
	tests := []struct {
		path   string
		status int
		kind   string
		body   string // "*" for anything
	}{
		{"/", 503, text, "Service Unavailable"},
		{"/503", 200, text, "ok."},
		{"/", 503, text, "Service Unavailable"},
		{"/200", 200, text, "ok."},
		{"/", 200, text, "OK"},
		{"/200?from=lb", 200, text, "ok."},
		{"/503", 200, text, "ok."},
		{"/", 503, text, "Service Unavailable"},
		{"/version", 200, text, "*"},
		{"/getReferService", 200, text, `{"code":200,"body":{"service":[{"name":"demo_1.0_motan2_com.example.DemoService","status":true}]}}`},
		{"/getConfig", 200, text, "*"},
		{"/healthz", 200, text, "ok\n"},
		{"/readyz", 200, text, "ready\n"},
		{"/debug/pprof/cmdline", 200, text, "*"},
	}
	for _, tt := range tests {
		a := ask(t, http.MethodGet, d.url("mgmt", tt.path), "")
		if a.status != tt.status || a.header.Get("Content-Type") != tt.kind || tt.body != "*" && a.body != tt.body {
			t.Errorf("%s: got %d %s %q, want %d %s %q", tt.path, a.status, a.header.Get("Content-Type"), a.body, tt.status, tt.kind, tt.body)
		}
	}
	if _, version := d.get("mgmt", "/version"); "motand "+version+"\n" != run(t, 0, d.dir, d.cmd.Path, "version") {
		t.Errorf("/version: got %q, which is not that of motand version", version)
	}
	for _, want := range []string{"motan-agent:", "com.example.DemoService", "eport: " + portOf(d.addr("export"))} {
		if _, yaml := d.get("mgmt", "/getConfig"); !strings.Contains(yaml, want) {
			t.Errorf("/getConfig: got %q, want something with %s", yaml, want)
		}
	}
	// What changes state is not for web pages.
	for _, headers := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		for _, path := range []string{"/200", "/503"} {
			if a := ask(t, http.MethodGet, d.url("mgmt", path), "", headers...); a.status != http.StatusForbidden {
				t.Errorf("%s with %s: got %d, want 403", path, headers, a.status)
			}
		}
	}
	if status, _ := d.get("mgmt", "/"); status != 503 {
		t.Errorf("/ after refused requests: got %d, want 503", status)
	}
}

var sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*")*\})? (NaN|[+-]Inf|[-+0-9.eE]+)$`)

// TestMetrics makes calls that end in different ways, over HTTP and over Motan, and finds each of them counted
// where it belongs, in text that Prometheus can read.
func TestMetrics(t *testing.T) {
	provider := motantest.NewServer(t, func(request *motan.Frame) *motan.Frame {
		switch string(request.Method()) {
		case "fail":
			return motantest.Exception(30001, motan.TypeBiz, "no luck")(request)
		case "crash":
			return motantest.Exception(500, motan.TypeService, "provider call panic")(request)
		case "silent":
			return nil
		}
		return bodyBack(request)
	})
	d := startMotand(t, strings.Replace(outboundYAML(echoService, provider.Addr()), "requestTimeout: 30000", "requestTimeout: 20000, silent.requestTimeout: 30, 'silent().requestTimeout': 30", 1))
	want := map[string]float64{"ok": 7, "biz_exception": 3, "exception": 2, "timeout": 1}
	for method, n := range map[string]int{"echo": 5, "fail": 3, "crash": 2, "silent": 1} {
		for range n {
			d.rpc(echoService, method, `["x"]`)
		}
	}
	for range 2 {
		d.call(motantest.Request(echoService, "echo", nil))
	}
	d.rpc("com.example.Unknown", "echo", "[]")
	total := 0.0
	for outcome, n := range want {
		total += n
		if got := d.metric("motand_calls_total", "service", echoService, "group", "demo", "application", "test-app",
			"role", "motan-client-agent", "scope", "cluster", "outcome", outcome); got != n {
			t.Errorf("calls with outcome %s: got %v, want %v", outcome, got, n)
		}
	}
	if got := d.metric("motand_call_duration_seconds_count", "scope", "cluster"); got != total {
		t.Errorf("durations: got %v, want %v", got, total)
	}
	if got := d.metric("motand_calls_total", "scope", "cluster", "method", "echo"); got != want["ok"] {
		t.Errorf("calls of echo: got %v, want %v", got, want["ok"])
	}
	if got := d.metric("motand_requests_total", "listener", "motan"); got != 2 {
		t.Errorf("requests over Motan: got %v, want 2", got)
	}
	_, text := d.get("mgmt", "/metrics")
	types := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if words := strings.Fields(line); len(words) == 4 && words[0] == "#" && words[1] == "TYPE" {
			types[words[2]] = true
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		found := sample.FindStringSubmatch(line)
		if found == nil {
			t.Errorf("/metrics has a line that is no sample: %q", line)
			continue
		}
		base := found[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if short, ok := strings.CutSuffix(base, suffix); ok && types[short] {
				base = short
			}
		}
		if !types[base] {
			t.Errorf("/metrics tells no type of %s", found[1])
		}
	}
}

// TestMetricsOfHostileNames calls methods whose names would break the text format, and more of them than are kept.
func TestMetricsOfHostileNames(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	c := d.dial("motan")
	for _, method := range []string{`"}1`, `back\slash`, "é", "tab\t", "\xff", "{}", strings.Repeat("long", 500)} {
		if c.Call(motantest.Request(echoService, method, nil)).Failed() {
			t.Errorf("method %q: the call failed", cut(method))
		}
	}
	for i := range 1000 {
		c.Call(motantest.Request(echoService, "method"+strings.Repeat("x", i), nil))
	}
	_, text := d.get("mgmt", "/metrics")
	methods := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if !sample.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("/metrics has a line that is no sample: %q", cut(line))
		}
		if _, rest, ok := strings.Cut(line, `method="`); ok {
			methods[rest[:strings.Index(rest, `",`)]] = true
		}
	}
	if len(methods) > 201 || !methods["_other"] {
		t.Errorf("/metrics has %d methods, with _other: %t; want at most 200 and _other", len(methods), methods["_other"])
	}
	if got := d.metric("motand_calls_total", "scope", "cluster"); got != 1007 {
		t.Errorf("calls: got %v, want 1007", got)
	}
}

// localYAML refers to com.example.Echo in the registry inside of motand.
const localYAML = agentYAML + `
motan-registry:
  embedded: {protocol: local}
motan-refer:
  echo: {path: com.example.Echo, group: demo, protocol: motan2, registry: embedded, requestTimeout: 20000}
`

// TestLocalNodes announces a provider by HTTP, calls it, and withdraws it.
func TestLocalNodes(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, localYAML)
	node := `{"service":"com.example.Echo","group":"demo","address":"` + provider.Addr() + `"}`
	nodes := func(method, body string, headers ...string) webAnswer {
		t.Helper()
		return ask(t, method, d.url("mgmt", "/api/v1/local/nodes"), body, headers...)
	}
	nodes("GET", "").want(200, "[]")
	d.rpc(echoService, "echo", `["x"]`).problem(http.StatusServiceUnavailable)
	if a := nodes("PUT", node); a.status != 200 {
		t.Fatalf("PUT: got %d %s, want 200", a.status, a.body)
	}
	await(t, "the provider to be called", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == 200 })
	var list []struct{ Service, Group, Address, Protocol string }
	if a := nodes("GET", ""); json.Unmarshal([]byte(a.body), &list) != nil || len(list) != 1 || list[0].Address != provider.Addr() || list[0].Protocol != "motan2" {
		t.Errorf("GET: got %d %s, want the node", a.status, a.body)
	}
	for name, tt := range map[string]struct {
		method, body string
		status       int
	}{
		"no JSON":           {"PUT", "x", 400},
		"no service":        {"PUT", `{"address":"127.0.0.1:1"}`, 400},
		"no port":           {"PUT", `{"service":"s","group":"g","address":"127.0.0.1"}`, 400},
		"port out of range": {"PUT", `{"service":"s","group":"g","address":"127.0.0.1:65536"}`, 400},
		"slash":             {"PUT", `{"service":"a/b","group":"g","address":"127.0.0.1:1"}`, 400},
		"unknown key":       {"PUT", `{"service":"s","group":"g","address":"127.0.0.1:1","prot":1}`, 400},
		"negative ttl":      {"PUT", `{"service":"s","group":"g","address":"127.0.0.1:1","ttl":-1}`, 400},
		"too large":         {"PUT", `{"service":"` + strings.Repeat("s", 2<<20) + `"}`, 400},
		"not there":         {"DELETE", `{"service":"s","group":"g","address":"127.0.0.1:1"}`, 404},
		"method":            {"POST", node, 405},
	} {
		var problem struct{ Error string }
		if a := nodes(tt.method, tt.body); a.status != tt.status || json.Unmarshal([]byte(a.body), &problem) != nil || problem.Error == "" {
			t.Errorf("%s: got %d %s, want %d and an error in JSON", name, a.status, cut(a.body), tt.status)
		}
	}
	if a := nodes("DELETE", node, "Origin", "http://evil.example"); a.status != http.StatusForbidden {
		t.Errorf("DELETE by a web page: got %d, want 403", a.status)
	}
	if a := ask(t, "GET", d.url("mgmt", "/api/v2/nothing"), ""); a.status != http.StatusNotFound {
		t.Errorf("unknown address of the API: got %d %s, want 404", a.status, a.body)
	}
	d.rpc(echoService, "echo", `["still"]`).want(200, `"still"`)
	if a := nodes("DELETE", node); a.status != http.StatusNoContent {
		t.Errorf("DELETE: got %d %s, want 204", a.status, a.body)
	}
	await(t, "the provider not to be called", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == 503 })
	// One that is not put again goes by itself.
	nodes("PUT", strings.Replace(node, "}", `,"ttl":1}`, 1))
	await(t, "the provider to be called", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == 200 })
	await(t, "the provider to expire", func() bool { return d.rpc(echoService, "echo", `["x"]`).status == 503 })
}

// TestFileRegistry edits the file of nodes of a running motand, as a deploy tool does it. No call fails while
// there is a node.
func TestFileRegistry(t *testing.T) {
	named := func(name string) motantest.Handler {
		return motantest.Reply(append([]byte{1, 0, 0, 0, byte(len(name))}, name...))
	}
	one, two := motantest.NewServer(t, named("one")), motantest.NewServer(t, named("two"))
	s := newSetup(t)
	replace := func(text string) {
		t.Helper()
		path := filepath.Join(s.dir, "nodes.yaml")
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	list := func(addrs ...string) string {
		return "services:\n  - {path: com.example.Echo, group: demo, nodes: [\"" + strings.Join(addrs, `","`) + "\"]}\n"
	}
	replace(list(one.Addr()))
	d := startMotandIn(s, strings.Replace(localYAML, "protocol: local", "protocol: file, path: nodes.yaml", 1))
	answer := func() string {
		t.Helper()
		a := d.rpc(echoService, "who", "[]")
		if a.status != 200 {
			t.Errorf("a call failed: %d %s", a.status, a.body)
		}
		return a.body
	}
	if got := answer(); got != `"one"` {
		t.Fatalf("got %s, want one", got)
	}
	replace(list(one.Addr(), two.Addr()))
	await(t, "both to be called", func() bool { return answer() == `"two"` })
	replace(list(two.Addr()))
	await(t, "only the second to be called", func() bool {
		for range 20 {
			if answer() != `"two"` {
				return false
			}
		}
		return true
	})
	n := len(one.Frames())
	replace("services: [broken")
	await(t, "the mistake to be told", func() bool { return strings.Contains(d.Output(), "nodes.yaml") })
	for range 20 {
		answer()
	}
	if got := len(one.Frames()); got != n {
		t.Errorf("%d calls went to a node that is no longer listed", got-n)
	}
	replace("services: []\n")
	await(t, "nobody to be called", func() bool { return d.rpc(echoService, "who", "[]").status == 503 })
	replace(list(one.Addr()))
	await(t, "the first to be called again", func() bool { return d.rpc(echoService, "who", "[]").status == 200 })
}
