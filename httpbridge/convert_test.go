package httpbridge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// TestConvertRequest checks what the web service gets of a call in mode proxy, apart from the capture.
func TestConvertRequest(t *testing.T) {
	w := newWeb(t, nil)
	p := newProvider(t, ProviderSettings{Domain: "d.com", ProxyAddress: w.host(), EnableRewrite: true, HTTPRequestMethod: "POST", Locations: []Location{
		{Match: "/v", RewriteRules: []string{"regexpVar ^/v ^/v /users/{id}"}},
		{Match: "/"},
	}})
	tests := []struct {
		name string
		body []byte
		meta []string
		want string // without MOTAN-rid
	}{
		{"default verb", nil, []string{"M_m", "/a"}, "POST /a HTTP/1.1\r\nHost: d.com\r\nContent-Length: 0\r\nContent-Type: application/x-www-form-urlencoded\r\nMotan-M: /a\r\nUser-Agent: motan\r\n\r\n"},
		{
			"query, and arguments with it", simpleMap(t, "k k", "v&v"),
			[]string{"M_m", "/a", "HTTP_Method", "GET", "HTTP_QueryString", "x=1"},
			"GET /a?x=1&k+k=v%26v HTTP/1.1\r\nHost: d.com\r\nMotan-M: /a\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"cookies of motan-php", nil,
			[]string{"M_m", "/a", "HTTP_Method", "GET", "M_cookie_sid", "1"},
			"GET /a HTTP/1.1\r\nHost: d.com\r\nM_cookie_sid: 1\r\nMotan-M: /a\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"rewritten by the query", nil,
			[]string{"M_m", "/v", "HTTP_Method", "GET", "HTTP_QueryString", "id=7"},
			"GET /users/7?id=7 HTTP/1.1\r\nHost: d.com\r\nMotan-M: /v\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"form", simpleMap(t, "b", "2 2", "a", "&"),
			[]string{"M_m", "/a"},
			"POST /a HTTP/1.1\r\nHost: d.com\r\nContent-Length: 11\r\nContent-Type: application/x-www-form-urlencoded\r\nMotan-M: /a\r\nUser-Agent: motan\r\n\r\nb=2+2&a=%26",
		},
		{
			"empty map", simpleMap(t),
			[]string{"M_m", "/a", "content-type", "a/b"},
			"POST /a HTTP/1.1\r\nHost: d.com\r\nContent-Length: 0\r\nContent-Type: a/b\r\nMotan-M: /a\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"hosts", nil,
			[]string{"M_m", "/a", "HTTP_Method", "GET", "http_Host", "Other.com:8080", "host", "9.9.9.9"},
			"GET /a HTTP/1.1\r\nHost: Other.com:8080\r\nMotan-M: /a\r\nUser-Agent: motan\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n",
		},
		{
			"remoteIP before host", nil,
			[]string{"M_m", "/a", "HTTP_Method", "GET", "host", "9.9.9.9", "remoteIP", "8.8.8.8"},
			"GET /a HTTP/1.1\r\nHost: d.com\r\nMotan-M: /a\r\nRemoteip: 8.8.8.8\r\nUser-Agent: motan\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n",
		},
		{
			"forwarded already", nil,
			[]string{"M_m", "/a", "HTTP_Method", "GET", "host", "9.9.9.9", "x-forwarded-for", "7.7.7.7"},
			"GET /a HTTP/1.1\r\nHost: d.com\r\nMotan-M: /a\r\nUser-Agent: motan\r\nX-Forwarded-For: 7.7.7.7\r\n\r\n",
		},
		{
			"all Motan headers", nil,
			[]string{"HTTP_Method", "GET", "M_p", "p", "M_m", "/a", "M_md", "md", "M_g", "g", "M_pp", "pp", "M_v", "v", "M_mdu", "mdu", "M_s", "s", "M_rid", "1", "M_tmo", "2", "M_x", "x"},
			"GET /a HTTP/1.1\r\nHost: d.com\r\nM_x: x\r\nMotan-G: g\r\nMotan-M: /a\r\nMotan-Md: md\r\nMotan-Mdu: mdu\r\nMotan-P: p\r\nMotan-Pp: pp\r\nMotan-S: s\r\nMotan-Tmo: 2\r\nMotan-V: v\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"hop by hop and framing", nil,
			[]string{"M_m", "/a", "HTTP_Method", "GET", "Connection", "close", "http_Transfer-Encoding", "chunked", "Content-Length", "5", "http_Content-Length", "6", "Upgrade", "h2c", "TE", "x", "Expect", "100-continue", "http_connection", "x"},
			"GET /a HTTP/1.1\r\nHost: d.com\r\nMotan-M: /a\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"injection", nil,
			[]string{"M_m", "/a", "HTTP_Method", "GET", "x\r", "1", "x: y", "1", "k", "a\rX-Evil: 1\x00", "HTTP_QueryString", "a=1 HTTP/1.1\rX: y#z", "http_", "v", "M_s", "s\rX: y"},
			"GET /a?a=1%20HTTP/1.1%0DX:%20y%23z HTTP/1.1\r\nHost: d.com\r\nK: a X-Evil: 1\r\nMotan-M: /a\r\nMotan-S: s X: y\r\nUser-Agent: motan\r\n\r\n",
		},
		{
			"path with what ends a path", nil,
			[]string{"M_m", "/a?b#c d", "HTTP_Method", "GET"},
			"GET /a%3Fb%23c%20d HTTP/1.1\r\nHost: d.com\r\nMotan-M: /a?b#c d\r\nUser-Agent: motan\r\n\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, tt.body, tt.meta...)
			motan.Do(p, c)
			checkReply(t, c, must(t, []byte("webbody")))
			var lines []string
			for line := range strings.SplitAfterSeq(w.last(t), "\r\n") {
				if !strings.HasPrefix(line, "Motan-Rid: ") {
					lines = append(lines, line)
				}
			}
			if got := strings.Join(lines, ""); got != tt.want {
				t.Errorf("the web service got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestConvertRefused(t *testing.T) {
	w := newWeb(t, nil)
	rewriting := ProviderSettings{Domain: "d", ProxyAddress: w.host(), EnableRewrite: true, Locations: []Location{{Match: "/x"}}}
	tests := []struct {
		name string
		s    ProviderSettings
		meta []string
		kind motan.Kind
		code int
		want string
	}{
		{"no location", rewriting, nil, motan.KindNotFound, 404, "service not found"},
		{"no locations", ProviderSettings{Domain: "d", ProxyAddress: w.host(), EnableRewrite: true}, nil, motan.KindNotFound, 404, "service not found"},
		{"no Host", ProviderSettings{ProxyAddress: w.host()}, nil, motan.KindBadRequest, 503, "missing required Host header in request"},
		{"bad Host", ProviderSettings{ProxyAddress: w.host()}, []string{"http_Host", "a/b"}, motan.KindBadRequest, 400, "is not a host"},
		{"Host with a line break", ProviderSettings{ProxyAddress: w.host()}, []string{"http_host", "a\rX: y"}, motan.KindBadRequest, 400, "is not a host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, nil, append(tt.meta, "M_m", "/a")...)
			motan.Do(newProvider(t, tt.s), c)
			checkFailed(t, c, tt.kind, tt.code, tt.want)
			if c.Err.Type != motan.TypeBiz {
				t.Errorf("type: got %d, want %d", c.Err.Type, motan.TypeBiz)
			}
		})
	}
}

// TestConvertResponse checks the attachments that a response's headers become.
func TestConvertResponse(t *testing.T) {
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
		h := out.Header()
		h["Date"], h["Content-Type"] = nil, nil
		h.Add("X-Two", "1")
		h.Add("X-Two", "2")
		h.Set("M_e", `{"errcode":1}`)
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Connection", "close")
		out.WriteHeader(302)
	})
	c := newCall(t, nil, "M_m", "/a", "secret", "stays")
	motan.Do(newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: w.host()}), c)
	checkReply(t, c, must(t, []byte(nil)))
	got := without(metadata(&c.Reply), "M_pt")
	if len(got) != 3 || got["X-Two"] != "2" || got["upstreamCode"] != "302" || got["Content-Length"] != "0" {
		t.Errorf("got %v, want X-Two 2, upstreamCode 302 and Content-Length 0", got)
	}
}
