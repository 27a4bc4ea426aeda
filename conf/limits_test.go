package conf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// numbered repeats a line with a number in it.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// What a file can multiply by lists and inheritance is bounded.
func TestLimits(t *testing.T) {
	for _, test := range []struct{ name, yaml, message string }{
		{"keys of an entry", "motan-refer:\n  a:\n    path: p\n" + numbered(1001, "    k%d: x\n"), "more than 1000 keys in an entry"},
		{"groups of an entry", "motan-refer:\n  a:\n    path: p\n    group: " + numbered(1001, "g%d,") + "\n", "1000 at most"},
		{"filters of an entry", "motan-refer:\n  a:\n    path: p\n    filter: " + numbered(52, "f%d,") + "\n", "50 at most"},
		{
			"entries", "motan-basicRefer:\n  b:\n    group: " + numbered(999, "g%d,") + "\nmotan-refer:\n" + numbered(110, "  a%[1]d: {path: p%[1]d, basicRefer: b}\n"),
			"motan-refer has more than 100000 entries",
		},
		{
			"exports", "motan-basicService:\n  b:\n    proxy: 1\n    group: " + numbered(999, "g%d,") + "\nmotan-service:\n" + numbered(110, "  a%[1]d: {path: p%[1]d, basicService: b}\n"),
			"motan-service has more than 100000 entries",
		},
		{
			"inherited keys", "motan-basicRefer:\n  b:\n" + numbered(990, "    k%d: x\n") + "motan-refer:\n" + numbered(2100, "  a%[1]d: {path: p%[1]d, basicRefer: b}\n"),
			"or 2000000 in all",
		},
		{"regular expressions", "http-locations:\n  d:\n" + numbered(10001, "    - {match: ^/%d, upstream: s, type: regexp}\n"), "more than 10000 regular expressions"},
		{"values", "a: [" + strings.Repeat("a,", 1_000_001) + "]\n", "more than 1000000 values"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, found := conf.Parse("x.yaml", []byte(test.yaml), conf.Options{})
			if cfg != nil {
				t.Error("got a Config")
			}
			for _, d := range found {
				if d.Severity == conf.Error && strings.Contains(d.Message, test.message) {
					return
				}
			}
			t.Errorf("no error with %q in %d diagnostics", test.message, len(found))
		})
	}
}

func TestMessagesAreShort(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, text := range []string{
		"motan-agent:\n  " + long[:900] + ": 1\n",
		"motan-agent:\n  port: " + long + "\n",
		long[:900] + ": 1\n",
		"motan-refer:\n  a: {path: p, registry: " + long + "}\n",
	} {
		_, found := conf.Parse("x.yaml", []byte(text), conf.Options{})
		if len(found) != 1 || len(found[0].Message) > 400 {
			t.Errorf("got %d diagnostics, want a short one for %.40q", len(found), text)
		}
	}
}

func TestMeshRegistry(t *testing.T) {
	known := conf.Known{Registries: []string{"mesh"}}
	cfg, found := conf.Parse("x.yaml", []byte("motan-registry:\n  a: {protocol: mesh, host: h, port: 1}\n"), conf.Options{Known: known})
	if cfg != nil || len(found) != 1 || !strings.Contains(found[0].Message, "has no proxyRegistry") {
		t.Errorf("got %v:\n%s", cfg, lines(found))
	}
	cfg, found = conf.Parse("x.yaml", []byte("motan-registry:\n  a: {protocol: mesh, host: h, port: 1, proxyRegistry: 'zookeeper://h:2181'}\n"), conf.Options{Known: known})
	if cfg == nil {
		t.Fatal(lines(found))
	}
	check(t, "proxyRegistry", cfg.Registries[0].ProxyRegistry, "zookeeper://h:2181")
	check(t, "place of a key that is not written", cfg.Registries[0].At("address").String(), "x.yaml:2:3")
}

func TestTexts(t *testing.T) {
	check(t, "severities", conf.Error.String()+" "+conf.Warning.String(), "error warning")
	check(t, "protocol and port", conf.ProtocolPort{Protocol: "motan2", Port: 1}.String(), "motan2:1")
	check(t, "no place", conf.Position{}.String(), "-")
	check(t, "file", conf.Position{File: "f"}.String(), "f")
	check(t, "place", conf.Position{File: "f", Line: 2, Column: 3}.String(), "f:2:3")
}
