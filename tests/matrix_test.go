package tests

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const matrixBody = "a=b&c=東京 100%"

// siteClients are the programs that ask a site, each for a GET and a POST. URL, HOST and BODY stand for what they are given.
var siteClients = []struct {
	name, program, library string // library is what must run for the program to be of use; "" for nothing
	args                   []string
}{
	{"curl", "sh", "curl --version", []string{"-c", `curl -s -H "Host: HOST" 'URL'; echo; curl -s -H "Host: HOST" -H 'Content-Type: text/plain' --data-binary 'BODY' 'URL'; echo`}},
	{"PHP curl", "php", "php -r 'exit(function_exists(\"curl_init\") ? 0 : 1);'", []string{"SCRIPT/client_curl.php", "URL", "HOST", "BODY"}},
	{"PHP streams", "php", "", []string{"SCRIPT/client_streams.php", "URL", "HOST", "BODY"}},
	{"urllib", "python3", "", []string{"SCRIPT/client_urllib.py", "URL", "HOST", "BODY"}},
	{"requests", "python3", "python3 -c 'import requests'", []string{"SCRIPT/client_requests.py", "URL", "HOST", "BODY"}},
	{"Node", "node", "", []string{"SCRIPT/client.js", "URL", "HOST", "BODY"}},
}

// siteProviders are the programs that serve the site; keys starts one and returns the keys of its provider.
var siteProviders = []struct {
	name, program, library string
	keys                   func(t *testing.T) string
}{
	{"PHP-FPM", "php", "", func(t *testing.T) string { t.Helper(); return fpmSite(t, "index.php", false) }},
	{"php -S", "php", "", httpSite("php", "index.php")},
	{"http.server", "python3", "", httpSite("python3", "provider.py")},
	{"Flask", "python3", "python3 -c 'import flask'", httpSite("python3", "provider_flask.py")},
	{"Node", "node", "", httpSite("node", "provider.js")},
}

func httpSite(program, script string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return fmt.Sprintf("provider: http, proxyAddress: %q", startScript(t, program, script))
	}
}

// lacks skips the test where a command of sh fails, which looks for a library.
func lacks(t *testing.T, library string) {
	t.Helper()
	if library != "" && exec.Command("sh", "-c", library).Run() != nil {
		t.Skipf("skipped: %s fails here, and this test needs what it looks for", library)
	}
}

// TestMatrix has programs in every language ask for a site in every other, by HTTP at one agent and from another.
func TestMatrix(t *testing.T) {
	for _, p := range siteProviders {
		t.Run(p.name, func(t *testing.T) {
			need(t, p.program)
			lacks(t, p.library)
			d := startSite(t, p.keys(t))
			target := "/some/page?q=1&r=a%20b"
			want := "GET " + target + " \nPOST " + target + " " + matrixBody + "\n"
			fill := strings.NewReplacer("URL", d.url("http", target), "HOST", siteHost, "BODY", matrixBody, "SCRIPT", testdata(t, "matrix"))
			for _, c := range siteClients {
				t.Run(c.name, func(t *testing.T) {
					need(t, c.program)
					lacks(t, c.library)
					var args []string
					for _, arg := range c.args {
						args = append(args, fill.Replace(arg))
					}
					if got := run(t, 0, t.TempDir(), c.program, args...); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			}
			t.Run("wrk", func(t *testing.T) {
				need(t, "wrk")
				out := run(t, 0, t.TempDir(), "wrk", "-t", "2", "-c", "8", "-d", "1s", "-H", "Host: "+siteHost, d.url("http", target))
				if !regexp.MustCompile(`[1-9][0-9]* requests in `).MatchString(out) || strings.Contains(out, "Non-2xx") || strings.Contains(out, "Socket errors") {
					t.Errorf("got %s, want answers and no error", out)
				}
			})
		})
	}
}
