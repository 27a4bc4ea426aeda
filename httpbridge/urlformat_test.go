package httpbridge

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// TestURLFormatRequest checks what the web service gets of a call in mode URL format, apart from the capture.
func TestURLFormatRequest(t *testing.T) {
	w := newWeb(t, nil)
	p := newProvider(t, ProviderSettings{
		URLFormat: w.URL + "/api/%s.json",
		Methods: map[string]MethodSettings{
			"post":  {HTTPRequestMethod: "POST"},
			"fixed": {URLFormat: w.URL + "/fixed?a=1"},
			"query": {URLFormat: w.URL + "/q?m=%s&z=1"},
			"root":  {URLFormat: w.URL},
		},
	})
	only := newProvider(t, ProviderSettings{Methods: map[string]MethodSettings{"m": {URLFormat: w.URL + "/m"}}})
	other := newProvider(t, ProviderSettings{URLFormat: w.URL + "/a/%s", Methods: map[string]MethodSettings{"": {URLFormat: w.URL + "/b/%s", HTTPRequestMethod: "POST"}}})
	tests := []struct {
		name string
		p    *Provider
		body []byte
		meta []string
		want string // the request line, and the body
	}{
		{"map", p, simpleMap(t, "k k", "v&v", "a", "1"), []string{"M_m", "show"}, "GET /api/show.json?requestIdFromClient=9&k+k=v%26v&a=1 "},
		{"string", p, must(t, "a b"), []string{"M_m", "show"}, "GET /api/show.json?requestIdFromClient=9&a+b "},
		{"null", p, must(t, nil), []string{"M_m", "show"}, "GET /api/show.json?requestIdFromClient=9 "},
		{"M_rid", p, nil, []string{"M_m", "show", "M_rid", "-5"}, "GET /api/show.json?requestIdFromClient=-5 "},
		{"form, sorted", p, simpleMap(t, "z", "1", "a", "2 2"), []string{"M_m", "post"}, "POST /api/post.json  a=2+2&requestIdFromClient=9&z=1"},
		{"string in a form", p, must(t, "a b"), []string{"M_m", "post"}, "POST /api/post.json  a+b=&requestIdFromClient=9"},
		{"verb of the call", p, simpleMap(t, "z", "1"), []string{"M_m", "post", "HTTP_Method", "DELETE"}, "DELETE /api/post.json?requestIdFromClient=9&z=1 "},
		{"no place for the method", p, nil, []string{"M_m", "fixed"}, "GET /fixed?a=1&requestIdFromClient=9 "},
		{"place in the query", p, nil, []string{"M_m", "query"}, "GET /q?m=query&z=1&requestIdFromClient=9 "},
		{"no path", p, nil, []string{"M_m", "root"}, "GET /?requestIdFromClient=9 "},
		{"slashes stay", p, nil, []string{"M_m", "a/b//c"}, "GET /api/a/b//c.json?requestIdFromClient=9 "},
		{"method stays in its place", p, nil, []string{"M_m", "x?y=1#z %2e\r HTTP/1.1"}, "GET /api/x%3Fy=1%23z%20%252e%0D%20HTTP/1.1.json?requestIdFromClient=9 "},
		{"listed", only, nil, []string{"M_m", "m"}, "GET /m?requestIdFromClient=9 "},
		{"of all other methods", other, nil, []string{"M_m", "x"}, "POST /b/x  requestIdFromClient=9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, tt.body, tt.meta...)
			c.Request.ID = 9
			motan.Do(tt.p, c)
			checkReply(t, c, must(t, "webbody"))
			got := w.last(t)
			line, rest, _ := strings.Cut(got, "HTTP/1.1\r\nHost: ")
			_, body, _ := strings.Cut(rest, "\r\n\r\n")
			if body != "" {
				body = " " + body
			}
			if line+body != tt.want {
				t.Errorf("got %q, want %q in %q", line+body, tt.want, got)
			}
			if !strings.Contains(got, "Host: "+w.host()+"\r\n") || !strings.Contains(got, "Content-Type: "+formType+"\r\n") {
				t.Errorf("got %q, want Host and the type of a form", got)
			}
			if string(c.Reply.Get("M_m")) != tt.meta[1] || string(c.Reply.Get("upstreamCode")) != "200" {
				t.Errorf("reply metadata: got %v, want that of the request and upstreamCode", metadata(&c.Reply))
			}
		})
	}
	for method, want := range map[string]string{"..": "leads up", "../../admin": "leads up", "a/./b": "segment", ".": "segment"} {
		c := newCall(t, nil, "M_m", method)
		motan.Do(p, c)
		checkFailed(t, c, motan.KindBadRequest, 400, want)
	}
	c := newCall(t, nil, "M_m", "unknown")
	motan.Do(only, c)
	checkFailed(t, c, motan.KindNotFound, 404, "no URL_FORMAT for this method")
}

// TestURLFormatHeaders checks that all attachments become headers and that none breaks out.
func TestURLFormatHeaders(t *testing.T) {
	w := newWeb(t, nil)
	p := newProvider(t, ProviderSettings{URLFormat: w.URL})
	c := newCall(t, nil, "M_m", "m", "HTTP_Method", "GET", "M_cookie_a", "1", "k", "a\rX: 1", "x: y", "1", "Connection", "close",
		"Content-Length", "5", "Host", "evil", "Transfer-Encoding", "chunked", "User-Agent", "php", "remoteIP", "8.8.8.8")
	c.Request.ID = 1 << 63
	motan.Do(p, c)
	checkReply(t, c, must(t, "webbody"))
	want := "GET /?requestIdFromClient=-9223372036854775808 HTTP/1.1\r\nHost: " + w.host() + "\r\nAccept-Encoding: gzip\r\nContent-Type: " + formType +
		"\r\nHttp_method: GET\r\nK: a X: 1\r\nMotan-Cookie_a: 1\r\nMotan-M: m\r\nMotan-Rid: -9223372036854775808\r\nRemoteip: 8.8.8.8\r\nUser-Agent: php\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n"
	if got := w.last(t); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestURLFormatGzip(t *testing.T) {
	size := 500
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(out)
		_, _ = io.WriteString(z, strings.Repeat("x", size))
		_ = z.Close()
	})
	p := newProvider(t, ProviderSettings{URLFormat: w.URL, MaxContentLength: 1000})
	c := newCall(t, nil, "M_m", "m")
	motan.Do(p, c)
	checkReply(t, c, must(t, strings.Repeat("x", size)))
	if len(c.Reply.Get("Content-Encoding")) > 0 || len(c.Reply.Get("Content-Length")) > 0 {
		t.Errorf("got %v, want neither Content-Encoding nor Content-Length", metadata(&c.Reply))
	}
	asked := newCall(t, nil, "M_m", "m", "Accept-Encoding", "gzip")
	motan.Do(p, asked)
	if body := asked.Reply.Body(); len(body) < 10 || string(body[5:7]) != "\x1f\x8b" {
		t.Errorf("got %q, want gzip for a caller who asks for it", body)
	}
	size = 5000
	bomb := newCall(t, nil, "M_m", "m")
	motan.Do(p, bomb)
	checkFailed(t, bomb, motan.KindBroken, 503, "inflate")
}

// TestHTTPX checks what httpx does otherwise than URL format: its name, and that it follows nothing and asks for no gzip.
func TestHTTPX(t *testing.T) {
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) { http.Redirect(out, r, "/end", http.StatusFound) })
	c := newCall(t, nil, "M_m", "m")
	motan.Do(newProvider(t, ProviderSettings{URLFormat: w.URL + "/%s", HTTPX: true}), c)
	if c.Err != nil || string(c.Reply.Get("upstreamCode")) != "302" || string(c.Reply.Get("Location")) != "/end" {
		t.Errorf("got %v %v, want the redirect", c.Err, metadata(&c.Reply))
	}
	if got := w.last(t); !strings.Contains(got, "User-Agent: weibo-mesh-http\r\n") || strings.Contains(got, "Accept-Encoding") {
		t.Errorf("the web service got %q", got)
	}
}

// TestURLFormatRedirect checks that redirects are followed on the same host, and no further.
func TestURLFormatRedirect(t *testing.T) {
	elsewhere := newWeb(t, nil)
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/found":
			http.Redirect(out, r, "/end?b=1#part", http.StatusFound)
		case "/same":
			http.Redirect(out, r, "end", http.StatusTemporaryRedirect)
		case "/other":
			http.Redirect(out, r, elsewhere.URL+"/", http.StatusFound)
		case "/loop":
			http.Redirect(out, r, "/loop", http.StatusFound)
		case "/broken":
			out.Header().Set("Location", "http://[")
			out.WriteHeader(http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			_, _ = io.WriteString(out, r.Method+" "+r.RequestURI+" "+string(body))
		}
	})
	tests := []struct{ method, verb, status, body string }{
		{"found", "GET", "200", "GET /end?b=1 "},
		{"found", "POST", "200", "GET /end?b=1 "},
		{"other", "GET", "302", ""},
		{"loop", "GET", "302", ""},
		{"broken", "GET", "302", ""},
	}
	p := newProvider(t, ProviderSettings{URLFormat: w.URL + "/%s"})
	for _, tt := range tests {
		c := newCall(t, nil, "M_m", tt.method, "HTTP_Method", tt.verb)
		motan.Do(p, c)
		if c.Err != nil {
			t.Errorf("%s %s: %v", tt.verb, tt.method, c.Err)
			continue
		}
		if got := string(c.Reply.Get("upstreamCode")); got != tt.status {
			t.Errorf("%s %s: got %s, want %s", tt.verb, tt.method, got, tt.status)
		}
		if got := string(c.Reply.Body()); tt.body != "" && got != string(must(t, tt.body)) {
			t.Errorf("%s %s: got %q, want %q", tt.verb, tt.method, got, tt.body)
		}
	}
	c := newCall(t, nil, "M_m", "same", "HTTP_Method", "POST")
	c.Request.ID = 4
	motan.Do(p, c)
	checkReply(t, c, must(t, "POST /end requestIdFromClient=4"))
	if len(elsewhere.asked) > 0 {
		t.Errorf("another host was asked: %q", <-elsewhere.asked)
	}
}

// TestURLFormatHosts checks that formats of one host share its connections and others do not.
func TestURLFormatHosts(t *testing.T) {
	p := newProvider(t, ProviderSettings{URLFormat: "http://a.b/%s", Methods: map[string]MethodSettings{
		"x": {URLFormat: "http://a.b/x"}, "y": {URLFormat: "http://a.b:81/x"}, "z": {URLFormat: "https://a.b/x"}, "v6": {URLFormat: "http://[::1]/"},
	}})
	want := map[string]string{"http://a.b": "a.b:80", "http://a.b:81": "a.b:81", "https://a.b": "a.b:443", "http://[::1]": "[::1]:80"}
	if len(p.hosts) != len(want) {
		t.Errorf("got %d hosts, want %d", len(p.hosts), len(want))
	}
	for key, address := range want {
		if u := p.hosts[key]; u == nil || u.address != address || u.client.IsTLS != strings.HasPrefix(key, "https") {
			t.Errorf("%s: got %+v, want %s", key, u, address)
		}
	}
}
