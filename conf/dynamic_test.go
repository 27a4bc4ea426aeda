package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

func dynamicConfig(t *testing.T, env map[string]string) *conf.Config {
	t.Helper()
	return load(t, "motan-agent: {application: app, eport: 7, defaultFilter: metrics}\nmotan-registry:\n  zk: {protocol: zk, host: h, port: 1}\n  d: {protocol: direct}\n",
		conf.Options{Getenv: func(name string) string { return env[name] }})
}

// What a Java program sends becomes an entry; what is not known here is left out with a word.
func TestDynamicService(t *testing.T) {
	c := dynamicConfig(t, nil)
	s, found := c.DynamicService(conf.Dynamic{
		Protocol: "motan2", Path: "com.a.S", Group: "g", Registry: "zk", Proxy: "motan2:8100",
		Params: map[string]string{
			"requestTimeout": "500", "serialization": "kryo", "maxServerConnection": "80000", "retries": "many", "export": "motan2:9999",
			"hello(int).requestTimeout": "70", "version": "2.0", "group": "other", "filter": "accessLog", "available": "auto",
		},
	})
	if s == nil {
		t.Fatal(text(found))
	}
	check(t, "place", []any{s.Path, s.Group, s.Protocol, s.Version, s.Application}, []any{"com.a.S", "g", "motan2", "2.0", "app"})
	check(t, "export", s.Export, conf.ProtocolPort{Protocol: "motan2", Port: 7})
	check(t, "provider", []any{s.Provider, s.Proxy}, []any{"motan2", conf.ProtocolPort{Protocol: "motan2", Port: 8100}})
	check(t, "times", []time.Duration{s.RequestTimeout, s.Methods["hello(int)"].RequestTimeout}, []time.Duration{500 * time.Millisecond, 70 * time.Millisecond})
	check(t, "defaults for what is wrong", []any{s.Serialization, s.Retries}, []any{"simple", 0})
	check(t, "filters", s.Filters, []string{"metrics", "accessLog"})
	check(t, "health", []any{s.Auto, s.Health.Kind, s.Health.Address}, []any{true, "tcp", "127.0.0.1:8100"})
	check(t, "dynamic", []any{s.Dynamic, s.Params["maxServerConnection"], s.Params["conf-id"], s.Params["retries"]}, []any{true, "80000", "", ""})
	check(t, "export parameter", s.Params["export"], "motan2:7")
	for _, want := range []string{`unknown serialization "kryo"`, `"retries" must be a whole number`} {
		if !strings.Contains(text(found), want) {
			t.Errorf("got %s, want %s", text(found), want)
		}
	}
}

func TestDynamicRefer(t *testing.T) {
	c := dynamicConfig(t, nil)
	r, found := c.DynamicRefer(conf.Dynamic{Protocol: "motan", Path: "com.a.S", Group: "g", Registry: "zk", Params: map[string]string{
		"loadbalance": "activeWeight", "haStrategy": "failover", "retries": "2", "nodeType": "referer",
	}})
	if r == nil {
		t.Fatal(text(found))
	}
	check(t, "refer", []any{r.Protocol, r.LoadBalance, r.Retries, r.Registries[0], r.Dynamic}, []any{"motan", "random", 2, "zk", true})
	written := load(t, "motan-registry: {zk: {protocol: zk, host: h, port: 1}}\nmotan-refer: {r: {path: com.a.S, group: g, protocol: motan, version: 1.0}}\n", conf.Options{})
	check(t, "identity", r.Identity(), written.Refers[0].Identity())
}

// What the entry cannot do without is an error.
func TestDynamicRefused(t *testing.T) {
	c := dynamicConfig(t, nil)
	whole := conf.Dynamic{Protocol: "motan2", Path: "p", Group: "g", Registry: "zk", Proxy: "motan2:1"}
	many := map[string]string{}
	for i := range 2000 {
		many[strings.Repeat("k", i+1)] = "v"
	}
	for name, tt := range map[string]struct {
		change func(d *conf.Dynamic)
		want   string
	}{
		"no path":               {func(d *conf.Dynamic) { d.Path = "" }, "path"},
		"protocol":              {func(d *conf.Dynamic) { d.Protocol, d.Proxy = "yar", "yar:1" }, "yar"},
		"no such registry":      {func(d *conf.Dynamic) { d.Registry = "etcd" }, "not defined"},
		"too many parameters":   {func(d *conf.Dynamic) { d.Params = many }, "parameters"},
		"a path of two lines":   {func(d *conf.Dynamic) { d.Path = "a\nb" }, "one line"},
		"a window that is none": {func(d *conf.Dynamic) { d.Params = map[string]string{"m().maxRequestTimeout": "1"} }, "window"},
	} {
		t.Run(name, func(t *testing.T) {
			d := whole
			tt.change(&d)
			if s, found := c.DynamicService(d); (s == nil) != (tt.want != "") || !strings.Contains(text(found), tt.want) {
				t.Errorf("service: got %v and %s, want %q", s != nil, text(found), tt.want)
			}
			if r, found := c.DynamicRefer(d); (r == nil) != (tt.want != "") || !strings.Contains(text(found), tt.want) {
				t.Errorf("refer: got %v and %s, want %q", r != nil, text(found), tt.want)
			}
		})
	}
	for _, proxy := range []string{"", "motan2:0", "motan2:70000"} {
		d := whole
		d.Proxy = proxy
		if s, found := c.DynamicService(d); s != nil || !strings.Contains(text(found), "proxy") {
			t.Errorf("proxy %q: got %s, want an error", proxy, text(found))
		}
	}
	d := whole
	d.Registry = "d"
	if r, found := c.DynamicRefer(d); r != nil || !strings.Contains(text(found), "no address to call") {
		t.Errorf("direct registry without an address: got %s, want an error", text(found))
	}
}

func TestDynamicGroups(t *testing.T) {
	env := map[string]string{"MESH_SERVICE_ADDITIONAL_GROUP": "x, a", "RPC_REG_GROUP_SUFFIX": "-r", "MESH_MULTI_SUB_GROUP_SUFFIX": "-s"}
	for _, tt := range []struct {
		env           map[string]string
		list          string
		refer, export []string
	}{
		{nil, "", []string{""}, []string{""}},
		{nil, "a", []string{"a"}, []string{"a"}},
		{nil, " a ,b,,a", []string{"a", "b"}, []string{"a", "b"}},
		{env, "a,b-s,b-r", []string{"a", "b-s", "b-r", "x", "a-s", "b-r-s", "x-s"}, []string{"a-r", "b-r", "b-s-r", "x-r"}},
	} {
		c := dynamicConfig(t, tt.env)
		check(t, "refers of "+tt.list, c.DynamicReferGroups(tt.list), tt.refer)
		check(t, "services of "+tt.list, c.DynamicServiceGroups(tt.list), tt.export)
	}
}
