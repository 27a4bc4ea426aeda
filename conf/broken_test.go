package conf_test

import (
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// A broken file, and the place and part of the message of one of its diagnostics.
type broken struct {
	name    string
	yaml    string
	at      string // line:column
	message string
}

func TestBrokenSyntax(t *testing.T) {
	runBroken(t, []broken{
		{"empty", "", "1:1", `write at least one section, such as "motan-agent:"`},
		{"comments alone", "# nothing\n\n", "1:1", "is empty"},
		{"null", "~\n", "1:1", "is empty"},
		{"a list", "- a\n- b\n", "1:1", "must be a mapping of sections"},
		{"a word", "motan-agent\n", "1:1", `got "motan-agent"`},
		{"tab", "motan-agent:\n\tport: 1\n", "2:1", "a tab indents this line"},
		{"unclosed quote", "motan-agent:\n  log_dir: \"x\n", "2:1", "look for a quote that is not closed"},
		{"unclosed brace", "motan-agent: {port: 1\n", "1:1", "close the bracket that is open here"},
		{"unclosed brace, later", "motan-agent:\n  port: 1\nmetrics: {\nmotan-refer:\n  a: b\n", "3:1", "not valid YAML"},
		{"no blank after the colon", "motan-agent:\n  port: 1\n  mport:2\n  eport: 3\n", "3:1", "could not find expected ':'; a key is followed by a colon and a blank"},
		{"indented too far", "motan-agent:\n  port: 1\n    mport: 2\n", "3:1", "look at the indentation of this line"},
		{"indented too little", "motan-agent:\n    port: 1\n  mport: 2\n", "3:1", "indentation that fits no line above"},
		{"after a value of many lines", "metrics: {\n  period: 5,\n  processor: 1\n}\na: b: c\n", "5:1", "mapping values are not allowed"},
		{"unknown anchor", "motan-agent: *nobody\n", "1:1", "unknown anchor 'nobody'"},
		{"two documents", "motan-agent:\n  port: 1\n---\nmotan-agent:\n  port: 2\n", "3:1", "a second YAML document"},
		{"not UTF-8", "motan-agent:\n  host: \xff\n", "2:9", "byte 0xff is not UTF-8"},
		{"control character", "motan-agent:\n  host: a\x07\n", "2:10", "control character 0x07"},
		{"duplicate section", "motan-agent:\n  port: 1\nmotan-agent:\n  mport: 2\n", "3:1", `key "motan-agent" is already written in line 1`},
		{"duplicate key", "motan-agent:\n  port: 1\n  port: 2\n", "3:3", `key "port" is already written in line 2`},
		{"empty key", "motan-agent:\n  '': 1\n", "2:3", "an empty key"},
		{"list as key", "motan-agent:\n  ? [a]\n  : 1\n", "2:5", "a key must be a word"},
		{"merge of a word", "motan-agent:\n  <<: x\n", "2:7", "<< takes a mapping"},
		{"alias in itself", "motan-agent: &a\n  port: *a\n", "2:9", "stands inside what it names"},
		{"deep", "x: " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "\n", "1:9", "nested deeper than 64"},
		{"large", "# " + strings.Repeat("x", 4<<20) + "\n", "", "larger than 4194304 bytes"},
	})
}

func TestBrokenSections(t *testing.T) {
	runBroken(t, []broken{
		{"misspelt section", "motan-refers:\n  a: {path: p}\n", "1:1", `unknown section "motan-refers"; did you mean "motan-refer"?`},
		{"scalar at the top", "foo: 1\n", "1:1", `unknown section "foo"`},
		{"section is a word", "motan-refer: hello\n", "1:14", "section motan-refer must be a mapping"},
		{"section is a list", "motan-service:\n  - a\n", "2:3", "section motan-service must be a mapping; got a list"},
		{"entry is a word", "motan-refer:\n  hello: x\n", "2:10", `refer "hello" must be a mapping of keys`},
		{"metadata prefix is a list", "envMetaPrefix: [a]\n", "1:16", "must be text; got a list"},
		{"cache is a word", "metaCacheExpireSecond: soon\n", "1:24", "whole number of seconds"},
		{"switcher", "switcher:\n  a: [b]\n", "2:6", `"a" must be text; got a list`},
		{"metrics key", "metrics:\n  Perid: 5\n", "2:3", `unknown key "Perid"; did you mean "period"?`},
		{"graphite without port", "metrics:\n  Graphite:\n    - Host: a\n", "3:7", "needs host and port"},
		{"graphite is a map", "metrics:\n  Graphite: {Host: a}\n", "2:13", "must be a list of name, host and port"},
		{"placeholder", "motan-agent:\n  log_dir: ${dir}\n", "2:12", `placeholder "${dir}" has no value; add "dir" to dynamic-param`},
		{"placeholder near", "dynamic-param:\n  dirs: x\nmotan-agent:\n  log_dir: ${dir}\n", "4:12", `did you mean "dirs"?`},
		{"placeholder without default", "dynamic-param:\n  d: {other: x}\nmotan-agent:\n  log_dir: ${d}\n", "4:12", "has no value for this pool"},
		{"placeholder of a placeholder", "dynamic-param:\n  a: ${b}\n  b: x\nmotan-agent:\n  log_dir: ${a}\n", "2:6", "is a placeholder again"},
		{"placeholder of the wrong type", "dynamic-param:\n  p: many\nmotan-agent:\n  port: ${p}\n", "2:6", `"port" must be a port`},
		{"regexp of a pool", "dynamic-param:\n  a:\n    'regexp:(': x\n", "3:5", "is no regular expression"},
		{"dynamic-param", "dynamic-param: [a]\n", "1:16", "dynamic-param must be a mapping"},
	})
}

func TestBrokenAgent(t *testing.T) {
	runBroken(t, []broken{
		{"unknown key", "motan-agent:\n  mprt: 1\n", "2:3", `unknown key "mprt"; did you mean "mport"?`},
		{"unlike any key", "motan-agent:\n  somethingElse: 1\n", "2:3", `unknown key "somethingElse"`},
		{"port", "motan-agent:\n  port: 70000\n", "2:9", `"port" must be a port from 1 to 65535, such as 9981; got "70000"`},
		{"port a word", "motan-agent:\n  port: http\n", "2:9", "must be a port"},
		{"negative size", "motan-agent:\n  gracePeriod: -1\n", "2:16", "from 0 to 2147483647"},
		{"fraction", "motan-agent:\n  gracePeriod: 1.5\n", "2:16", "a whole number of milliseconds"},
		{"octal", "motan-agent:\n  gracePeriod: 010\n", "2:16", "leave the 0 out"},
		{"duration", "motan-agent:\n  gracePeriod: 5s\n", "2:16", `got "5s"; write 5000`},
		{"boolean", "motan-agent:\n  strictGroup: perhaps\n", "2:16", "true or false"},
		{"list", "motan-agent:\n  globalFilter: [a, b]\n", "2:17", "text with commas between the items"},
		{"level", "motan-agent:\n  log_level: inf\n", "2:14", `did you mean "info"?`},
		{"range", "motan-agent:\n  managementPortRange: 8010-8002\n", "2:24", "two ports in order"},
		{"lines", "motan-agent:\n  log_dir: \"a\\nb\"\n", "2:12", "one line of text"},
		{"registry", "motan-agent:\n  registry: zk2\nmotan-registry:\n  zk1: {protocol: local}\n", "2:13", `registry "zk2" is not defined; did you mean "zk1"?`},
		{"ports", "motan-agent:\n  port: 9000\n  mport: 9000\n", "3:10", "port and mport both listen on port 9000"},
		{"port on a default", "motan-agent:\n  port: 8002\n", "2:9", "both listen on port 8002"},
		{"http port, which is open by itself", "motan-agent:\n  hport: 9981\n", "2:10", "port and hport both listen"},
		{"http port", "motan-agent:\n  httpProxyEnable: yes\n  hport: 9981\n", "3:10", "port and hport both listen"},
		{"sockets", "motan-agent:\n  unixSock: /a\n  managementUnixSock: /a\n", "3:23", `unixSock and managementUnixSock both are "/a"`},
		{"export on port", "motan-agent:\n  port: 9000\nmotan-service:\n  a: {path: p, proxy: 1, export: 9000}\n", "4:34", `the export of service "a" both listen on port 9000`},
	})
}

func TestBrokenRegistries(t *testing.T) {
	runBroken(t, []broken{
		{"no protocol", "motan-registry:\n  a: {host: h, port: 1}\n", "2:3", `registry "a" has no protocol`},
		{"protocol", "motan-registry:\n  a: {protocol: zookeper}\n", "2:17", `did you mean "zookeeper"?`},
		{"not built in", "motan-registry:\n  a: {protocol: nacos, host: h, port: 1}\n", "2:17", `unknown registry protocol "nacos"; known: "direct"`},
		{"address", "motan-registry:\n  a: {protocol: zk, address: 'h:1,h2'}\n", "2:30", `"h2" is no address`},
		{"address port", "motan-registry:\n  a: {protocol: zk, address: 'h:99999'}\n", "2:30", "is no address"},
		{"no address", "motan-registry:\n  a: {protocol: zookeeper}\n", "2:3", "has no address"},
		{"no port", "motan-registry:\n  a: {protocol: zk, host: h}\n", "2:3", "has no address"},
		{"no path", "motan-registry:\n  a: {protocol: file}\n", "2:3", "has no path"},
		{"direct without address", "motan-registry:\n  a: {protocol: direct}\nmotan-refer:\n  r: {path: p, registry: a}\n", "2:3", "has no address to call"},
	})
}

func TestBrokenRefers(t *testing.T) {
	runBroken(t, []broken{
		{"no path", "motan-refer:\n  hello: {group: g}\n", "2:3", `refer "hello" has no path`},
		{"nothing", "motan-refer:\n  hello:\n", "2:3", `refer "hello" has no path`},
		{"registry", "motan-registry:\n  zk1: {protocol: local}\nmotan-refer:\n  hello:\n    path: p\n    registry: zk2\n", "6:15", `refer "hello": registry "zk2" is not defined`},
		{"one of two registries", "motan-registry:\n  a: {protocol: local}\nmotan-refer:\n  r: {path: p, registry: 'a,b1'}\n", "4:26", `"b1" is not defined`},
		{"no registry", "motan-registry:\n  a: {protocol: local}\n  b: {protocol: local}\nmotan-refer:\n  r: {path: p}\n", "5:3", `has no registry; add registry: and an id of motan-registry; known: "a", "b"`},
		{"basicRefer", "motan-basicRefer:\n  base: {group: g}\nmotan-refer:\n  r: {path: p, basicRefer: bse}\n", "4:28", `basicRefer "bse" is not defined; did you mean "base"?`},
		{"inherited registry", "motan-registry:\n  a: {protocol: local}\nmotan-basicRefer:\n  base:\n    registry: b\nmotan-refer:\n  r: {path: p, basicRefer: base}\n", "5:15", `basicRefer "base": registry "b" is not defined`},
		{"twice", "motan-refer:\n  a: {path: p, group: g}\n  b: {path: p, group: g, version: 1.0}\n", "3:3", `refer "b" has the group, version, protocol and path of refer "a" at x.yaml:2:3`},
		{"twice by a list", "motan-refer:\n  a: {path: p, group: 'g,h'}\n  b: {path: p, group: h}\n", "3:3", `of refer "a-0"`},
		{"id of a list", "motan-refer:\n  a: {path: p, group: 'g,h'}\n  a-0: {path: q}\n", "3:3", `the id "a-0" is also`},
		{"protocol", "motan-refer:\n  a: {path: p, protocol: motan3}\n", "2:26", `unknown protocol "motan3"; did you mean "motan2"?`},
		{"loadbalance", "motan-refer:\n  a: {path: p, loadbalance: roundRobin}\n", "2:29", `did you mean "roundrobin"?`},
		{"haStrategy", "motan-refer:\n  a: {path: p, haStrategy: backup}\n", "2:28", `known: "backupRequest", "failfast", "failover"`},
		{"subset", "motan-refer:\n  a: {path: p, subset: blue}\n", "2:24", "subset must be name=value"},
		{"serialization", "motan-refer:\n  a: {path: p, serialization: simpel}\n", "2:31", `did you mean "simple"?`},
		{"timeout", "motan-refer:\n  a: {path: p, requestTimeout: 1s}\n", "2:32", `got "1s"; write 1000`},
		{"timeout of a method", "motan-refer:\n  a:\n    path: p\n    get(x).requestTimeout: fast\n", "4:28", "whole number of milliseconds"},
		{"window", "motan-refer:\n  a: {path: p, minRequestTimeout: 3000}\n", "2:35", "the window for a caller's timeout is empty"},
		{"percent", "motan-refer:\n  a: {path: p, circuitBreaker.errorPercent: 101}\n", "2:45", "from 1 to 100, such as 50"},
		{"rate", "motan-refer:\n  a: {path: p, rateLimit: NaN}\n", "2:27", "must be a number, such as 100"},
		{"list for text", "motan-refer:\n  a: {path: [p]}\n", "2:13", `"path" must be text; got a list`},
	})
}

func TestBrokenServices(t *testing.T) {
	runBroken(t, []broken{
		{"no path", "motan-service:\n  s: {proxy: 1}\n", "2:3", `service "s" has no path`},
		{"no provider", "motan-service:\n  s: {path: p}\n", "2:3", "add proxy: motan2:8100"},
		{"no proxy", "motan-service:\n  s: {path: p, provider: motan2}\n", "2:3", "has no proxy"},
		{"provider", "motan-service:\n  s: {path: p, provider: htp}\n", "2:26", `unknown provider "htp"; did you mean "http"?`},
		{"no web server", "motan-service:\n  s: {path: p, provider: http}\n", "2:3", "no address of the local web server"},
		{"no URL", "motan-service:\n  s: {path: p, provider: httpx}\n", "2:3", "has no URL"},
		{"proxyAddress", "motan-service:\n  s: {path: p, provider: http, proxyAddress: localhost}\n", "2:46", "host:port or unix:///path"},
		{"URL_FORMAT", "motan-service:\n  s: {path: p, provider: http, URL_FORMAT: 'http://h/%s/%s'}\n", "2:44", "takes one %s"},
		{"URL_FORMAT scheme", "motan-service:\n  s: {path: p, provider: http, URL_FORMAT: 'h/%s'}\n", "2:44", "must be a URL"},
		{"web servers", "motan-service:\n  s: {path: p, provider: http, proxyAddress: 'h:80,i'}\n", "2:46", "proxyAddress must be host:port"},
		{"certificate without a key", "motan-service:\n  s: {path: p, provider: http, proxyAddress: 'h:80', proxySchema: https, proxyCert: /c}\n", "2:3", "proxyCert and proxyKey belong together"},
		{"script missing", "motan-service:\n  s: {path: p, provider: cgi}\n", "2:3", "neither CGI_SCRIPT_FILENAME nor CGI_DOCUMENT_ROOT"},
		{"FastCGI server", "motan-service:\n  s: {path: p, provider: cgi, CGI_DOCUMENT_ROOT: /w, CGI_HOST: 'unix://fpm.sock'}\n", "2:64", "CGI_HOST must be a host or unix:///path"},
		{"verb", "motan-service:\n  s: {path: p, provider: cgi, CGI_REQUEST_METHOD: get, CGI_DOCUMENT_ROOT: /w}\n", "2:51", `did you mean "GET"?`},
		{"export port", "motan-service:\n  s: {path: p, proxy: 1, export: 'motan2:0'}\n", "2:34", "export must be protocol:port"},
		{"export word", "motan-service:\n  s: {path: p, proxy: 1, export: motan2}\n", "2:34", `got "motan2"`},
		{"export protocol", "motan-service:\n  s: {path: p, proxy: 1, export: 'mtan:1'}\n", "2:34", `unknown protocol "mtan" in export; did you mean "motan"?`},
		{"proxy", "motan-service:\n  s: {path: p, proxy: 'motan2:x'}\n", "2:23", "proxy must be protocol:port"},
		{"proxy.host", "motan-service:\n  s: {path: p, proxy: 1, proxy.host: 'unix://x'}\n", "2:38", "a host or unix:///path"},
		{"twice", "motan-service:\n  s: {path: p, proxy: 1}\n  t: {path: p, proxy: 2}\n", "3:3", `of service "s" at x.yaml:2:3`},
		{"basicService", "motan-service:\n  s: {path: p, proxy: 1, basicService: b}\n", "2:40", `basicService "b" is not defined`},
		{"http-service key", "motan-service:\n  s: {path: p, provider: http}\nhttp-service:\n  s:\n    m: {URL_FORMT: x}\n", "5:9", `did you mean "URL_FORMAT"?`},
		{"path of a method", "motan-service:\n  s: {path: p, provider: http, proxyAddress: 'h:1', enableRewrite: false}\nhttp-service:\n  s:\n    m: {path: users}\n", "5:15", "path must begin with /"},
		{"path and URL", "motan-service:\n  s: {path: p, provider: http, proxyAddress: 'h:1', enableRewrite: false}\nhttp-service:\n  s:\n    m: {path: /u, URL_FORMAT: 'http://h/'}\n", "5:15", "cannot both say"},
		{"arguments without a path", "motan-service:\n  s: {path: p, provider: http, proxyAddress: 'h:1', enableRewrite: false}\nhttp-service:\n  s:\n    m: {arguments: a}\n", "5:5", "only with path"},
		{"http-service", "http-service:\n  s: x\n", "2:6", "must be a mapping of methods"},
	})
}

func TestBrokenHTTP(t *testing.T) {
	runBroken(t, []broken{
		{"no domain", "http-client:\n  c: {group: g}\n", "2:3", "has no domain"},
		{"domain twice", "http-client:\n  c: {domain: d}\n  e: {domain: d}\n", "3:15", `is that of http-client "c"`},
		{"groups", "http-client:\n  c: {domain: d, group: 'a,b'}\n", "2:25", "takes one group"},
		{"locations", "http-locations:\n  d: {match: x}\n", "2:6", "must be a list"},
		{"location", "http-locations:\n  d: [x]\n", "2:7", "a location must be a mapping"},
		{"no upstream", "http-locations:\n  d:\n    - match: /\n", "3:7", "a location has no upstream"},
		{"no match", "http-locations:\n  d:\n    - upstream: s\n", "3:7", "a location has no match"},
		{"unknown key", "http-locations:\n  d:\n    - {match: /, upstrem: s}\n", "3:18", `did you mean "upstream"?`},
		{"type", "http-locations:\n  d:\n    - {match: /, upstream: s, type: prefix}\n", "3:37", "one of exact, start, regexp, iregexp"},
		{"regexp", "http-locations:\n  d:\n    - {match: '(', upstream: s, type: regexp}\n", "3:15", "is no regular expression"},
		{"rule of three words", "http-locations:\n  d:\n    - match: /\n      upstream: s\n      rewriteRules:\n        - start / ^/\n", "6:11", "a rewrite rule is four words"},
		{"rule type", "http-locations:\n  d:\n    - {match: /, upstream: s, rewriteRules: ['!regex a b c']}\n", "3:46", `unknown condition type "!regex"; did you mean "regexp"?`},
		{"rule regexp", "http-locations:\n  d:\n    - {match: /, upstream: s, rewriteRules: ['start / ( c']}\n", "3:46", "is no regular expression"},
		{"rules", "http-locations:\n  d:\n    - {match: /, upstream: s, rewriteRules: x}\n", "3:45", "rewriteRules must be a list"},
	})
}

func runBroken(t *testing.T, tests []broken) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, found := conf.Parse("x.yaml", []byte(test.yaml), conf.Options{})
			if cfg != nil {
				t.Errorf("got a Config, want none")
			}
			want := "x.yaml:"
			if test.at != "" {
				want += test.at + ":"
			}
			for _, d := range found {
				if d.Severity == conf.Error && strings.HasPrefix(d.String(), want) && strings.Contains(d.Message, test.message) {
					return
				}
			}
			t.Errorf("no error at %s with %q; got:\n%s", want, test.message, lines(found))
		})
	}
}

// lines gives diagnostics one a line.
func lines(found []conf.Diagnostic) string {
	var b strings.Builder
	for _, d := range found {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}
