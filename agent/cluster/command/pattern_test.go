package command

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	tests := []struct {
		text     string
		match    []string
		mismatch []string
	}{
		{"*", []string{"com.a.S", "x"}, nil},
		{"com.a.S", []string{"com.a.S"}, []string{"com.a.S2", "com.a", "comxaxS"}},
		{"com.a.*", []string{"com.a.S", "com.a."}, []string{"com.a", "com.b.S"}},
		{"com.*.S", []string{"com.a.T"}, []string{"org.a.S"}}, // by prefix up to the first star
		{" com.a.S | com.b.* ", []string{"com.a.S", "com.b.T"}, []string{"com.c.S"}},
		{"com.* & !com.a.S", []string{"com.b"}, []string{"com.a.S", "org.b"}},
		{"a|b&c*", []string{"a", "b|no"}[:1], []string{"b", "c", "cat"}},
		{"!a&b", []string{"b"}, []string{"a", "c"}},
		{"!(a|b)", []string{"c"}, []string{"a", "b"}},
		{"!!a", []string{"a"}, []string{"b"}},
		{"((a))", []string{"a"}, []string{"b"}},
		{"$x_1", []string{"$x_1"}, []string{"x_1"}},
		// motan-go's forms, which are no expressions
		{"/2/short-url", []string{"/2/short-url", "/2/short-url/expand"}, []string{"/2/short"}},
		{"^com\\.(a|b)\\.S$", []string{"com.a.S", "com.b.S"}, []string{"com.c.S", "com.a.S2"}},
		{"com.a.S[12]", []string{"com.a.S1", "x.com.a.S2"}, []string{"com.a.S3"}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			p, err := ParsePattern(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range tt.match {
				if !p.Match(path) {
					t.Errorf("%q: got no match, want one", path)
				}
			}
			for _, path := range tt.mismatch {
				if p.Match(path) {
					t.Errorf("%q: got a match, want none", path)
				}
			}
			if p.String() != tt.text {
				t.Errorf("text: got %q, want %q", p, tt.text)
			}
		})
	}
	if (Pattern{}).Match("") {
		t.Error("the zero pattern matches")
	}
}

func TestPatternRefuses(t *testing.T) {
	for _, text := range []string{
		"", "  ", "(a", "a)(", "a||[", "!(", "[", "(?", strings.Repeat("(", 100), strings.Repeat("!", 100) + "(",
		strings.Repeat("a", maxPattern+1),
	} {
		if p, err := ParsePattern(text); err == nil {
			t.Errorf("%.20q: got %v, want an error", text, p)
		}
	}
}

// Whatever is read can be asked, and what is refused says why.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"clientCommandList":[]}`,
		`{"clientCommandList":[{"index":1,"commandType":0,"pattern":"com.*&!a","mergeGroups":["g:3","h"],"routeRules":["10.* to !10.1.*"]}]}`,
		`{"clientCommandList":[{"commandType":1,"pattern":"*"},{"commandType":2,"pattern":"a:true"}]}`,
		`{"clientCommandList":[null,1,{"pattern":"("}]}`,
		`{"trafficRules":[{"pattern":"com.*","rules":[{"name":"a","percent":5,"group":"b"}]}]}`,
		`{"trafficRules":[{"pattern":"*","rules":null},{"pattern":"("}]}`,
	} {
		f.Add(seed, "com.a.S", "10.1.2.3")
	}
	f.Fuzz(func(t *testing.T, text, path, host string) {
		l, err := Parse(text)
		if err != nil {
			if err.Error() == "" || len(l.Commands) > 0 {
				t.Errorf("got %d commands with error %q", len(l.Commands), err)
			}
			return
		}
		s := Set{Agent: l, Group: l}
		if c, ok := s.Traffic(path); ok {
			c.Keep(host, host)
			for _, g := range c.Groups {
				if g.Name == "" || g.Share() < 1 || g.Share() > 100 {
					t.Errorf("group %+v", g)
				}
			}
		}
		s.Degraded(path)
		s.Switches()
		for _, r := range l.Routings {
			r.Pattern.Match(path)
			if len(r.Rules) == 0 || l.RoutingsErr != nil {
				t.Errorf("got routing %+v with error %v", r, l.RoutingsErr)
			}
		}
	})
}
