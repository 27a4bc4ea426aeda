package tests

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/httpbridge/fastcgi/fpmtest"
)

const siteHost = "site.example.com"

// startSite runs a motand that exports a site as the keys of its provider say, and one that requests for siteHost come to, as
// on another host. It returns the second one.
func startSite(t testing.TB, keys string) *daemon {
	t.Helper()
	const large = "maxContentLength: 33554432"
	locations := "\nhttp-locations:\n  " + siteHost + ":\n    - {match: /, upstream: site-web}\n"
	b := startMotand(t, agentYAML+"  "+large+`
motan-registry:
  mesh: {protocol: local}
motan-service:
  site: {path: site-web, group: web, protocol: motan2, registry: mesh, serialization: simple, requestTimeout: 40000, `+large+`,
    export: "motan2:{{.export}}", domain: `+siteHost+`, enableRewrite: false, `+keys+"}\n"+locations)
	return startMotand(t, agentYAML+"  "+large+"\n  httpProxyMaxRequestBodySize: 33554432\n"+`
motan-registry:
  mesh: {protocol: direct, address: "`+b.addr("export")+`"}
http-client:
  site: {domain: `+siteHost+`, path: site, group: web, registry: mesh, protocol: motan2, serialization: simple, requestTimeout: 40000, `+large+`, preload: site-web}
`+locations)
}

// startScript runs a provider of testdata/matrix that takes its port, or is served by "php -S", and returns its address.
func startScript(t testing.TB, program, script string) string {
	t.Helper()
	port := strconv.Itoa(freePort(t))
	args := []string{testdata(t, "matrix", script), port}
	if program == "php" {
		args = []string{"-d", "post_max_size=64M", "-d", "upload_max_filesize=64M", "-S", "127.0.0.1:" + port, testdata(t, "matrix", script)}
	}
	startProcess(t, script, t.TempDir(), program, args...)
	await(t, script+" to listen", func() bool { return listens("127.0.0.1:" + port) })
	return "127.0.0.1:" + port
}

// fpmSite is the provider's keys for a script of testdata/matrix as the site's only one.
func fpmSite(t testing.TB, script string, tcp bool) string {
	t.Helper()
	text, err := os.ReadFile(testdata(t, "matrix", script))
	if err != nil {
		t.Fatal(err)
	}
	fpm := fpmtest.Start(t, fpmtest.Options{TCP: tcp, Children: 4, Settings: []string{"php_admin_value[memory_limit] = 256M"}})
	fpm.Script("index.php", strings.TrimPrefix(string(text), "<?php\n"))
	host, port, _ := strings.Cut(fpm.Address, ":")
	if !tcp {
		host, port = "unix://"+fpm.Address, "1"
	}
	return fmt.Sprintf("provider: cgi, CGI_HOST: %q, CGI_PORT: %s, CGI_SCRIPT_FILENAME: %q, CGI_DOCUMENT_ROOT: %q", host, port, filepath.Join(fpm.Root, "index.php"), fpm.Root)
}

// sitePage is what a browser sees of a page.
type sitePage struct {
	status int
	header string // of those that the site sets, sorted
	body   []byte
}

// visitSite makes a request of the site at an address and follows nothing.
func visitSite(t testing.TB, addr, method, target string, body []byte, headers ...string) sitePage {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+addr+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = siteHost
	r.Header.Set("User-Agent", "browser")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer answer.Body.Close()
	got := sitePage{status: answer.StatusCode}
	if got.body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	if got.status == http.StatusNotModified {
		answer.Header.Del("Content-Type") // which PHP-FPM leaves out, and "php -S" does not
	}
	var lines []string
	for name, values := range answer.Header {
		if !slices.Contains([]string{"Date", "Connection", "Content-Length", "Server", "X-Powered-By", "Host", "Keep-Alive"}, name) {
			lines = append(lines, name+": "+strings.Join(values, " | "))
		}
	}
	slices.Sort(lines)
	got.header = strings.Join(lines, "\n")
	return got
}

// TestSite holds what browsers see of a PHP site through two agents, behind PHP-FPM and behind "php -S", to what they see
// without: the same status, headers and bytes.
func TestSite(t *testing.T) {
	need(t, "php")
	direct := startScript(t, "php", "shop.php")
	var upload bytes.Buffer
	form := multipart.NewWriter(&upload)
	_ = form.WriteField("name", "a picture") // a buffer takes everything
	file, err := form.CreateFormFile("async-upload", "東京.bin")
	if err != nil {
		t.Fatal(err)
	}
	picture := bytes.Repeat([]byte("\x00\xff\r\n--0123456789"), 10<<20/16)
	_, _ = file.Write(picture)
	_ = form.Close()
	login := url.Values{"log": {"ada"}, "pwd": {"s p&w"}}.Encode()
	visits := []struct {
		method, target string
		body           []byte
		headers        []string
	}{
		{"GET", "/2026/11/hello-world/?name=Ada%20%26%20Bob", nil, nil},
		{"HEAD", "/2026/11/hello-world/", nil, nil},
		{"GET", "/nowhere/", nil, nil},
		{"POST", "/wp-login.php", []byte(login), []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"GET", "/wp-admin/?welcome=1", nil, []string{"Cookie", "wordpress_logged_in=ada%7Cx; wp-settings=c%3D3"}},
		{"POST", "/wp-admin/async-upload.php", upload.Bytes(), []string{"Content-Type", form.FormDataContentType()}},
		{"POST", "/wp-json/raw", picture, []string{"Content-Type", "application/octet-stream"}},
		{"GET", "/wp-content/download", nil, nil},
		{"GET", "/feed/", nil, nil},
		{"GET", "/feed/", nil, []string{"If-None-Match", `"v7"`}},
		{"GET", "/gzip", nil, []string{"Accept-Encoding", "gzip"}},
	}
	providers := map[string]func(t *testing.T) string{
		"fpm on a socket": func(t *testing.T) string { t.Helper(); return fpmSite(t, "shop.php", false) },
		"fpm on a port":   func(t *testing.T) string { t.Helper(); return fpmSite(t, "shop.php", true) },
		"php -S":          func(t *testing.T) string { t.Helper(); return fmt.Sprintf("provider: http, proxyAddress: %q", direct) },
	}
	for name, keys := range providers {
		t.Run(name, func(t *testing.T) {
			d := startSite(t, keys(t))
			for _, v := range visits {
				t.Run(v.method+" "+v.target, func(t *testing.T) {
					got := visitSite(t, d.addr("http"), v.method, v.target, v.body, v.headers...)
					want := visitSite(t, direct, v.method, v.target, v.body, v.headers...)
					if got.status != want.status || !strings.EqualFold(got.header, want.header) {
						t.Errorf("got %d\n%s\nwant %d\n%s", got.status, got.header, want.status, want.header)
					}
					if !bytes.Equal(got.body, want.body) {
						t.Errorf("got %d bytes %.60q, want %d bytes %.60q", len(got.body), got.body, len(want.body), want.body)
					}
				})
			}
		})
	}
}
