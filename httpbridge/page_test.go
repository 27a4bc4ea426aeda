package httpbridge

import (
	"bytes"
	"encoding/json"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

var pageCatalog = catalog{
	"com.example.Users": {
		Name: "com.example.Users", Description: `users of <b>"the shop"</b>`, Groups: []string{"north", "south"}, Get: []string{"get"},
		Methods: map[string][]Method{
			"get":  {{Name: "get", Signature: "long", Description: "one of them", Example: "[42]"}},
			"find": {{Name: "find", Signature: "int"}, {Name: "find", Signature: "java.lang.String"}},
		},
	},
	"quiet": {Name: "quiet", Groups: []string{"g"}},
}

func page(target string, lines ...string) string {
	head := "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:9983\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	return head + "\r\n"
}

const fromBrowser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"

// TestDescription checks what is told of a service before and after calls.
func TestDescription(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo), Catalog: pageCatalog})
	methods := func() map[string]methodDescription {
		t.Helper()
		got := ask(t, l.Dial, page("/rpc/com.example.Users"))
		var d description
		if err := json.Unmarshal([]byte(got.body), &d); err != nil || got.status != 200 || d.Name != "com.example.Users" || len(d.Groups) != 2 {
			t.Fatalf("got %d %s (%v), want a description", got.status, got.body, err)
		}
		all := map[string]methodDescription{}
		for _, m := range d.Methods {
			all[m.Name+"("+m.Signature+")"] = m
		}
		return all
	}
	const base = "http://127.0.0.1:9983/rpc/com.example.Users/"
	before := methods()
	if len(before) != 3 {
		t.Errorf("got %v, want three methods", before)
	}
	for name, want := range map[string]methodDescription{
		"get(long)": {
			Name: "get", Signature: "long", Description: "one of them", Arguments: "[42]", Get: true,
			Command: `curl -s -H 'MOTAN-g: north' -d '[42]' ` + base + "get",
		},
		"find(int)": {Name: "find", Signature: "int", Command: `curl -s -H 'MOTAN-g: north' -H 'MOTAN-md: int' -d '[]' ` + base + "find"},
	} {
		if before[name] != want {
			t.Errorf("%s: got %+v, want %+v", name, before[name], want)
		}
	}

	for range 3 {
		ask(t, l.Dial, post("/rpc/com.example.Users/get", `[7]`))
		ask(t, l.Dial, post("/rpc/com.example.Users/it's", `["secret",{"name":"secret","id":{"$type":"int32","value":5}}]`))
	}
	ask(t, l.Dial, post("/rpc/com.example.Users/broken", `[`))
	ask(t, l.Dial, post("/rpc/quiet/other", `[]`))
	after := methods()
	if m := after["get(long)"]; !m.Seen || m.Answer != "1" || m.Arguments != "[42]" {
		t.Errorf("get: got %+v, want it seen with an answer", m)
	}
	want := methodDescription{
		Name: "it's", Seen: true, Arguments: `["text",{"name":"text","id":{"$type":"int32","value":1}}]`, Answer: "",
		Command: `curl -s -H 'MOTAN-g: north' -d '["text",{"name":"text","id":{"$type":"int32","value":1}}]' http://127.0.0.1:9983/rpc/com.example.Users/it%27s`,
	}
	got := after["it's()"]
	got.Answer = ""
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(after) != 4 {
		t.Errorf("got %v, want one method more", after)
	}
}

func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{"a/b:1%2F": "a/b:1%2F", "a b": "'a b'", "it's $HOME": `'it'\''s $HOME'`} {
		if got := quoted(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestIndexOfServices(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo), Catalog: pageCatalog})
	for _, target := range []string{"/rpc/", "/rpc"} {
		got := ask(t, l.Dial, page(target, "Accept: */*"))
		var x index
		if err := json.Unmarshal([]byte(got.body), &x); err != nil || len(x.Services) != 2 || got.headers.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s (%v), want two services in JSON", target, got.status, got.body, err)
		}
	}
	checkError(t, ask(t, l.Dial, page("/rpc/none")), 404, "GET /rpc/")
	checkError(t, ask(t, l.Dial, page("/rpc/%0a")), 400, "control")
}

// TestWithoutCatalog tells of what calls have shown.
func TestWithoutCatalog(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo)})
	checkError(t, ask(t, l.Dial, page("/rpc/s")), 404, "nobody")
	ask(t, l.Dial, post("/rpc/s/m", `["x"]`))
	if got := ask(t, l.Dial, page("/rpc/s")); got.status != 200 || !strings.Contains(got.body, `"method": "m"`) {
		t.Errorf("got %d %s, want the method", got.status, got.body)
	}
	if got := ask(t, l.Dial, page("/rpc/")); !strings.Contains(got.body, `"describe": "/rpc/s"`) {
		t.Errorf("got %s, want the service", got.body)
	}
}

// TestPages checks what a browser gets.
func TestPages(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo), Catalog: pageCatalog})
	for target, want := range map[string]string{
		"/rpc/":                  `href="/rpc/com.example.Users"`,
		"/rpc/com.example.Users": `users of &lt;b&gt;&#34;the shop&#34;&lt;/b&gt;`,
		"/rpc/quiet":             "No method is known yet",
	} {
		got := ask(t, l.Dial, page(target, fromBrowser, "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"))
		if got.status != 200 || got.headers.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.body, want) {
			t.Errorf("%s: got %d %v %s, want a page with %s", target, got.status, got.headers, got.body, want)
		}
		if policy := got.headers.Get("Content-Security-Policy"); policy != pagePolicy {
			t.Errorf("%s: got the policy %q", target, policy)
		}
		if strings.Contains(got.body, "<script") || strings.Contains(got.body, "src=") || strings.Contains(got.body, "<link") {
			t.Errorf("%s: the page is not whole by itself: %s", target, got.body)
		}
	}
}

// TestWhoMayLook keeps pages of other sites out, by whatever name they reach this host.
func TestWhoMayLook(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo), Catalog: pageCatalog})
	navigate, fetch := "Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: cors"
	for _, tt := range []struct {
		name, host string
		lines      []string
		status     int
	}{
		{"a program", "agent.example.com", nil, 200},
		{"an address typed in", "127.0.0.1:9983", []string{"Sec-Fetch-Site: none", navigate}, 200},
		{"a link of the page itself", "localhost:9983", []string{"Sec-Fetch-Site: same-origin", navigate}, 200},
		{"a link elsewhere", "[::1]:9983", []string{"Sec-Fetch-Site: cross-site", navigate}, 200},
		{"a name that a site may have", "evil.example", []string{"Sec-Fetch-Site: none", navigate}, 403},
		{"a script of such a site", "evil.example", []string{"Sec-Fetch-Site: same-origin", fetch}, 403},
		{"a script", "127.0.0.1:9983", []string{"Sec-Fetch-Site: cross-site", fetch, "Origin: http://evil.example"}, 403},
		{"an origin alone", "127.0.0.1:9983", []string{"Origin: null"}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := strings.Replace(page("/rpc/", tt.lines...), "127.0.0.1:9983", tt.host, 1)
			if got := ask(t, l.Dial, raw); got.status != tt.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.status)
			}
		})
	}
}

// TestPageInBrowser has a real browser show the pages.
func TestPageInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("skipped: chromium is not installed, and this test looks at pages with it")
	}
	addr := serveTCP(t, &Server{Handler: motan.HandlerFunc(echo), Catalog: pageCatalog})
	dial := func() (net.Conn, error) { return net.Dial("tcp", addr) }
	ask(t, dial, post("/rpc/com.example.Users/seen", `["x"]`))
	run := func(args ...string) string {
		t.Helper()
		args = append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		}, args...)
		out, err := exec.CommandContext(t.Context(), browser, args...).Output()
		if err != nil {
			t.Fatalf("chromium: %v", err)
		}
		return string(out)
	}
	if dom := run("--dump-dom", "http://"+addr+"/rpc/"); !strings.Contains(dom, "com.example.Users</h3>") || !strings.Contains(dom, "4 methods known") {
		t.Errorf("the index shows %s", dom)
	}
	if dom := run("--dump-dom", "http://"+addr+"/rpc/com.example.Users"); !strings.Contains(dom, "seen in calls") || !strings.Contains(dom, "MOTAN-g: north") {
		t.Errorf("the service's page shows %s", dom)
	}
	picture := filepath.Join(t.TempDir(), "page.png")
	run("--window-size=1000,800", "--screenshot="+picture, "http://"+addr+"/rpc/com.example.Users")
	painted, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(painted))
	if err != nil {
		t.Fatal(err)
	}
	colours := map[[3]uint32]bool{}
	for x := range img.Bounds().Dx() {
		for y := range img.Bounds().Dy() {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	if len(colours) < 20 {
		t.Errorf("the picture has %d colours: nothing is painted", len(colours))
	}
}
