package httpbridge

import (
	"strings"
	"testing"
)

func TestLocations(t *testing.T) {
	l, err := NewLocations([]Location{
		{Match: "/", Upstream: "root"},
		{Match: "/2/", Type: "start", Upstream: "two"},
		{Match: "/2/users/", Upstream: "users"},
		{Match: "^/2/u", Type: "regexp", Upstream: "first regexp"},
		{Match: `\.JSON$`, Type: "iregexp", Upstream: "json"},
		{Match: "/2/users/show.json", Type: "exact", Upstream: "exact"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{"/2/users/show.json", "exact"},
		{"/2/users/x", "first regexp"},
		{"/2/x.json", "json"},
		{"/2/x", "two"},
		{"/2", "root"},
		{"", ""},
		{"2/", ""},
	}
	for _, tt := range tests {
		if got, ok := l.Pick(tt.path); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Pick(%q): got %q, %t, want %q", tt.path, got, ok, tt.want)
		}
	}
	var none *Locations
	if _, ok := none.Pick("/"); ok {
		t.Error("no locations: got one")
	}
}

func TestRewrite(t *testing.T) {
	tests := []struct {
		name, rules       string // separated by |
		path, query, want string
	}{
		{"none", "", "/a", "", "/a"},
		{"group", "start / ^/2/(.*) /$1", "/2/users", "", "/users"},
		{"the rest is dropped", "start / /b /x", "/a/b/c", "", "/x"},
		{"the first that applies", "exact /n ^ /no|start /a ^/a$ /1|start /a ^/a(.*) /2$1", "/ab", "", "/2b"},
		{"condition does not hold", "start /b ^/(.*) /x/$1", "/a", "", "/a"},
		{"pattern is not found", "start /a ^/b /x", "/a", "", "/a"},
		{"not", "!regexp ^/2/.* ^/(.*) /2/$1", "/users", "", "/2/users"},
		{"not, and it holds", "!regexp ^/2/.* ^/(.*) /2/$1", "/2/users", "", "/2/users"},
		{"any case", "iregexp ^/ABC ^/(...) /$1/x", "/abc", "", "/abc/x"},
		{"pattern minds the case", "iregexp ^/ABC ^/ABC /x", "/abc", "", "/abc"},
		{"parameter", "regexpVar ^/u ^/u /users/{id}/{no-such}", "/u", "id=7&x=1", "/users/7/"},
		{"parameter, escaped", "regexpVar ^/u ^/u /{a}", "/u", "a=x%2Fy+z", "/x/y z"},
		{"parameter is not a template", "regexpVar ^/u ^/u /{a}", "/u", "a=$1%7Ba%7D", "/$1{a}"},
		{"no query", "regexpVar ^/u ^/u /{a}", "/u", "", "/{a}"},
		{"other types have no parameters", "regexp ^/u ^/u /{a}", "/u", "a=1", "/{a}"},
		{"wide spaces", "  start \t /   ^/a   /b ", "/a", "", "/b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := NewLocations([]Location{{Match: "/", RewriteRules: strings.Split(tt.rules, "|")}})
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := l.Rewrite(tt.path, []byte(tt.query)); !ok || got != tt.want {
				t.Errorf("got %q, %t, want %q", got, ok, tt.want)
			}
			if _, ok := l.Rewrite("x", nil); ok {
				t.Error("a path without location: got one")
			}
		})
	}
}

func TestLocationErrors(t *testing.T) {
	rule := func(text string) Location { return Location{Match: "/", RewriteRules: []string{"start / ^ /", text}} }
	tests := []struct {
		name     string
		location Location
		want     string
	}{
		{"type", Location{Match: "/", Type: "prefix"}, `type "prefix" is none of exact`},
		{"regexp", Location{Match: "(", Type: "regexp"}, "missing closing )"},
		{"iregexp", Location{Match: "[", Type: "iregexp"}, "missing closing ]"},
		{"empty prefix", Location{}, "write /"},
		{"words", rule("start / ^"), "rewrite rule 2 (\"start / ^\"): has 3 words, want 4"},
		{"rule type", rule("suffix / ^ /"), `type "suffix"`},
		{"rule without type", rule("! / ^ /"), "no type"},
		{"condition", rule("regexp ( ^ /"), "condition: "},
		{"pattern", rule("start / ( /"), "pattern: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewLocations([]Location{{Match: "/fine"}, tt.location})
			if err == nil || !strings.HasPrefix(err.Error(), "location 2 (") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want location 2 and %q", err, tt.want)
			}
		})
	}
}
