package conf

import (
	"slices"
	"strings"
	"testing"
)

func TestKeyTable(t *testing.T) {
	all := Keys()
	if len(all) < 120 {
		t.Fatalf("got %d keys, want the whole table", len(all))
	}
	types := []Type{String, Bool, Int, Float, List, Port, Mapping, Items}
	seen := map[string]bool{}
	for i, k := range all {
		id := strings.Join(k.Sections, ",") + "/" + k.Name
		if k.Name == "" || len(k.Sections) == 0 || k.Description == "" || !slices.Contains(types, k.Type) {
			t.Errorf("%s: incomplete: %+v", id, k)
		}
		if k.Since != motanGo && k.Since != motand {
			t.Errorf("%s: got origin %q", id, k.Since)
		}
		if strings.HasSuffix(k.Description, ".") || strings.Contains(k.Description, "\n") {
			t.Errorf("%s: the description must be one line without a full stop", id)
		}
		if k.Default != "" {
			if text, _, ok := k.parse(k.Default); !ok || text != k.Default || k.belowMin(text) {
				t.Errorf("%s: the default %q is no canonical value of the key", id, k.Default)
			}
		}
		for _, s := range k.Sections {
			if seen[s+"/"+k.Name] {
				t.Errorf("%s is defined twice in %q", k.Name, s)
			}
			seen[s+"/"+k.Name] = true
		}
		if i > 0 && all[i-1].Sections[0] > k.Sections[0] {
			t.Errorf("%s is not in order", id)
		}
	}
}

func TestKeysGivesACopy(t *testing.T) {
	Keys()[0].Name = "changed"
	if Keys()[0].Name == "changed" {
		t.Error("the table was changed")
	}
}

func TestLookup(t *testing.T) {
	for _, test := range []struct {
		section, name, def string
		ok                 bool
	}{
		{sectionRefer, "errorCountThreshold", "10", true},
		{sectionService, "errorCountThreshold", "0", true},
		{sectionRefer, "proxyAddress", "", true}, // a service's key is known in a refer
		{sectionAgent, "proxyAddress", "", false},
		{sectionAgent, "port", "9981", true},
		{sectionRegistry, "port", "", true},
		{"nowhere", "port", "", false},
	} {
		k, ok := lookup(test.section, test.name)
		if ok != test.ok || k.Default != test.def {
			t.Errorf("%s.%s: got %q, %v, want %q, %v", test.section, test.name, k.Default, ok, test.def, test.ok)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b  string
		limit int
		want  int
	}{
		{"", "", 2, 0},
		{"abc", "abc", 2, 0},
		{"abc", "abd", 2, 1},
		{"abc", "acb", 2, 1},
		{"abc", "ab", 2, 1},
		{"ab", "abcd", 2, 2},
		{"ab", "abcde", 2, 3},
		{"kitten", "sitting", 9, 3},
		{"kitten", "sitting", 2, 3},
		{"größe", "grösse", 2, 2},
	} {
		if got := distance(test.a, test.b, test.limit); got != test.want {
			t.Errorf("%q, %q: got %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a, test.limit); got != test.want {
			t.Errorf("%q, %q: got %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestNear(t *testing.T) {
	known := []string{"path", "port", "registry", "requestTimeout"}
	for name, want := range map[string]string{
		"requestTimout": "requestTimeout", "REGISTRY": "registry", "prt": "port", "pth": "path",
		"ref": "", "a": "", "registries": "", "timeout": "", strings.Repeat("x", 1000): "",
	} {
		if got, ok := near(name, known); got != want && ok || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", name, got, ok, want)
		}
	}
}

func TestQuoteCutsAndEscapes(t *testing.T) {
	for text, want := range map[string]string{
		"a\"b\n":                 `"a\"b\n"`,
		"":                       `""`,
		strings.Repeat("ä", 50):  `"` + strings.Repeat("ä", 40) + `"...`,
		strings.Repeat("€", 100): `"` + strings.Repeat("€", 26) + `"...`,
	} {
		if got := quote(text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
