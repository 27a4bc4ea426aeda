package conf_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

func TestRegistries(t *testing.T) {
	cfg := load(t, `
motan-registry:
  b: {protocol: zk, address: "h1:2181, h2:2181/chroot", requestTimeout: 7, custom: x}
  a: {protocol: direct, host: "::1", port: 1, address: "other:2", group: g}
  c: {protocol: file, file: nodes.yaml}
  d: {protocol: direct, address: unix:///run/a}
motan-refer:
  r: {path: p, registry: "a, b"}
`, conf.Options{})
	var order []string
	for _, r := range cfg.Registries {
		order = append(order, r.ID)
	}
	check(t, "order", order, []string{"b", "a", "c", "d"})
	b, a := cfg.Registry("b"), cfg.Registry("a")
	check(t, "protocol", b.Protocol, "zookeeper")
	check(t, "list", b.Address, []string{"h1:2181", "h2:2181/chroot"})
	check(t, "timeouts", []time.Duration{b.SessionTimeout, b.RequestTimeout, b.ConnectTimeout}, []time.Duration{30 * time.Second, 7 * time.Millisecond, time.Second})
	check(t, "parameters", b.Params, map[string]string{"address": "h1:2181, h2:2181/chroot", "requestTimeout": "7", "custom": "x", "nodeForm": "plain"})
	check(t, "place", b.At("custom").String(), "x.yaml:3:84")
	check(t, "host and port win", a.Address, []string{"[::1]:1"})
	check(t, "group", a.Group, "g")
	check(t, "file", cfg.Registry("c").Path, "nodes.yaml")
	check(t, "socket", cfg.Registry("d").Address, []string{"unix:///run/a"})
	check(t, "refer", cfg.Refers[0].Registries, []string{"a", "b"})
	if cfg.Registry("e") != nil {
		t.Error("got a registry that is not defined")
	}
}

func TestShrinkKeys(t *testing.T) {
	for _, test := range []struct {
		keys string
		want conf.Shrink
	}{
		{"", conf.Shrink{Protection: true, Threshold: 50, Grace: 10 * time.Minute}},
		{", shrink_protection: false", conf.Shrink{Threshold: 50, Grace: 10 * time.Minute}},
		{", shrink_threshold: 80, shrink_grace: 5000", conf.Shrink{Protection: true, Threshold: 80, Grace: 5 * time.Second}},
	} {
		cfg := load(t, "motan-registry:\n  a: {protocol: zk, host: h, port: 1"+test.keys+"}\n", conf.Options{})
		check(t, "shrink"+test.keys, cfg.Registries[0].Shrink, test.want)
	}
	for _, bad := range []string{"shrink_threshold: 0", "shrink_threshold: 100", "shrink_grace: 0", "shrink_protection: perhaps"} {
		_, found := conf.Parse("x.yaml", []byte("motan-registry:\n  a: {protocol: zk, host: h, port: 1, "+bad+"}\n"), conf.Options{})
		if !strings.Contains(fmt.Sprint(found), "shrink_") {
			t.Errorf("%s: got %v, want an error", bad, found)
		}
	}
}

func TestRegistryWithoutAWord(t *testing.T) {
	for _, test := range []struct {
		name, yaml, want string
		implicit         bool
	}{
		{"none", "motan-refer: {r: {path: p}}\n", "local", true},
		{"none, named", "motan-refer: {r: {path: p, registry: local}}\n", "local", true},
		{"empty section", "motan-registry:\nmotan-refer: {r: {path: p}}\n", "local", true},
		{"one", "motan-registry: {a: {protocol: local}}\nmotan-refer: {r: {path: p}}\n", "a", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := load(t, test.yaml, conf.Options{})
			check(t, "registries", cfg.Refers[0].Registries, []string{test.want})
			check(t, "parameter", cfg.Refers[0].Params["registry"], test.want)
			check(t, "implicit", cfg.Registry(test.want).Implicit, test.implicit)
		})
	}
}

func TestSessionTimeout(t *testing.T) {
	for _, test := range []struct {
		written string
		want    time.Duration
		warns   bool
	}{
		{"30", 30 * time.Second, false},
		{"4", 4 * time.Second, false},
		{"60", 60 * time.Second, false},
		{"1", 4 * time.Second, true},
		{"999", 60 * time.Second, true},
		{"1000", 4 * time.Second, true},
		{"10000", 10 * time.Second, true},
		{"60000", 60 * time.Second, true},
		{"3600000", 60 * time.Second, true},
		{"0", 30 * time.Second, true},
	} {
		t.Run(test.written, func(t *testing.T) {
			cfg, found := conf.Parse("x.yaml", []byte("motan-registry:\n  a: {protocol: zk, host: h, port: 1, registrySessionTimeout: "+test.written+"}\n"), conf.Options{})
			if cfg == nil {
				t.Fatal(lines(found))
			}
			check(t, "timeout", cfg.Registries[0].SessionTimeout, test.want)
			check(t, "warned", len(found) > 0, test.warns)
		})
	}
}

func TestLocations(t *testing.T) {
	cfg := load(t, `
http-locations:
  d:
    - {match: /a, upstream: s}
    - match: ^/B
      type: iregexp
      upstream: s2
      rewriteRules:
        - "!regexp ^/2/.*  ^/(.*) /2/$1"
        - ""
        - "start / ^/x /{name}"
    - {match: ^/c, type: regexp, upstream: s3}
  e:
`, conf.Options{})
	if cfg.Locations("nobody") != nil || cfg.Locations("e") != nil {
		t.Error("got locations of a domain without any")
	}
	l := cfg.Locations("d")
	if len(l) != 3 {
		t.Fatalf("got %d locations, want 3", len(l))
	}
	check(t, "default type", l[0].Type, conf.MatchStart)
	check(t, "place", l[0].Position.String(), "x.yaml:4:7")
	check(t, "no expression", l[0].Regexp == nil, true)
	check(t, "iregexp", l[1].Regexp.MatchString("/b"), true)
	check(t, "regexp", []bool{l[2].Regexp.MatchString("/c"), l[2].Regexp.MatchString("/C")}, []bool{true, false})
	if len(l[1].Rewrites) != 2 {
		t.Fatalf("got %d rules, want 2", len(l[1].Rewrites))
	}
	r := l[1].Rewrites[0]
	check(t, "rule", []any{r.Not, r.Type, r.Condition, r.Replacement}, []any{true, conf.MatchRegexp, "^/2/.*", "/2/$1"})
	check(t, "rule's expressions", []bool{r.ConditionRegexp.MatchString("/2/x"), r.Pattern.MatchString("/y")}, []bool{true, true})
	check(t, "rule's place", r.Position.String(), "x.yaml:9:11")
	check(t, "no condition's expression", l[1].Rewrites[1].ConditionRegexp == nil, true)
}

func TestHTTPClient(t *testing.T) {
	cfg := load(t, `
motan-basicRefer:
  b: {group: g, loadbalance: roundrobin}
http-client:
  c: {basicRefer: b, domain: d.example.com, preload: "s1, s2", requestTimeout: 5}
`, conf.Options{})
	h := cfg.HTTPClients[0]
	check(t, "domain", h.Domain, "d.example.com")
	check(t, "preload", h.Preload, []string{"s1", "s2"})
	check(t, "inherited", []string{h.Group, h.LoadBalance}, []string{"g", "roundrobin"})
	check(t, "timeout", h.RequestTimeout, 5*time.Millisecond)
}

func TestHTTPServices(t *testing.T) {
	cfg := load(t, `
motan-service:
  s: {path: p, provider: http}
http-service:
  s:
    "find, list": {URL_FORMAT: "http://h/x"}
    http_default_motan_method: {URL_FORMAT: "http://h/%s", HTTP_REQUEST_METHOD: POST}
`, conf.Options{})
	check(t, "id", cfg.HTTPServices[0].ID, "s")
	var got [][]string
	for _, m := range cfg.HTTPServices[0].Methods {
		got = append(got, []string{m.Name, m.URLFormat, m.RequestMethod})
	}
	check(t, "methods", got, [][]string{{"find", "http://h/x", "GET"}, {"list", "http://h/x", "GET"}, {"", "http://h/%s", "POST"}})
}

func TestMetricsAndSwitchers(t *testing.T) {
	cfg := load(t, `
metrics:
  period: 7
  GRAPHITE:
    - {Name: x, host: h, PORT: 3333}
switcher: {a: on, b: false, c: 30% for shop, d: ""}
switchers: {b: yes}
`, conf.Options{})
	check(t, "period", cfg.Metrics.Period, 7*time.Second)
	check(t, "processor", cfg.Metrics.Processor, 1)
	g := cfg.Metrics.Graphite[0]
	check(t, "receiver", []any{g.Name, g.Host, g.Port}, []any{"x", "h", 3333})
	on := map[string]string{}
	for _, s := range cfg.Switchers {
		on[s.Name] = s.Value
	}
	check(t, "switchers", on, map[string]string{"a": "true", "b": "true", "c": "30% for shop"})

	cfg = load(t, "motan-agent: {}\n", conf.Options{})
	check(t, "default period", cfg.Metrics.Period, 5*time.Second)
}

// The messages that leave a Config.
func TestWarnings(t *testing.T) {
	for _, test := range []struct{ name, yaml, at, message string }{
		{"near a known key", "motan-refer:\n  a: {path: p, requestTimout: 1}\n", "2:16", `unknown key "requestTimout"; did you mean "requestTimeout"?`},
		{"case", "motan-refer:\n  a: {path: p, LOADBALANCE: x}\n", "2:16", `did you mean "loadbalance"?`},
		{"key of a method", "motan-refer:\n  a: {path: p, get().retrys: 1}\n", "2:16", `did you mean "retries"?`},
		{"not for methods", "motan-refer:\n  a: {path: p, get().loadbalance: random}\n", "2:16", `"loadbalance" cannot be set for one method`},
		{"basic", "motan-basicRefer:\n  a: {reties: 1}\n", "2:7", `did you mean "retries"?`},
		{"registry", "motan-registry:\n  a: {protocol: local, addrss: x}\n", "2:24", `did you mean "address"?`},
		{"no effect", "motan-refer:\n  a: {path: p, maxClientConnection: 1}\n", "2:16", `"maxClientConnection" has no effect`},
		{"no effect in a registry", "motan-registry:\n  a: {protocol: local, registryRetryPeriod: 1}\n", "2:24", "has no effect"},
		{"list as parameter", "motan-refer:\n  a: {path: p, custom: [1]}\n", "2:24", "cannot be carried as a parameter"},
		{"quoted port", "motan-agent:\n  port: \"19981\"\n", "2:9", "write port: 19981"},
		{"port 0", "motan-agent:\n  port: 0\n", "2:9", "port: 0 stands for the default here, 9981"},
		{"timeout 0", "motan-refer:\n  a: {path: p, requestTimeout: -1}\n", "2:32", "stands for the default here, 1000"},
		{"filter", "motan-refer:\n  a: {path: p, filter: acessLog}\n", "2:24", `unknown filter "acessLog"; did you mean "accessLog"?`},
		{"global filter", "motan-agent:\n  globalFilter: x\nmotan-refer:\n  a: {path: p}\n", "2:17", `unknown filter "x"`},
		{"extension's section", "testextconf:\n  foo: x\n", "1:1", `section "testextconf" is not known and has no effect`},
		{"server's section", "motan-server:\n  log_dir: x\n", "1:1", "has no effect in an agent"},
		{"basicRefer in a service", "motan-service:\n  a: {path: p, proxy: 1, basicRefer: x}\n", "2:26", "write basicService"},
		{"basicRefer in a basicRefer", "motan-basicRefer:\n  a: {basicRefer: b}\n", "2:7", "inherits nothing"},
		{"import in a file", "motan-agent: {}\nimport-refer: [a]\n", "2:1", "has no effect in a single file"},
		{"idc", "motan-refer:\n  a: {path: p, group: 'g-${idc}'}\n", "2:23", "no -idc is given"},
		{"locations missing", "motan-service:\n  a: {path: p, provider: http, proxyAddress: 'h:1', domain: d}\n", "2:3", "no http-locations for domain"},
		{"http-service of nobody", "http-service:\n  a:\n    m: {URL_FORMAT: 'http://h'}\n", "2:3", "no service has that id"},
		{"switcher twice", "switchers: {a: true}\nswitcher: {a: false}\n", "2:12", "already set at x.yaml:1:13"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, found := conf.Parse("x.yaml", []byte(test.yaml), conf.Options{})
			if cfg == nil {
				t.Fatalf("no Config:\n%s", lines(found))
			}
			if len(found) != 1 {
				t.Fatalf("got %d diagnostics, want 1:\n%s", len(found), lines(found))
			}
			check(t, "severity", found[0].Severity, conf.Warning)
			check(t, "place", found[0].Position.String(), "x.yaml:"+test.at)
			want := "x.yaml:" + test.at + ": warning: "
			if s := found[0].String(); len(s) < len(want) || s[:len(want)] != want || !strings.Contains(s, test.message) {
				t.Errorf("got %q, want %q with %q", s, want, test.message)
			}
		})
	}
}

func TestPlaceholderInAList(t *testing.T) {
	cfg, found := conf.Parse("x.yaml", []byte("extension:\n  list: [a, '${x}']\n"), conf.Options{})
	if cfg == nil || len(found) != 2 {
		t.Fatalf("got %v:\n%s", cfg, lines(found))
	}
	check(t, "warning", found[1].String(), `x.yaml:2:13: warning: "${x}" is not filled in: placeholders in lists are left as they are`)
}

func TestNoWarningAboutOrdinaryParameters(t *testing.T) {
	cfg, found := conf.Parse("x.yaml", []byte(`
motan-refer:
  a: {path: p, group: "${idc}", myOwnKey: 1, requestTimeout: "1000", rateLimit.get: 5, get().capacity: 3, META_WEIGHT: 5}
`), conf.Options{IDC: "north"})
	if cfg == nil || len(found) != 0 {
		t.Errorf("got %v:\n%s", cfg, lines(found))
	}
}

func TestListenersThatDoNotClash(t *testing.T) {
	for _, text := range []string{
		"motan-agent: {port: 9000, hport: 9000, httpProxyEnable: false}\n",
		"motan-agent: {port: 8002, managementUnixSock: /a}\n",
		"motan-agent: {port: 8002, managementPortRange: 8002-8010}\n",
		"motan-agent: {port: 8002, host: 10.0.0.1}\n",
		"motan-agent: {unixSock: /a, mport: 9981}\n",
		"motan-agent: {port: 9982}\n", // nothing is exported
		"motan-service:\n  a: {path: p, proxy: 1}\n  b: {path: q, proxy: 1}\n",
	} {
		load(t, text, conf.Options{})
	}
	for _, text := range []string{
		"motan-agent: {port: 8002, host: 0.0.0.0}\n",
		"motan-agent: {port: 8002, host: localhost}\n",
		"motan-agent: {port: 8002, host: '::'}\n",
		"motan-agent: {port: 9982}\nmotan-service:\n  a: {path: p, proxy: 1}\n",
	} {
		if cfg, _ := conf.Parse("x.yaml", []byte(text), conf.Options{}); cfg != nil {
			t.Errorf("no clash found in %q", text)
		}
	}
}

func TestKnownNamesOfTheProgram(t *testing.T) {
	text := []byte("motan-registry:\n  a: {protocol: nacos, host: h, port: 1}\nmotan-refer:\n  r: {path: p, filter: mine}\n")
	known := conf.Known{Registries: []string{"nacos"}, Filters: []string{"mine"}}
	cfg, found := conf.Parse("x.yaml", text, conf.Options{Known: known})
	if cfg == nil || len(found) != 0 {
		t.Errorf("got %v:\n%s", cfg, lines(found))
	}
}

// Where this host is, and which endpoints its refers prefer.
func TestPlacement(t *testing.T) {
	cfg := load(t, `
motan-agent: {labels: "rack=a12, room = north", loadbalance: p2c}
motan-refer:
  a: {path: p, locality: "host, rack", locality.full: 7, subset: "color=blue,v=2", subset.fallback: none, subsetSize: 20, panicThreshold: 30}
  b: {path: q, loadbalance: random}
motan-service:
  s: {path: p, proxy: 8100}
`, conf.Options{IDC: "bj"})
	a, b := cfg.Refers[0], cfg.Refers[1]
	labels := map[string]string{"rack": "a12", "room": "north", "idc": "bj"}
	check(t, "labels", cfg.Agent.Labels, labels)
	check(t, "parameters of a node", cfg.Services[0].Meta, labels)
	check(t, "loadbalance", []string{a.LoadBalance, b.LoadBalance}, []string{"p2c", "random"})
	check(t, "locality", a.Locality, []string{"host", "rack"})
	check(t, "numbers", []int{a.LocalitySpill, a.LocalityFull, a.SubsetSize, a.Panic, b.Panic}, []int{140, 7, 20, 30, 50})
	check(t, "subset", a.Subset, map[string]string{"color": "blue", "v": "2"})
	check(t, "strict", []bool{a.SubsetStrict, b.SubsetStrict}, []bool{true, false})
}
