package tests

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// webSite is a web program that answers with what it was asked, or with what the path says.
func webSite(t testing.TB) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h := w.Header()
		h.Set("X-Method", r.Method)
		switch r.URL.Path {
		case "/api/cookies":
			h.Add("Set-Cookie", "a=1; Path=/a")
			h.Add("Set-Cookie", "a=2; Path=/b")
		case "/api/none":
			w.WriteHeader(http.StatusNoContent)
			return
		case "/api/same":
			h.Set("ETag", `"v1"`)
			w.WriteHeader(http.StatusNotModified)
			return
		case "/api/moved":
			h.Set("Location", "http://shop.example.com/api/new")
			w.WriteHeader(http.StatusFound)
			return
		case "/api/broken":
			w.WriteHeader(http.StatusTeapot)
		case "/api/chunks":
			w.(http.Flusher).Flush()
		case "/api/back":
			h.Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(body)
			return
		}
		_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.URL.RequestURI()+" "+r.Header.Get("Cookie")+" "+string(body))
	}))
	t.Cleanup(site.Close)
	return strings.TrimPrefix(site.URL, "http://")
}

const shopLocations = `
http-locations:
  shop.example.com:
    - {match: /health, type: exact, upstream: shop-health}
    - match: ^/user/[0-9]+$
      type: regexp
      upstream: shop-web
      rewriteRules:
        - "!regexp ^/user/0.* ^/user/(.*) /v2/user/$1"
        - "regexpVar ^/user/0.* ^/user/(.*) /named/{name}"
    - {match: \.(PNG|jpg)$, type: iregexp, upstream: shop-web}
    - match: /api/
      upstream: shop-web
      rewriteRules: ["exact /api/exact ^.*$ /exactly", "start /api/start ^/api/(.*) /started/$1", "iregexp ^/API/CASE$ ^(.*)$ /any$1"]
    - {match: /api/nobody/, upstream: shop-nobody}
`

// exportShop is a service that answers for the site at addr.
func exportShop(addr string) string {
	return agentYAML + `
  httpProxyEnable: true
motan-registry:
  mesh: {protocol: direct, host: 127.0.0.1, port: 1}
motan-service:
  shop: {path: shop-web, group: web, protocol: motan2, provider: http, registry: mesh, serialization: simple, requestTimeout: 20000, export: "motan2:{{.export}}",
    proxyAddress: "` + addr + `", domain: shop.example.com}
` + shopLocations
}

// callShop is the domain, whose services are at a port of this host.
func callShop(port int) string {
	return agentYAML + `
  httpProxyEnable: true
motan-registry:
  mesh: {protocol: direct, host: 127.0.0.1, port: ` + strconv.Itoa(port) + `}
http-client:
  shop: {domain: shop.example.com, path: shop, group: web, registry: mesh, protocol: motan2, serialization: simple, requestTimeout: 20000, preload: shop-web}
` + shopLocations
}

// TestHTTPClient sends requests for a domain through two agents to a web program: two of motand, and one of motand and one of
// motan-go in both orders. What comes back is what the program answers.
func TestHTTPClient(t *testing.T) {
	site := webSite(t)
	here := func(t *testing.T, yaml string) *setup {
		t.Helper()
		return startMotand(t, yaml).setup
	}
	peer := func(t *testing.T, yaml string) *setup {
		t.Helper()
		s := newSetup(t)
		startProcess(t, "motan-go's agent", s.dir, motango(t), "agent", "-c", s.configure(yaml))
		await(t, "motan-go's agent to listen", func() bool {
			status, _, err := fetch(http.MethodGet, "http://"+s.addr("mgmt")+"/", "")
			return err == nil && status > 0
		})
		return s
	}
	for _, tt := range []struct {
		name           string
		caller, callee func(*testing.T, string) *setup
		ours           bool
	}{
		{"motand to motand", here, here, true},
		{"motand to motan-go", here, peer, true},
		{"motan-go to motand", peer, here, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.callee(t, exportShop(site))
			if status, text, err := fetch(http.MethodGet, "http://"+b.addr("mgmt")+"/200", ""); err != nil || status != http.StatusOK {
				t.Fatalf("/200: got %d %s, %v", status, text, err)
			}
			a := tt.caller(t, callShop(b.port("export")))
			do := func(method, path, body string, headers ...string) webAnswer {
				return askShop(t, a, method, path, body, headers...)
			}
			await(t, "the first answer", func() bool { return do("GET", "/api/x", "").status == 200 })
			checkShop(t, do, tt.ours)
		})
	}
}

// askShop asks the agent a for a path of the shop, as a program does that has it as its proxy.
func askShop(t *testing.T, a *setup, method, path, body string, headers ...string) webAnswer {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+a.addr("http")+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "shop.example.com"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return readAnswer(t, response)
}

// checkShop holds what the site answers; ours says that motand is the caller's agent.
func checkShop(t *testing.T, do func(method, path, body string, headers ...string) webAnswer, ours bool) {
	t.Helper()
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/api/x?a=b%20c&d", "", "GET shop.example.com /api/x?a=b%20c&d k=v; l=w "},
		{"POST", "/api/x", "a=1&b=2", "POST shop.example.com /api/x k=v; l=w a=1&b=2"},
		{"DELETE", "/api/x", "", "DELETE shop.example.com /api/x k=v; l=w "},
		{"GET", "/user/17", "", "GET shop.example.com /v2/user/17 k=v; l=w "},
		{"GET", "/user/01?name=Ann", "", "GET shop.example.com /named/Ann?name=Ann k=v; l=w "},
		{"GET", "/pictures/a.png", "", "GET shop.example.com /pictures/a.png k=v; l=w "},
		{"GET", "/api/exact", "", "GET shop.example.com /exactly k=v; l=w "},
		{"GET", "/api/start/1", "", "GET shop.example.com /started/start/1 k=v; l=w "},
		{"GET", "/api/case", "", "GET shop.example.com /any/api/case k=v; l=w "},
		{"GET", "/api/chunks", "", "GET shop.example.com /api/chunks k=v; l=w "},
	} {
		got := do(tt.method, tt.path, tt.body, "Cookie", "k=v; l=w")
		if got.status != 200 || got.body != tt.want {
			t.Errorf("%s %s: got %d %q, want %q", tt.method, tt.path, got.status, got.body, tt.want)
		}
	}
	binary := "\x00\xff\r\n\r\n" + strings.Repeat("\x80GET / HTTP/1.1\r\n\r\n", 50000)
	if got := do("POST", "/api/back", binary, "Content-Type", "application/octet-stream"); got.body != binary {
		t.Errorf("a binary body of %d bytes comes back with %d, status %d", len(binary), len(got.body), got.status)
	}
	if got := do("GET", "/api/cookies", ""); ours && strings.Join(got.header["Set-Cookie"], "|") != "a=1; Path=/a|a=2; Path=/b" {
		t.Errorf("cookies: got %q", got.header["Set-Cookie"])
	}
	if got := do("GET", "/api/none", ""); got.status != 204 || got.body != "" {
		t.Errorf("204: got %d %q", got.status, got.body)
	}
	if got := do("GET", "/api/same", ""); got.status != 304 || got.body != "" || got.header.Get("Etag") != `"v1"` {
		t.Errorf("304: got %d %q %v", got.status, got.body, got.header)
	}
	if got := do("GET", "/api/moved", ""); got.status != 302 || got.header.Get("Location") != "http://shop.example.com/api/new" {
		t.Errorf("302: got %d %v", got.status, got.header)
	}
	if got := do("GET", "/api/broken", ""); got.status != 418 || got.header.Get("X-Method") != "GET" {
		t.Errorf("418: got %d %v", got.status, got.header)
	}
	if got := do("HEAD", "/api/x", ""); got.status != 200 || got.body != "" || ours && got.header.Get("Content-Length") != "30" {
		t.Errorf("HEAD: got %d %q, length %s", got.status, got.body, got.header.Get("Content-Length"))
	}
}

// TestHostIsService calls a service that a refer names, whose name is the Host, and whose method is the path.
func TestHostIsService(t *testing.T) {
	need(t, "curl")
	d := startMotand(t, outboundYAML(echoService, startPeerServer(t)))
	out, err := exec.Command("curl", "-s", "-H", "Host: "+echoService, "-d", `["world"]`, "http://"+d.addr("http")+"/hello").CombinedOutput()
	if err != nil || string(out) != `"hello world"` {
		t.Errorf("got %s, %v, want hello world", out, err)
	}
}

// TestForwardProxy lets programs use motand as their proxy for a host that is none of its domains, over TCP and over the unix
// socket that is open beside it.
func TestForwardProxy(t *testing.T) {
	site := webSite(t)
	d := startMotand(t, agentYAML+"  httpProxyUnixSock: {{.dir}}/http.sock\n  httpProxyAllow: \""+site+"\"\n"+emptyYAML)
	proxy, url := "http://"+d.addr("http"), "http://"+site+"/api/x?a=b"
	want := "POST " + site + " /api/x?a=b  c=d"
	for _, tt := range []struct {
		program string
		args    []string
	}{
		{"curl", []string{"-s", "-x", proxy, "-d", "c=d", url}},
		{"curl", []string{"-s", "--unix-socket", d.dir + "/http.sock", "-H", "Host: " + site, "-d", "c=d", "http://localhost/api/x?a=b"}},
		{"python3", []string{"-c", "import sys, urllib.request as u\no = u.build_opener(u.ProxyHandler({'http': sys.argv[1]}))\nprint(o.open(sys.argv[2], b'c=d').read().decode(), end='')", proxy, url}},
		{"php", []string{"-r", "echo file_get_contents($argv[2], false, stream_context_create(['http' => ['proxy' => str_replace('http', 'tcp', $argv[1]), 'request_fulluri' => true, 'method' => 'POST', 'header' => 'Content-Type: text/plain', 'content' => 'c=d']]));", "--", proxy, url}},
	} {
		need(t, tt.program)
		out, err := exec.Command(tt.program, tt.args...).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v, want %q", tt.program, out, err, want)
		}
	}
	await(t, "each request to be logged", func() bool { return strings.Count(d.Output(), "http-proxy") == 4 })
	if got := ask(t, "GET", "http://"+d.addr("http")+"/", ""); got.status != 200 || !strings.Contains(got.body, "/rpc/") {
		t.Errorf("the agent itself: got %d %q", got.status, got.body)
	}
	out, err := exec.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", proxy, "http://"+d.addr("mgmt")+"/status").CombinedOutput()
	if err != nil || string(out) != "400" {
		t.Errorf("the management port: got %s, %v, want 400", out, err)
	}
}

// TestConnect reaches a site over TLS through a tunnel, with what programs use for that. Without the key there is none, also after
// a reload that takes it away.
func TestConnect(t *testing.T) {
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String())
	}))
	t.Cleanup(site.Close)
	s := newSetup(t)
	d := startMotandIn(s, agentYAML+"  httpProxyConnect: \""+site.Listener.Addr().String()+"\"\n"+emptyYAML)
	proxy, url := "http://"+d.addr("http"), site.URL+"/x?y"
	for _, tt := range []struct {
		program string
		args    []string
	}{
		{"curl", []string{"-sk", "-x", proxy, url}},
		{"python3", []string{"-c", "import ssl, sys, urllib.request as u\no = u.build_opener(u.ProxyHandler({'https': sys.argv[1]}), u.HTTPSHandler(context=ssl._create_unverified_context()))\nprint(o.open(sys.argv[2]).read().decode(), end='')", proxy, url}},
		{"php", []string{"-r", "$c = curl_init($argv[2]); curl_setopt_array($c, [CURLOPT_PROXY => $argv[1], CURLOPT_SSL_VERIFYPEER => false, CURLOPT_SSL_VERIFYHOST => 0]); curl_exec($c);", "--", proxy, url}},
	} {
		need(t, tt.program)
		if out, err := exec.Command(tt.program, tt.args...).CombinedOutput(); err != nil || string(out) != "GET /x?y" {
			t.Errorf("%s: got %q, %v, want GET /x?y", tt.program, out, err)
		}
	}
	await(t, "the tunnels to be counted", func() bool {
		return d.metric("motand_http_tunnels_total") == 3 && d.metric("motand_http_tunnels") == 0 && d.metric("motand_http_tunnel_bytes_total", "direction", "received") > 0
	})
	await(t, "the tunnels to be logged", func() bool { return strings.Count(d.Output(), "CONNECT") == 3 })
	s.configure(agentYAML + emptyYAML)
	d.Signal(syscall.SIGHUP)
	await(t, "the reload", func() bool { return d.metric("motand_config_reloads_total", "outcome", "taken") == 1 })
	out, _ := exec.Command("curl", "-sk", "-o", "/dev/null", "-w", "%{http_connect}", "-x", proxy, url).CombinedOutput()
	if string(out) != "403" {
		t.Errorf("without the key: got %s, want 403", out)
	}
}

const emptyYAML = `
motan-registry:
  none: {protocol: local}
`
