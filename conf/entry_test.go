package conf_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

func TestReferDefaults(t *testing.T) {
	cfg := load(t, "motan-agent: {application: shop}\nmotan-refer:\n  a: {path: p}\n", conf.Options{})
	r := cfg.Refers[0]
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"id", r.ID, "a"},
		{"protocol", r.Protocol, "motan2"},
		{"version", r.Version, ""},
		{"application", r.Application, "shop"},
		{"registries", r.Registries, []string{"local"}},
		{"requestTimeout", r.RequestTimeout, time.Second},
		{"minRequestTimeout", r.MinRequestTimeout, 500 * time.Millisecond},
		{"maxRequestTimeout", r.MaxRequestTimeout, 2 * time.Second},
		{"retries", r.Retries, 0},
		{"haStrategy", r.HAStrategy, "failover"},
		{"idempotent", r.Idempotent, true},
		{"retryBudget", r.RetryBudget, 20},
		{"retryBudgetMin", r.RetryFloor, 10},
		{"loadbalance", r.LoadBalance, "random"},
		{"serialization", r.Serialization, "simple"},
		{"mingzSize", r.MingzSize, 0},
		{"connectTimeout", r.ConnectTimeout, time.Second},
		{"connectRetryInterval", r.ConnectRetryInterval, time.Minute},
		{"clientConnection", r.ClientConnections, 3},
		{"lazyInit", r.LazyInit, false},
		{"asyncInitConnection", r.AsyncInit, true},
		{"errorCountThreshold", r.ErrorCountThreshold, 10},
		{"keepaliveInterval", r.KeepaliveInterval, time.Second},
		{"maxContentLength", r.MaxContentLength, 10485760},
		{"registerMeta", r.RegisterMeta, false},
		{"dynamicMeta", r.DynamicMeta, true},
		{"check", r.Check, true},
		{"weightRefreshPeriodSecond", r.WeightRefresh, 3 * time.Second},
		{"slowStart", r.SlowStart, time.Duration(0)},
		{"backup", r.Backup, conf.BackupRequest{DelayRatio: 90, MaxRetryRatio: 15}},
		{"filters", len(r.Filters), 0},
		{"methods", len(r.Methods), 0},
		{"parameters", r.Params, map[string]string{"conf-id": "a", "application": "shop", "registry": "local"}},
		{"place", r.Position.String(), "x.yaml:3:3"},
	} {
		check(t, test.what, test.got, test.want)
	}
}

func TestServiceDefaults(t *testing.T) {
	cfg := load(t, "motan-agent: {eport: 7}\nmotan-service:\n  a: {path: p, proxy: 8100}\n", conf.Options{})
	s := cfg.Services[0]
	check(t, "export", s.Export, conf.ProtocolPort{Protocol: "motan2", Port: 7})
	check(t, "proxy", s.Proxy, conf.ProtocolPort{Protocol: "motan2", Port: 8100})
	check(t, "provider", s.Provider, "motan2")
	check(t, "proxy.host", s.ProxyHost, "127.0.0.1")
	check(t, "protocol", s.Protocol, "motan2")
	check(t, "connectRetryInterval", s.ConnectRetryInterval, 5*time.Second)
	check(t, "errorCountThreshold", s.ErrorCountThreshold, 0)
	check(t, "HTTP", s.HTTP, conf.HTTP{ProxySchema: "http", ProxyTLS: conf.ProxyTLS{Verify: true}, RequestMethod: "GET", IdleConnectionTimeout: 5 * time.Second, MaxConnections: 1024, EnableRewrite: true})
	check(t, "CGI", s.CGI, conf.CGI{Address: "127.0.0.1:9000", RequestMethod: "GET", Keep: 4})
}

func TestInheritance(t *testing.T) {
	cfg := load(t, `
motan-basicRefer:
  base:
    protocol: motan
    group: g
    path: p0
    requestTimeout: 300
    retries: 2
    custom: c
    filter: accessLog
motan-refer:
  a:
    basicRefer: base
    path: p1
    retries: 0
    group: ""
    other: x
    lazyInit:
`, conf.Options{})
	r := cfg.Refers[0]
	check(t, "fields", []string{r.Protocol, r.Group, r.Path}, []string{"motan", "g", "p1"})
	check(t, "timeout", r.RequestTimeout, 300*time.Millisecond)
	check(t, "retries", r.Retries, 0)
	check(t, "parameters", r.Params, map[string]string{
		"conf-id": "a", "basicRefer": "base", "application": "default_agent_group", "registry": "local",
		"requestTimeout": "300", "retries": "0", "custom": "c", "other": "x", "filter": "accessLog",
	})
	check(t, "place of an inherited key", r.At("custom").String(), "x.yaml:9:13")
	check(t, "place of an own key", r.At("retries").String(), "x.yaml:15:14")
	check(t, "place of no key", r.At("lazyInit").String(), "x.yaml:12:3")
}

// Text parameters stay as they are written; known numbers and booleans get one form.
func TestParameterText(t *testing.T) {
	for _, test := range []struct{ key, written, want string }{
		{"version", "1.10", "1.10"},
		{"version", "2", "2"},
		{"version", "0x10", "0x10"},
		{"version", "1_000", "1_000"},
		{"version", "2024-01-02", "2024-01-02"},
		{"version", "yes", "yes"},
		{"custom", "on", "on"},
		{"custom", "1e3", "1e3"},
		{"custom", "true", "true"},
		{"custom", "'  x  '", "x"},
		{"custom", "''", ""},
		{"custom", "|\n      x", "x"},
		{"lazyInit", "yes", "true"},
		{"lazyInit", "OFF", "false"},
		{"lazyInit", "'1'", "true"},
		{"requestTimeout", "0x10", "16"},
		{"requestTimeout", "1_000", "1000"},
		{"requestTimeout", "'250'", "250"},
		{"requestTimeout", "+5", "5"},
		{"errorCountThreshold", "-1", "-1"},
		{"rateLimit", "1.50", "1.50"},
	} {
		t.Run(test.key+" "+test.written, func(t *testing.T) {
			cfg := load(t, "motan-refer:\n  a:\n    path: p\n    "+test.key+": "+test.written+"\n", conf.Options{})
			if got, ok := cfg.Refers[0].Params[test.key]; !ok || got != test.want {
				t.Errorf("got %q (%v), want %q", got, ok, test.want)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	cfg := load(t, `
motan-refer:
  a:
    path: p
    requestTimeout: 1000
    retries: 1
    maxRequestTimeout: 5000
    backupRequestDelayTime: 7
    get(java.lang.String).requestTimeout: 200
    get(java.lang.String).retries: 0
    get(java.lang.String).idempotent: false
    get(java.util.Map,int).backupRequestDelayRatio: 50
    report().requestTimeout: 3000
    report().minRequestTimeout: 100
    report().custom: x
`, conf.Options{})
	r := cfg.Refers[0]
	for _, test := range []struct {
		name, desc string
		want       conf.Method
		ok         bool
	}{
		{"get", "java.lang.String", conf.Method{
			RequestTimeout: 200 * time.Millisecond, MinRequestTimeout: 100 * time.Millisecond, MaxRequestTimeout: 5 * time.Second,
			Backup: conf.BackupRequest{DelayTime: 7 * time.Millisecond, DelayRatio: 90, MaxRetryRatio: 15},
			Params: map[string]string{"requestTimeout": "200", "retries": "0", "idempotent": "false"},
		}, true},
		{"get", "java.util.Map,int", conf.Method{
			RequestTimeout: time.Second, MinRequestTimeout: 500 * time.Millisecond, MaxRequestTimeout: 5 * time.Second, Retries: 1, Idempotent: true,
			Backup: conf.BackupRequest{DelayTime: 7 * time.Millisecond, DelayRatio: 50, MaxRetryRatio: 15},
			Params: map[string]string{"backupRequestDelayRatio": "50"},
		}, true},
		{"report", "", conf.Method{
			RequestTimeout: 3 * time.Second, MinRequestTimeout: 100 * time.Millisecond, MaxRequestTimeout: 5 * time.Second, Retries: 1, Idempotent: true,
			Backup: conf.BackupRequest{DelayTime: 7 * time.Millisecond, DelayRatio: 90, MaxRetryRatio: 15},
			Params: map[string]string{"requestTimeout": "3000", "minRequestTimeout": "100", "custom": "x"},
		}, true},
		{"get", "", conf.Method{}, false},
		{"other", "int", conf.Method{}, false},
	} {
		got, ok := r.Method(test.name, test.desc)
		check(t, test.name+"("+test.desc+") found", ok, test.ok)
		check(t, test.name+"("+test.desc+")", got, test.want)
	}
	if r.Params["get(java.lang.String).retries"] != "0" {
		t.Errorf("a method's key is not carried: %v", r.Params)
	}
}

func TestGroups(t *testing.T) {
	const text = `
motan-refer:
  r: {path: p, group: "a, b ,a"}
motan-service:
  s: {path: p, group: "x,y", proxy: 1}
  u: {path: q, proxy: 1}
`
	for _, test := range []struct {
		name     string
		getenv   func(string) string
		refers   []string
		services []string
	}{
		{"none", nil, []string{"r a", "r-0 b"}, []string{"s x", "s-0 y", "u "}},
		{"additional", env("MESH_SERVICE_ADDITIONAL_GROUP=z,x"), []string{"r a", "r-0 b"}, []string{"s x", "s-0 y", "s-1 z", "u z", "u-0 x"}},
		{"exported suffix", env("RPC_REG_GROUP_SUFFIX=y"), []string{"r a", "r-0 b"}, []string{"s xy", "s-0 y", "u y"}},
		{"called suffix", env("MESH_MULTI_SUB_GROUP_SUFFIX=b"), []string{"r a", "r-0 b", "auto_rab ab"}, []string{"s x", "s-0 y", "u "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := load(t, text, conf.Options{Getenv: test.getenv})
			var refers, services []string
			for _, r := range cfg.Refers {
				refers = append(refers, r.ID+" "+r.Group)
				check(t, "conf-id", []string{r.ConfID, r.Params["conf-id"]}, []string{"r", "r"})
			}
			for _, s := range cfg.Services {
				services = append(services, s.ID+" "+s.Group)
			}
			check(t, "refers", refers, test.refers)
			check(t, "services", services, test.services)
		})
	}
}

// The value of -idc stands in groups as it is given, and its spellings beside it.
func TestSpellings(t *testing.T) {
	for _, test := range []struct {
		name, idc, group, suffix string
		want                     []string // the group of each refer and its spellings
	}{
		{"none", "yf", "g", "", []string{"[g]"}},
		{"small letters", "yf", "g-${idc}", "", []string{"[g-yf g-YF]"}},
		{"capital letters", "YF", "g-${idc}", "", []string{"[g-YF g-yf]"}},
		{"both", "Yf", "${idc}", "", []string{"[Yf yf YF]"}},
		{"no letters", "7", "g-${idc}-x", "", []string{"[g-7-x]"}},
		{"several groups", "yf", "a, b-${idc}", "", []string{"[a]", "[b-yf b-YF]"}},
		{"suffix", "yf", "g-${idc}", "-s", []string{"[g-yf g-YF]", "[g-yf-s g-YF-s]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := load(t, "motan-refer:\n  r: {path: p, group: '"+test.group+"'}\n",
				conf.Options{IDC: test.idc, Getenv: env("MESH_MULTI_SUB_GROUP_SUFFIX=" + test.suffix)})
			var got []string
			for _, r := range cfg.Refers {
				got = append(got, fmt.Sprint(r.Groups()))
			}
			check(t, "groups", got, test.want)
		})
	}
	cfg := load(t, "http-client:\n  d: {domain: a.example, group: 'g-${idc}'}\n", conf.Options{IDC: "yf"})
	check(t, "http-client", cfg.HTTPClients[0].Groups(), []string{"g-yf", "g-YF"})
}

func TestFilters(t *testing.T) {
	const text = `
motan-agent: {defaultFilter: "accessLog,trace", globalFilter: "metrics,failfast"}
motan-refer:
  all: {path: a, filter: "rateLimit,accessLog"}
  none: {path: b}
  less: {path: c, disableDefaultFilter: accessLog, disableGlobalFilter: "failfast, metrics", filter: failfast}
  comma: {path: d, filter: " , circuitBreaker,,circuitBreaker "}
`
	for _, test := range []struct {
		id     string
		getenv func(string) string
		want   []string
	}{
		{"all", nil, []string{"accessLog", "trace", "metrics", "failfast", "rateLimit"}},
		{"none", nil, []string{"accessLog", "trace", "metrics", "failfast"}},
		{"less", nil, []string{"trace", "failfast"}},
		{"comma", nil, []string{"accessLog", "trace", "metrics", "failfast", "circuitBreaker"}},
		{"less", env("MESH_FILTERS=accessLog, clusterMetrics"), []string{"trace", "accessLog", "clusterMetrics", "failfast"}},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, r := range load(t, text, conf.Options{Getenv: test.getenv}).Refers {
				if r.ID == test.id {
					check(t, "filters", r.Filters, test.want)
				}
			}
		})
	}
}

func TestProtocolNames(t *testing.T) {
	for written, want := range map[string]string{"motan": "motan", "motanV1Compatible": "motan", "cedrus": "motan2", "grpc": "grpc"} {
		cfg := load(t, "motan-refer:\n  a: {path: p, protocol: "+written+"}\n", conf.Options{})
		check(t, written, cfg.Refers[0].Protocol, want)
	}
}

func TestExportAndProxy(t *testing.T) {
	motan2 := func(port int) conf.ProtocolPort { return conf.ProtocolPort{Protocol: "motan2", Port: port} }
	for _, test := range []struct {
		keys          string
		export, proxy conf.ProtocolPort
		provider      string
	}{
		{"export: 1, proxy: 2", motan2(1), motan2(2), "motan2"},
		{"export: ':1', proxy: 'motan:2'", motan2(1), conf.ProtocolPort{Protocol: "motan", Port: 2}, "motan"},
		{"export: 'motan: 1', proxy: ' motan2 : 2 '", conf.ProtocolPort{Protocol: "motan", Port: 1}, motan2(2), "motan2"},
		{"proxy: motan2, proxy.host: 'unix:///a'", motan2(9982), conf.ProtocolPort{Protocol: "motan2"}, "motan2"},
		{"provider: cgi, CGI_DOCUMENT_ROOT: /w, export: 'cgi:1'", conf.ProtocolPort{Protocol: "cgi", Port: 1}, conf.ProtocolPort{}, "cgi"},
	} {
		t.Run(test.keys, func(t *testing.T) {
			s := load(t, "motan-service:\n  a: {path: p, "+test.keys+"}\n", conf.Options{}).Services[0]
			check(t, "export", s.Export, test.export)
			check(t, "proxy", s.Proxy, test.proxy)
			check(t, "provider", s.Provider, test.provider)
		})
	}
}

func TestDescribedMethods(t *testing.T) {
	cfg := load(t, `
motan-refer:
  a:
    path: p
    description: of the service
    httpGet: get, list
    "get(long).description": one of them
    "get(long).example": '[42]'
    "add(java.lang.String,int).example": '["x",1]'
    "add(java.lang.String,int).requestTimeout": 50
    "list(void).requestTimeout": 50
`, conf.Options{})
	r := cfg.Refers[0]
	check(t, "description", r.Description, "of the service")
	check(t, "httpGet", r.HTTPGet, []string{"get", "list"})
	check(t, "methods", r.Described, []conf.DescribedMethod{
		{Name: "add", Types: "java.lang.String,int", Example: `["x",1]`},
		{Name: "get", Types: "long", Description: "one of them", Example: "[42]"},
	})
}

func TestBrokenHTTPKeys(t *testing.T) {
	runBroken(t, []broken{
		{"an example that is no array", "motan-refer:\n  a:\n    path: p\n    'm(int).example': '5'\n", "4:23", "JSON array in quotes"},
		{"an example that is no JSON", "motan-refer:\n  a:\n    path: p\n    'm(int).example': '[5'\n", "4:23", "JSON array in quotes"},
		{"an example that is a list", "motan-refer:\n  a:\n    path: p\n    'm(int).example': [5]\n", "4:23", "got a list"},
		{"an example of no method", "motan-refer:\n  a:\n    path: p\n    example: '[5]'\n", "4:14", "write it as name(types).example"},
		{"an origin with a path", "motan-agent:\n  httpAllowedOrigins: https://a.example/\n", "2:23", "without a path"},
		{"every origin", "motan-agent:\n  httpAllowedOrigins: '*'\n", "2:23", "such as https://shop.example.com"},
	})
}
