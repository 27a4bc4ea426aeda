package conf

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

const trafficBase = `
motan-agent: {application: app}
motan-registry: {d: {protocol: direct, address: "127.0.0.1:1"}}
motan-refer:
  users: {path: com.example.Users, group: main, registry: d}
motan-traffic:
  users:
`

func TestTraffic(t *testing.T) {
	c, diagnostics := Parse("t.yaml", []byte(trafficBase+`
    - name: canary
      caller: shop-web, shop-job-*
      ip: 10.1.0.7, 10.2.0.0/16
      method: get*, is*
      metadata: {x-canary: "1", zone: [north, "~^s.*h$"]}
      argument: {user.id: "7*", "1.vip": "true"}
      sticky: argument:user.id
      group: canary:3,other
      nodes: {zone: north}
      fallback: false
      ramp.step: 10
      ramp.to: 50
      ramp.onError: hold
    - {name: rest, group: rw}
`), Options{})
	if c == nil {
		t.Fatal(diagnostics)
	}
	r := c.Traffic[0].Rules[0]
	want := Ramp{From: 10, Step: 10, To: 50, Every: 5 * time.Minute, ErrorPercent: 5, Calls: 100, Window: time.Minute, Hold: true}
	if *r.Ramp != want {
		t.Errorf("got ramp %+v, want %+v", *r.Ramp, want)
	}
	if r.Sticky != (Sticky{"0.user.id", true}) || r.Fallback || r.Percent != 100 || r.Nodes["zone"] != "north" {
		t.Errorf("got %+v", r)
	}
	if fmt.Sprint(r.Groups) != "[{canary 3} {other 1}]" || fmt.Sprint(r.Networks) != "[10.1.0.7/32 10.2.0.0/16]" {
		t.Errorf("got groups %v, networks %v", r.Groups, r.Networks)
	}
	if r.Arguments[0].Key != "0.user.id" || r.Arguments[1].Key != "1.vip" {
		t.Errorf("got arguments %v", r.Arguments)
	}
	if got := c.Traffic[0].Rules[1]; !got.Fallback || got.Ramp != nil {
		t.Errorf("got %+v, want the defaults", got)
	}
}

func TestTrafficPattern(t *testing.T) {
	tests := []struct{ text, begin, fits, not string }{
		{"get", "", "get", "getAll"},
		{"get*", "get", "getAll", "ge"},
		{"*", "", "anything", ""},
		{"~^get(A|B)", "get", "getB", "getC"},
		{"~get$", "", "forget", "gets"},
		{"~^(?i)get", "", "GET", "ge"},
		{"~^a|^b", "", "b", "c"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			rules, diagnostics := ParseTraffic("request", "users", fmt.Appendf(nil, `[{"name":"a","metadata":{"k":%q},"group":"g"}]`, tt.text))
			if rules == nil {
				t.Fatal(diagnostics)
			}
			p := rules[0].Metadata[0].Values[0]
			if p.Begin != tt.begin {
				t.Errorf("got beginning %q, want %q", p.Begin, tt.begin)
			}
			if !p.Match([]byte(tt.fits)) || tt.not != "" && p.Match([]byte(tt.not)) {
				t.Errorf("%q fits %t, want true; %q fits %t, want false", tt.fits, p.Match([]byte(tt.fits)), tt.not, p.Match([]byte(tt.not)))
			}
		})
	}
}

// Every rule in README.md can be written so.
func TestTrafficInReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Traffic\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rules := regexp.MustCompile("`(\\{name: .*?\\})`").FindAllStringSubmatch(section, -1)
	for _, rule := range rules {
		if got, diagnostics := ParseTraffic("README.md", "users", []byte("["+rule[1]+"]")); got == nil {
			t.Errorf("%s: %v", rule[1], diagnostics)
		}
	}
	if len(rules) < 14 {
		t.Errorf("got %d rules, want all", len(rules))
	}
}

func TestTrafficRefuses(t *testing.T) {
	many := strings.Builder{}
	for i := range maxTrafficRules + 1 {
		fmt.Fprintf(&many, "- {name: r%d}\n", i)
	}
	keys := strings.Builder{}
	for i := range maxTrafficKeys + 1 {
		fmt.Fprintf(&keys, "- {name: r%d, metadata: {k%d: v}}\n", i, i)
	}
	tests := []struct{ name, text, want string }{
		{"no list", "{name: a}", "must be a list"},
		{"no name", "- {group: g}", "a rule needs a name"},
		{"twice", "- {name: a}\n- {name: a}", "request:2:3: the name \"a\" is taken"},
		{"unknown key", "- {name: a, grop: g}", "request:1:13: unknown key \"grop\"; did you mean \"group\"?"},
		{"share", "- {name: a, percent: 101}", "from 0 to 100"},
		{"not a number", "- {name: a, percent: NaN}", "must be a number"},
		{"regexp", "- {name: a, metadata: {k: '~('}}", "no regular expression"},
		{"network", "- {name: a, ip: 10.1}", "neither an address nor a network"},
		{"sticky", "- {name: a, sticky: uid}", "metadata:key or argument:place"},
		{"weight", "- {name: a, group: 'g:0'}", "from 1 to 100"},
		{"group twice", "- {name: a, group: 'g:1,g:2'}", "there already"},
		{"metadata", "- {name: a, metadata: [k]}", "metadata is a mapping"},
		{"value", "- {name: a, metadata: {k: {}}}", "a text or a list of texts"},
		{"same place", "- {name: a, argument: {a: '1', 0.a: '2'}}", "the same place"},
		{"nodes", "- {name: a, nodes: {}}", "nodes is a mapping"},
		{"ramp nowhere", "- {name: a, ramp.step: 10}", "a ramp leads to a group"},
		{"ramp and share", "- {name: a, group: g, percent: 5, ramp.step: 10}", "write ramp.from"},
		{"ramp without step", "- {name: a, group: g, ramp.to: 10}", "no effect without ramp.step"},
		{"ramp down", "- {name: a, group: g, ramp.step: 1, ramp.from: 60, ramp.to: 50}", "above its end"},
		{"ramp too fast", "- {name: a, group: g, ramp.step: 1, ramp.every: 10}", "at least 1000 ms"},
		{"too many", many.String(), "1001 rules, at most 1000"},
		{"too many keys", keys.String(), "33 keys of metadata, at most 32"},
		{"empty", "", "there are no rules"},
		{"no YAML", "- {", "request:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules, diagnostics := ParseTraffic("request", "users", []byte(tt.text))
			if rules != nil || len(diagnostics) == 0 || !strings.Contains(fmt.Sprint(diagnostics), tt.want) {
				t.Errorf("got %d rules, %v, want none and %q", len(rules), diagnostics, tt.want)
			}
		})
	}
	c, diagnostics := Parse("t.yaml", []byte(trafficBase+"    - {name: a}\n  user: [{name: a}]\n"), Options{})
	if want := `no refer has the id "user"; did you mean "users"?`; c != nil || !strings.Contains(fmt.Sprint(diagnostics), want) {
		t.Errorf("got %v, want %q", diagnostics, want)
	}
}

// Whatever is taken can be asked, and what is refused says why.
func FuzzParseTraffic(f *testing.F) {
	for _, seed := range []string{
		"", `[{"name":"a","group":"b:3","metadata":{"k":"~^v"},"argument":{"x.y":["1","2*"]},"sticky":"metadata:uid"}]`,
		"- {name: a, ip: 10.0.0.0/8, ramp.step: 10, group: g}", "- &a {name: a}\n- *a", "- {<<: {name: b}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, diagnostics := ParseTraffic("request", "users", text)
		if rules == nil && len(diagnostics) == 0 && !strings.Contains(string(text), "[]") {
			t.Error("neither rules nor a word on why")
		}
		for _, r := range rules {
			for _, m := range r.Metadata {
				for _, p := range m.Values {
					p.Match(text)
				}
			}
		}
	})
}
