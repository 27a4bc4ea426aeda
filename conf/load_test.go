package conf_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

// load parses YAML that has no error.
func load(t *testing.T, text string, opts conf.Options) *conf.Config {
	t.Helper()
	cfg, found := conf.Parse("x.yaml", []byte(text), opts)
	if cfg == nil {
		t.Fatalf("no Config:\n%s", lines(found))
	}
	return cfg
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if key, text, _ := strings.Cut(p, "="); key == name {
				return text
			}
		}
		return ""
	}
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestAgentDefaults(t *testing.T) {
	a := load(t, "motan-agent: {}\n", conf.Options{}).Agent
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"host", a.Host, "127.0.0.1"},
		{"port", a.Port, 9981},
		{"eport", a.ExportPort, 9982},
		{"hport", a.HTTPPort, 9983},
		{"mport", a.ManagementPort, 8002},
		{"node port", a.NodePort, 8002},
		{"managementHost", a.ManagementHost, "127.0.0.1"},
		{"managementPortRange", a.ManagementPorts, conf.PortRange{}},
		{"application", a.Application, "default_agent_group"},
		{"group", a.Group, "default_agent_group"},
		{"path", a.Path, "default_agent_group"},
		{"httpProxyEnable", a.HTTPEnable, false},
		{"httpProxyKeepalive", a.HTTPKeepalive, true},
		{"httpProxyKeepaliveTimeout", a.HTTPKeepaliveTimeout, 5 * time.Second},
		{"httpProxyTimeout", a.HTTPTimeout, 5 * time.Second},
		{"httpProxyMaxRequestBodySize", a.HTTPMaxRequestBytes, 2147483647},
		{"httpMaxBodySize", a.HTTPMaxBodyBytes, 10485760},
		{"maxContentLength", a.MaxContentLength, 10485760},
		{"log_dir", a.LogDir, "."},
		{"log_level", a.LogLevel, "info"},
		{"log_async", a.LogAsync, true},
		{"log_buffer_size", a.LogBufferSize, 5000},
		{"rotate_per_hour", a.RotatePerHour, false},
		{"log_structured", a.LogStructured, false},
		{"pidfile", a.PIDFile, "./agent.pid"},
		{"runtime_dir", a.RuntimeDir, "./agent_runtime"},
		{"snapshot_dir", a.SnapshotDir, "./snapshot"},
		{"motanEpAsyncInit", a.AsyncInit, true},
		{"initClusterTimeout", a.InitClusterTimeout, 10 * time.Second},
		{"gracePeriod", a.GracePeriod, 10 * time.Second},
		{"propagationDelay", a.PropagationDelay, 3 * time.Second},
		{"frameTimeout", a.FrameTimeout, 10 * time.Second},
		{"maxConnections", a.MaxConnections, 20000},
		{"strictGroup", a.StrictGroup, false},
		{"accessLog", a.AccessLog, ""},
	} {
		check(t, test.what, test.got, test.want)
	}
}

func TestAgentKeys(t *testing.T) {
	a := load(t, `
motan-agent:
  port: 1
  eport: 2
  hport: 3
  mport: 4
  host: 0.0.0.0
  managementPortRange: 8002 - 8010
  application: shop
  group: other
  log_dir: stdout
  httpProxyEnable: on
  httpMaxBodySize: 7
  maxContentLength: 9
  initClusterTimeout: 0
  motanEpAsyncInit: no
  globalFilter: " a , b ,a"
  registry: local
`, conf.Options{}).Agent
	check(t, "ports", []int{a.Port, a.ExportPort, a.HTTPPort, a.ManagementPort}, []int{1, 2, 3, 4})
	check(t, "range", a.ManagementPorts, conf.PortRange{First: 8002, Last: 8010})
	check(t, "application", []string{a.Application, a.Group, a.Path}, []string{"shop", "shop", "shop"})
	check(t, "limits", []int{a.HTTPMaxBodyBytes, a.MaxContentLength}, []int{7, 9})
	check(t, "booleans", []bool{a.HTTPEnable, a.AsyncInit}, []bool{true, false})
	check(t, "zero timeout", a.InitClusterTimeout, time.Duration(0))
	check(t, "filters", a.GlobalFilters, []string{"a", "b"})
	check(t, "registries", a.Registries, []string{"local"})
	check(t, "parameter", a.Params["httpProxyEnable"], "true")
	check(t, "place of a key", a.At("mport").String(), "x.yaml:6:10")
	check(t, "place of a key that is not written", a.At("pidfile").String(), "x.yaml:2:1")
}

func TestFlagsAndEnvironmentOfTheAgent(t *testing.T) {
	const text = "motan-agent:\n  port: 1\n  mport: 2\n  log_dir: a\n"
	for _, test := range []struct {
		name string
		opts conf.Options
		port int
		mng  int
	}{
		{"file", conf.Options{}, 1, 2},
		{"environment", conf.Options{Getenv: env("mport=3")}, 1, 3},
		{"flags", conf.Options{Getenv: env("mport=3"), Port: 4, ManagementPort: 5}, 4, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := load(t, text, test.opts).Agent
			check(t, "port", a.Port, test.port)
			check(t, "mport", a.ManagementPort, test.mng)
			check(t, "node port", a.NodePort, 2)
		})
	}
	opts := conf.Options{LogDir: "l", PIDFile: "p", Recover: true, IDC: "i", Pool: "o", LocalIP: "10.0.0.1", ExportPort: 6, HTTPPort: 7}
	a := load(t, text, opts).Agent
	check(t, "texts", []string{a.LogDir, a.PIDFile, a.IDC, a.Pool, a.LocalIP}, []string{"l", "p", "i", "o", "10.0.0.1"})
	check(t, "recover in the file", load(t, "motan-agent: {recover: true}\n", conf.Options{}).Agent.Recover, true)
	check(t, "others", []any{a.Recover, a.ExportPort, a.HTTPPort}, []any{true, 6, 7})

	for name, opts := range map[string]conf.Options{
		"-port":            {Port: 70000},
		"-mport":           {ManagementPort: -1},
		"$mport":           {Getenv: env("mport=many")},
		"-localIP":         {LocalIP: "host"},
		"$MESH_DIRECT_RPC": {Getenv: env("MESH_DIRECT_RPC=a>b")},
	} {
		cfg, found := conf.Parse("x.yaml", []byte(text), opts)
		if cfg != nil || len(found) != 1 || found[0].File != name || !strings.HasPrefix(found[0].String(), name+": ") || strings.Count(found[0].String(), name+" ") > 0 {
			t.Errorf("%s: got %v and %v, want one error there", name, cfg, found)
		}
	}
}

func TestDirectRPC(t *testing.T) {
	opts := conf.Options{Getenv: env("MESH_DIRECT_RPC=com.a.* > g @ h:1,i:2 ; Service>[::1]:3;")}
	got := load(t, "motan-agent: {}\n", opts).DirectRPC
	check(t, "list", got, []conf.DirectRPC{
		{Service: "com.a.", Prefix: true, Group: "g", Address: []string{"h:1", "i:2"}},
		{Service: "Service", Address: []string{"[::1]:3"}},
	})
	for path, want := range map[string][2]bool{
		"com.a.Service": {true, true},
		"com.a.Other":   {true, false},
		"com.b.Service": {false, true},
		"":              {false, false},
	} {
		check(t, path, [2]bool{got[0].Matches(path), got[1].Matches(path)}, want)
	}
}

func TestMetadata(t *testing.T) {
	opts := conf.Options{Environ: func() []string { return []string{"META_A=1=2", "PATH=x", "NO", "M_B=3"} }}
	cfg := load(t, "motan-agent: {}\n", opts)
	check(t, "prefix", cfg.MetaPrefix, "META_")
	check(t, "cache", cfg.MetaCache, 3*time.Second)
	check(t, "metadata", cfg.Meta, map[string]string{"META_A": "1=2"})
	cfg = load(t, "motan-service:\n  a: {path: p, proxy: 8100}\n  b: {path: q, proxy: 8100, registerMeta: true}\n", opts)
	check(t, "metadata of the nodes", [](map[string]string){cfg.Services[0].Meta, cfg.Services[1].Meta}, [](map[string]string){nil, {"META_A": "1=2"}})
	cfg = load(t, "envMetaPrefix: M_\nmetaCacheExpireSecond: \"7\"\n", opts)
	check(t, "other metadata", cfg.Meta, map[string]string{"M_B": "3"})
	check(t, "other cache", cfg.MetaCache, 7*time.Second)
}

func TestMergedYAMLGivesTheSame(t *testing.T) {
	const text = `
dynamic-param: {t: 5}
base: &base {group: "007", version: 1.10}
motan-refer:
  a: {<<: *base, path: p, requestTimeout: "${t}", flag: yes}
`
	first := load(t, text, conf.Options{})
	second := load(t, string(first.YAML), conf.Options{})
	check(t, "YAML", string(second.YAML), string(first.YAML))
	check(t, "parameters", second.Refers[0].Params, first.Refers[0].Params)
	check(t, "group", second.Refers[0].Group, "007")
	check(t, "timeout", second.Refers[0].RequestTimeout, 5*time.Millisecond)
	if strings.Contains(string(first.YAML), "${t}") {
		t.Errorf("a placeholder is left in:\n%s", first.YAML)
	}
}

func TestDiagnosticsAreSortedAndWhole(t *testing.T) {
	var text strings.Builder
	text.WriteString("motan-agent:\n  prt: 1\n  port: x\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "  unknown%d: 1\n", i)
	}
	cfg, found := conf.Parse("x.yaml", []byte(text.String()), conf.Options{})
	if cfg != nil {
		t.Fatal("got a Config")
	}
	if len(found) < 1000 || len(found) > 2001 {
		t.Fatalf("got %d diagnostics, want a bounded number", len(found))
	}
	for i, d := range found[1 : len(found)-1] {
		if d.Line < found[i].Line {
			t.Fatalf("%s stands after %s", d, found[i])
		}
	}
	if last := found[len(found)-1].Message; !strings.Contains(last, "3002 further findings") {
		t.Errorf("last: got %q", last)
	}
}

func TestManyServices(t *testing.T) {
	var text strings.Builder
	text.WriteString("motan-registry:\n  a: {protocol: local}\nmotan-basicRefer:\n  b: {group: g, registry: a, custom: 1}\nmotan-refer:\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "  r%d:\n    basicRefer: b\n    path: com.example.Service%d\n    requestTimeout: 100\n    retries: 1\n", i, i)
	}
	cfg := load(t, text.String(), conf.Options{})
	check(t, "refers", len(cfg.Refers), 10000)
	check(t, "last", cfg.Refers[9999].Path, "com.example.Service9999")
	check(t, "place", cfg.Refers[9999].Line, 6+9999*5)
}

// An alias bomb: each line names the one before ten times.
func TestAliasBombIsRefused(t *testing.T) {
	text := "a0: &a0 {x: 1}\n"
	for i := 1; i < 20; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), i-1)
	}
	cfg, found := conf.Parse("x.yaml", []byte(text), conf.Options{})
	if cfg != nil || len(found) != 1 || !strings.Contains(found[0].Message, "once aliases are expanded") {
		t.Errorf("got %v, %v; want the expansion refused", cfg, lines(found))
	}
	// Deep by aliases although no line is.
	text = "a0: &a0 {x: 1}\n"
	for i := 1; i < 80; i++ {
		text += fmt.Sprintf("a%d: &a%d {x: *a%d}\n", i, i, i-1)
	}
	cfg, found = conf.Parse("x.yaml", []byte(text), conf.Options{})
	if cfg != nil || len(found) != 1 || !strings.Contains(found[0].Message, "nested deeper") {
		t.Errorf("got %v, %v; want the depth refused", cfg, lines(found))
	}
}
