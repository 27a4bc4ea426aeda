package conf_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

const effectiveYAML = `motan-agent:
  application: shop
  mport: 8003
  managementToken: s3cret
motan-registry:
  zk: {protocol: zookeeper, address: "zk1:2181", auth: "user:pw"}
motan-basicRefer:
  base: {registry: zk, requestTimeout: 900, group: g}
motan-refer:
  users:
    basicRefer: base
    path: com.example.Users
    retries: 2
    get(long).requestTimeout: 50
switcher: {a: true}
`

func settingsOf(t *testing.T, text string, o conf.Options) []conf.Setting {
	t.Helper()
	c, found := conf.Parse("motan.yaml", []byte(text), o)
	if c == nil {
		t.Fatal(found)
	}
	return c.Settings()
}

// Each value as it counts, and where it comes from.
func TestSettings(t *testing.T) {
	all := settingsOf(t, effectiveYAML, conf.Options{Port: 7777, LogDir: "/logs"})
	tests := []struct{ name, value, origin string }{
		{"motan-agent.application", "shop", "motan.yaml:2:16"},
		{"motan-agent.mport", "8003", "motan.yaml:3:10"},
		{"motan-agent.port", "7777", conf.OriginCommand},
		{"motan-agent.log_dir", "/logs", conf.OriginCommand},
		{"motan-agent.hport", "9983", conf.OriginDefault},
		{"motan-agent.managementToken", "***", "motan.yaml:4:20"},
		{"motan-registry.zk.protocol", "zookeeper", "motan.yaml:6:18"},
		{"motan-registry.zk.auth", "***", "motan.yaml:6:56"},
		{"motan-refer.users.requestTimeout", "900", "motan.yaml:8:40"}, // inherited
		{"motan-refer.users.group", "g", "motan.yaml:8:52"},
		{"motan-refer.users.retries", "2", "motan.yaml:13:14"},
		{"motan-refer.users.get(long).requestTimeout", "50", "motan.yaml:14:31"},
		{"motan-refer.users.loadbalance", "random", conf.OriginDefault},
		{"metrics.period", "5", conf.OriginDefault},
		{"switchers.a", "true", "motan.yaml:15:12"},
	}
	for _, tt := range tests {
		i := slices.IndexFunc(all, func(s conf.Setting) bool { return s.Name() == tt.name })
		if i < 0 {
			t.Errorf("%s: got nothing", tt.name)
			continue
		}
		if s := all[i]; s.Value != tt.value || s.Origin != tt.origin {
			t.Errorf("%s: got %s of %s, want %s of %s", tt.name, s.Value, s.Origin, tt.value, tt.origin)
		}
	}
	for _, s := range all {
		if strings.Contains(s.Value, "s3cret") || strings.Contains(s.Value, "user:pw") {
			t.Errorf("%s shows a secret: %s", s.Name(), s.Value)
		}
	}
}

func TestDifferences(t *testing.T) {
	before := settingsOf(t, effectiveYAML, conf.Options{})
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"a comment", "motan-agent:", "# hello\nmotan-agent:", nil},
		{"a value", "retries: 2", "retries: 3", []string{"~ motan-refer.users.retries: 2 -> 3  # motan.yaml:13:14"}},
		{"an inherited value", "requestTimeout: 900", "requestTimeout: 800", []string{"~ motan-refer.users.requestTimeout: 900 -> 800  # motan.yaml:8:40"}},
		{"a key that goes", "    get(long).requestTimeout: 50\n", "", []string{"- motan-refer.users.get(long).requestTimeout: 50  # motan.yaml:14:31"}},
		{"back to the default", "    retries: 2\n", "", []string{"~ motan-refer.users.retries: 2 -> 0  # default"}},
		{"a new entry", "switcher:", "  more: {path: com.example.More, registry: zk}\nswitcher:", []string{"+ motan-refer.more: com.example.More  # motan.yaml:15:16"}},
		{"an entry that goes", "  users:\n    basicRefer: base\n    path: com.example.Users\n    retries: 2\n    get(long).requestTimeout: 50\n", "", []string{"- motan-refer.users: com.example.Users  # motan.yaml:12:11"}},
		{"a switch", "{a: true}", "{a: false}", []string{"~ switchers.a: true -> false  # motan.yaml:15:12"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.old != "" && !strings.Contains(effectiveYAML, tt.old) {
				t.Fatalf("%q is not in the file", tt.old)
			}
			after := settingsOf(t, strings.Replace(effectiveYAML, tt.old, tt.new, 1), conf.Options{})
			var got []string
			for _, d := range conf.Differences(before, after) {
				got = append(got, d.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
