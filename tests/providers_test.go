package tests

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// webProviders are the programs that are exported, and how each is started: SCRIPT is its file, PORT its port.
var webProviders = []struct {
	name, program, script string
	args                  []string
}{
	{"php", "php", "provider.php", []string{"-S", "127.0.0.1:PORT", "SCRIPT"}},
	{"python", "python3", "provider.py", []string{"SCRIPT", "PORT"}},
}

// told is what a program of webProviders says that it was asked.
type told struct {
	By, Method, Path, Body string
	Query, Form, Headers   map[string]string
}

// startProviders runs a motand that exports one program in each mode of provider http (motan protocol,
// section 7.4), and one that refers to it, as on another host.
func startProviders(t testing.TB, port string) (a, b *daemon) {
	t.Helper()
	common := "group: demo, protocol: motan2, registry: mesh, requestTimeout: 20000"
	service := common + ", provider: http, export: \"motan2:{{.export}}\""
	b = startMotand(t, agentYAML+`
motan-registry:
  mesh: {protocol: local}
motan-service:
  format: {path: com.example.Format, `+service+`, HTTP_REQUEST_METHOD: POST, URL_FORMAT: "http://127.0.0.1:`+port+`/app/%s"}
  query: {path: com.example.Query, `+service+`, URL_FORMAT: "http://127.0.0.1:`+port+`/app/show?fixed=1"}
  proxy: {path: com.example.Proxy, `+service+`, proxyAddress: "127.0.0.1:`+port+`", domain: plain.example.com, enableRewrite: false}
  strict: {path: com.example.Strict, `+service+`, proxyAddress: "127.0.0.1:`+port+`", domain: plain.example.com, enableRewrite: false, enableHttpException: true}
  rewrite: {path: com.example.Rewrite, `+service+`, proxyAddress: "127.0.0.1:`+port+`", domain: moved.example.com}
http-locations:
  moved.example.com:
    - match: /api/
      type: start
      upstream: com.example.Rewrite
      rewriteRules: ["start /api/ ^/api/(.*) /v2/$1"]
`)
	var refers strings.Builder
	for _, name := range []string{"Format", "Query", "Proxy", "Strict", "Rewrite"} {
		refers.WriteString("  " + name + ": {path: com.example." + name + ", " + common + "}\n")
	}
	a = startMotand(t, agentYAML+`
motan-registry:
  mesh: {protocol: direct, address: "`+b.addr("export")+`"}
motan-refer:
`+refers.String())
	return a, b
}

// TestWebProviders exports a real PHP and a real Python program and calls them from another motand, with
// curl and with motan-go's client.
func TestWebProviders(t *testing.T) {
	for _, p := range webProviders {
		t.Run(p.name, func(t *testing.T) {
			need(t, p.program, "curl")
			port := strconv.Itoa(freePort(t))
			fill := strings.NewReplacer("SCRIPT", testdata(t, "providers", p.script), "PORT", port)
			var args []string
			for _, arg := range p.args {
				args = append(args, fill.Replace(arg))
			}
			startProcess(t, p.name, t.TempDir(), p.program, args...)
			await(t, p.name+" to listen", func() bool { return listens("127.0.0.1:" + port) })
			a, b := startProviders(t, port)
			t.Run("curl", func(t *testing.T) { callWithCurl(t, a, p.name) })
			t.Run("motango", func(t *testing.T) { callWithMotango(t, a, b, p.name) })
			t.Run("status", func(t *testing.T) { callForStatus(t, a) })
			t.Run("large", func(t *testing.T) {
				a.rpc("com.example.Format", "large", "[]").want(http.StatusOK, `"`+strings.Repeat("p", 1<<20)+`"`)
			})
		})
	}
}

func listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// curlTests are calls of the modes of provider http, and what the program sees of each.
var curlTests = []struct {
	name, service, method, arguments string
	headers                          []string
	path, verb, body                 string
	query, form, seen                map[string]string
}{
	{
		name: "form", service: "Format", method: "greet", arguments: `[{"name":"Ada","city":"東京 & more"}]`,
		path: "/app/greet", verb: "POST", form: map[string]string{"name": "Ada", "city": "東京 & more"},
		seen: map[string]string{"motan-p": "com.example.Format", "motan-m": "greet", "motan-g": "demo", "motan-s": "test-app"},
	},
	{
		name: "no argument", service: "Format", method: "greet", arguments: `[]`, path: "/app/greet", verb: "POST",
	},
	{
		name: "verb of the call", service: "Format", method: "greet", arguments: `[{"name":"Ada"}]`, headers: []string{"Motan-Meta-HTTP_Method: GET"},
		path: "/app/greet", verb: "GET", query: map[string]string{"name": "Ada"},
	},
	{
		name: "query", service: "Query", method: "whatever", arguments: `[{"name":"Ada"}]`, headers: []string{"Motan-Meta-X-Trace: t1"},
		path: "/app/show", verb: "GET", query: map[string]string{"name": "Ada", "fixed": "1"}, seen: map[string]string{"x-trace": "t1"},
	},
	{
		name: "path", service: "Proxy", method: "%2Fusers%2Fshow", arguments: `[{"id":"7"}]`, headers: []string{"Motan-Meta-http_Accept: text/x", "MOTAN-rid: 99"},
		path: "/users/show", verb: "GET", query: map[string]string{"id": "7"},
		seen: map[string]string{"host": "plain.example.com", "accept": "text/x", "motan-rid": "99", "motan-p": "com.example.Proxy"},
	},
	{
		name: "posted text", service: "Proxy", method: "%2Fusers%2Fadd", arguments: `["{\"id\":7}"]`,
		headers: []string{"Motan-Meta-HTTP_Method: POST", "Motan-Meta-Content-Type: application/json", "Motan-Meta-HTTP_QueryString: dry=1"},
		path:    "/users/add", verb: "POST", body: `{"id":7}`, query: map[string]string{"dry": "1"}, seen: map[string]string{"content-type": "application/json"},
	},
	{
		name: "rewritten", service: "Rewrite", method: "%2Fapi%2Fusers", arguments: `[null]`, path: "/v2/users", verb: "GET",
		seen: map[string]string{"host": "moved.example.com"},
	},
}

func callWithCurl(t *testing.T, a *daemon, by string) {
	t.Helper()
	for _, tt := range curlTests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"-s", "--fail", "-H", "Content-Type: application/json", "-d", tt.arguments}
			for _, header := range tt.headers {
				args = append(args, "-H", header)
			}
			out := run(t, 0, t.TempDir(), "curl", append(args, a.url("http", "/rpc/com.example."+tt.service+"/"+tt.method))...)
			got := readTold(t, decode(t, out))
			if got.By != by || got.Path != tt.path || got.Method != tt.verb || tt.body != "" && got.Body != tt.body {
				t.Errorf("the program says %+v, want %s %s by %s with %q", got, tt.verb, tt.path, by, tt.body)
			}
			contains(t, "query", got.Query, tt.query)
			contains(t, "form", got.Form, tt.form)
			contains(t, "headers", got.Headers, tt.seen)
			if got.Headers["x-forwarded-for"] != "127.0.0.1" {
				t.Errorf("got X-Forwarded-For %q, want 127.0.0.1", got.Headers["x-forwarded-for"])
			}
		})
	}
}

// readTold reads the answer of a program out of the string, or bytes, in which it came.
func readTold(t testing.TB, value any) (got told) {
	t.Helper()
	text, ok := value.(string)
	if m, is := value.(map[string]any); is && len(m) == 1 {
		encoded, _ := m["$bytes"].(string)
		raw, err := base64.StdEncoding.DecodeString(encoded)
		text, ok = string(raw), err == nil
	}
	if !ok {
		t.Fatalf("got %v, want a string or bytes", value)
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("the program answered %s: %v", cut(text), err)
	}
	return got
}

func contains(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: got %s=%q, want %q", what, key, got[key], value)
		}
	}
}

// callWithMotango has motan-go's client call the program, at the caller's motand and at the export port,
// also with a whole HTTP request as motan-go's HTTP proxy sends it.
func callWithMotango(t *testing.T, a, b *daemon, by string) {
	t.Helper()
	exe := motango(t)
	for way, addr := range map[string]string{"refer": a.addr("motan"), "export": b.addr("export")} {
		call := func(args ...string) (value any, metadata map[string]string) {
			out := run(t, 0, t.TempDir(), exe, append([]string{"client", "-timeout", "20s", "-addr", addr}, args...)...)
			var answer struct {
				Value    any
				Metadata map[string]string
			}
			if err := json.Unmarshal([]byte(out), &answer); err != nil {
				t.Fatalf("motan-go's client printed %s: %v", cut(out), err)
			}
			return answer.Value, answer.Metadata
		}
		t.Run(way, func(t *testing.T) {
			value, metadata := call("-path", "com.example.Format", "-method", "greet", `{"name":"Ada"}`)
			got := readTold(t, value)
			if got.By != by || got.Path != "/app/greet" {
				t.Errorf("URL format: the program says %+v", got)
			}
			contains(t, "form", got.Form, map[string]string{"name": "Ada"})
			contains(t, "metadata", metadata, map[string]string{"X-Web": by, "upstreamCode": "200"})

			value, metadata = call("-path", "com.example.Proxy", "-method", "/users/show", "-meta", "HTTP_Method=POST", `{"name":"Ada"}`)
			got = readTold(t, map[string]any{"$bytes": value})
			if got.By != by || got.Path != "/users/show" || got.Method != "POST" {
				t.Errorf("proxy: the program says %+v", got)
			}
			contains(t, "form", got.Form, map[string]string{"name": "Ada"})
			contains(t, "metadata", metadata, map[string]string{"X-Web": by, "upstreamCode": "200"})

			head := "POST /api/x?q=1 HTTP/1.1\r\nHost: h.example.com\r\nX-B: c\r\nContent-Length: 3\r\n\r\n"
			value, metadata = call("-path", "com.example.Rewrite", "-method", "/api/x", "-meta", "HTTP_PROXY=true", asBytes(head), asBytes("a=b"))
			answer, ok := value.([]any)
			if !ok || len(answer) != 2 {
				t.Fatalf("transparent: got %v, want head and body", value)
			}
			got = readTold(t, map[string]any{"$bytes": answer[1]})
			if got.By != by || got.Path != "/v2/x" || got.Method != "POST" || got.Body != "a=b" {
				t.Errorf("transparent: the program says %+v", got)
			}
			contains(t, "query", got.Query, map[string]string{"q": "1"})
			contains(t, "headers", got.Headers, map[string]string{"host": "h.example.com", "x-b": "c", "motan-p": "com.example.Rewrite"})
			contains(t, "metadata", metadata, map[string]string{"upstreamCode": "200"})
			raw, _ := base64.StdEncoding.DecodeString(answer[0].(string))
			if !strings.HasPrefix(string(raw), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(raw), "\r\n\r\n") {
				t.Errorf("transparent: got the head %q", raw)
			}
		})
	}
}

func asBytes(text string) string { return "bytes:" + base64.StdEncoding.EncodeToString([]byte(text)) }

// callForStatus holds what a status of the program becomes: data, or an exception where the service says so.
func callForStatus(t *testing.T, a *daemon) {
	t.Helper()
	answer := a.rpc("com.example.Proxy", "%2Fstatus%2F404", "[]")
	if answer.status != http.StatusOK || answer.header.Get("Motan-Meta-Upstreamcode") != "404" {
		t.Errorf("got %d, upstreamCode %q, want 200 and 404", answer.status, answer.header.Get("Motan-Meta-Upstreamcode"))
	}
	if x := a.rpc("com.example.Strict", "%2Fstatus%2F418", "[]").problem(http.StatusInternalServerError); x.Code != 418 || x.Type != 2 {
		t.Errorf("enableHttpException: got %+v, want code 418, type 2", x)
	}
	for _, tt := range []struct {
		service, method, arguments string
		code                       int
	}{
		{"Rewrite", "%2Fnowhere", "[]", 404}, // no location
		{"Proxy", "%2Fx", `["a","b"]`, 400},  // two arguments
		{"Proxy", "%2Fx", `[7]`, 400},        // a number
		{"Format", "..%2Fadmin", "[]", 400},  // leaves the place of the method
	} {
		if x := a.rpc("com.example."+tt.service, tt.method, tt.arguments).problem(http.StatusInternalServerError); x.Code != tt.code || x.Type != 2 {
			t.Errorf("%s %s %s: got %+v, want code %d, type 2", tt.service, tt.method, tt.arguments, x, tt.code)
		}
	}
}

// TestWebProviderDown holds that a program which is not there is a business exception with 503, as with
// motan-go, and that it is called as soon as it is there.
func TestWebProviderDown(t *testing.T) {
	need(t, "python3")
	port := strconv.Itoa(freePort(t))
	a, _ := startProviders(t, port)
	if x := a.rpc("com.example.Format", "greet", "[]").problem(http.StatusInternalServerError); x.Code != 503 || x.Type != 2 {
		t.Errorf("got %+v, want code 503, type 2", x)
	}
	startProcess(t, "python", t.TempDir(), "python3", testdata(t, "providers", "provider.py"), port)
	await(t, "the program to be called", func() bool { return a.rpc("com.example.Format", "greet", "[]").status == http.StatusOK })
}

// TestProviderUnreachable is the same for a Motan provider: it is no business exception, and it comes back.
func TestProviderUnreachable(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	a, _ := startPair(t, echoService, provider.Addr())
	a.rpc(echoService, "echo", `["x"]`).want(http.StatusOK, `"x"`)
	provider.Stop()
	await(t, "motand to notice", func() bool { return a.rpc(echoService, "echo", "[]").status != http.StatusBadGateway })
	if x := a.rpc(echoService, "echo", "[]").problem(http.StatusServiceUnavailable); x.Type == 2 || !strings.Contains(x.Message, "motanProvider is unavailable") {
		t.Errorf("got %+v, want motan-go's words and another type than 2", x)
	}
	provider.Start()
	await(t, "the provider to be called again", func() bool { return a.rpc(echoService, "echo", "[]").status == http.StatusOK })
}

// TestMotandCall holds the exit codes and the output of the command line's own client.
func TestMotandCall(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	call := func(code int, args ...string) string {
		return run(t, code, d.dir, d.cmd.Path, append([]string{"call", "--addr", d.addr("motan")}, args...)...)
	}
	if got, want := call(0, echoService, "echo", `[{"id":9007199254740993}]`), `{"id":9007199254740993}`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := call(3, "com.example.Unknown", "echo"); !strings.Contains(got, `"errcode":400`) {
		t.Errorf("unknown service: got %q, want an error in JSON", got)
	}
	cmd := exec.Command(d.cmd.Path, "call", "--addr", d.addr("motan"), echoService, "echo", "-")
	cmd.Stdin = strings.NewReader(`["from standard input"]`)
	if out, err := cmd.Output(); err != nil || string(out) != "\"from standard input\"\n" {
		t.Errorf("got %q, %v", out, err)
	}
}
