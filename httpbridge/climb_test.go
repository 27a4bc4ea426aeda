package httpbridge

import (
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// up are ways to write a path segment that leads up, each of which some program reads so.
var up = []string{
	"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25252e%25252e", "..;", "..;a=b", "..%3b", "..%00", "..%20", "%c0%ae%c0%ae", "\xc0\xae.",
}

// separators are ways to write what is around it.
var separators = []string{"/", `\`, "%2f", "%5c", "%252F", "%255c", "%c0%af"}

func TestClimbs(t *testing.T) {
	for _, dots := range up {
		for _, separator := range separators {
			for _, path := range []string{"/a" + separator + dots + separator + "b", "/a" + separator + dots, "/" + dots + separator + "a"} {
				if !climbs(path) {
					t.Errorf("%q does not climb", path)
				}
			}
		}
	}
	for _, path := range []string{
		"", "/", "/a", "/a.b/..c", "/...", "/a..b/", "/.", "/a/./b", "/a%20b", "/a%2eb", "/100%", "/%zz/%2", "/é/日本", "/a%2fb", "/a%252fb", "/x;y=..z", "/..a;/..%41", "/\xc0",
	} {
		if climbs(path) {
			t.Errorf("%q climbs", path)
		}
	}
}

// TestNoTraversal has calls fill the places of rewrite rules, of URL formats and of scripts' paths with what leads up. None reaches
// the web service: each is a 400, and counted.
func TestNoTraversal(t *testing.T) {
	w := newWeb(t, nil)
	stats := new(ProviderStats)
	rules := []Location{
		{Match: "/user", RewriteRules: []string{"regexpVar ^/user ^/user.* /users/{id}"}},
		{Match: "^/files/(.*)", Type: "regexp", RewriteRules: []string{"regexp ^/files ^/files/(.*) /public/$1"}},
		{Match: "/plain"},
	}
	proxy := newProvider(t, ProviderSettings{ProxyAddress: w.host(), Domain: "h", EnableRewrite: true, Locations: rules, Stats: stats})
	direct := newProvider(t, ProviderSettings{ProxyAddress: w.host(), Domain: "h", Stats: stats})
	format := newProvider(t, ProviderSettings{URLFormat: w.URL + "/api/%s", Stats: stats})
	fill := func(dots, separator string) string { return "a" + separator + dots + separator + "admin" }
	escape := strings.NewReplacer("%", "%25", `\`, "%5C", ";", "%3B", "\xc0", "%C0", "\xae", "%AE").Replace // as a query has it
	tests := []struct {
		name     string
		provider *Provider
		raw      bool
		method   func(s string) string
		query    func(s string) string
	}{
		{"variable", proxy, false, func(string) string { return "/user" }, func(s string) string { return "id=" + escape(s) }},
		{"variable, raw exchange", proxy, true, func(string) string { return "/user" }, func(s string) string { return "id=" + escape(s) }},
		{"capture", proxy, false, func(s string) string { return "/files/" + s }, nil},
		{"capture, raw exchange", proxy, true, func(s string) string { return "/files/" + s }, nil},
		{"no rule", proxy, false, func(s string) string { return "/plain/" + s }, nil},
		{"not rewritten", direct, false, func(s string) string { return "/" + s }, nil},
		{"URL format", format, false, func(s string) string { return s }, nil},
	}
	calls := int64(0)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, dots := range up {
				for _, separator := range separators {
					text := fill(dots, separator)
					metadata := []string{"M_m", tt.method(text)}
					query := ""
					if tt.query != nil {
						query = tt.query(text)
						metadata = append(metadata, "HTTP_QueryString", query)
					}
					calls++
					if !tt.raw {
						c := newCall(t, nil, metadata...)
						motan.Do(tt.provider, c)
						checkFailed(t, c, motan.KindBadRequest, 400, "leads up")
						continue
					}
					c := newCall(t, must(t, []byte("GET /x?"+query+" HTTP/1.1\r\nHost: h\r\n\r\n"), []byte(nil)), append(metadata, "HTTP_PROXY", "true")...)
					motan.Do(tt.provider, c)
					if head, _ := rawParts(t, c); !strings.HasPrefix(head, "HTTP/1.1 400 ") {
						t.Errorf("%q: got %q, want 400", text, head)
					}
				}
			}
		})
	}
	if len(w.asked) > 0 {
		t.Errorf("the web service was asked: %q", <-w.asked)
	}
	if got := stats.Climbs.Load(); got != calls {
		t.Errorf("counted: got %d, want %d", got, calls)
	}
}
