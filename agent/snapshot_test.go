package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

const directYAML = "motan-registry:\n  direct: {protocol: direct, address: 127.0.0.1:1}\n"

// Everything that is wrong is told at once, each with its place; what was made before is freed.
func TestCompileTellsEveryMistake(t *testing.T) {
	freed := 0
	x := Default()
	x.Filters["picky"] = filters.Entry{New: func(filters.Settings) (motan.Filter, error) { return nil, errors.New("setting is wrong") }}
	x.Providers["good"] = func(*conf.Service, ProviderEnv) (motan.Handler, func(), error) {
		return demoProvider{}, func() { freed++ }, nil
	}
	x.Providers["broken"] = func(*conf.Service, ProviderEnv) (motan.Handler, func(), error) {
		return nil, nil, errors.New("no such backend")
	}
	x.Registries["gone"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return nil, errors.New("no address") }
	c := parse(t, x, "", `
motan-registry:
  ok: {protocol: direct, address: 127.0.0.1:1}
  lost: {protocol: gone, address: 127.0.0.1:1}
motan-refer:
  a: {path: a, group: g, registry: ok, filter: picky}
  b: {path: b, group: g, registry: lost}
  c: {path: c, group: g, registry: ok}
motan-service:
  d: {path: d, group: g, registry: ok, provider: good}
  e: {path: e, group: g, registry: ok, provider: broken}
  f: {path: f, group: g, registry: ok, provider: good, filter: picky}
`)
	s, err := newCompiler(t, x).compile(c, nil)
	if err == nil {
		s.close()
		t.Fatal("got no error")
	}
	want := []string{
		"motan.yaml:11:3: registry lost: no address",
		"motan.yaml:13:48: filter picky: setting is wrong",
		"motan.yaml:14:36: refer b: registry lost cannot be used",
		"motan.yaml:18:3: service e: no such backend",
		"motan.yaml:19:64: filter picky: setting is wrong",
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", err, strings.Join(want, "\n"))
	}
	if freed != 1 {
		t.Errorf("freed %d providers, want the 1 that was made", freed)
	}
	var kind *ConfigError
	if _, err := New(c, x); !errors.As(err, &kind) || ExitCode(err) != 1 {
		t.Errorf("New: got %T and exit code %d, want *ConfigError and 1", err, ExitCode(err))
	}
}

// named is a filter that writes its name on the way in.
type named struct {
	name string
	line *[]string
}

func (n named) Request(*motan.Call) motan.Verdict {
	*n.line = append(*n.line, n.name)
	return motan.Next
}

func (named) Reply(*motan.Call) {}

// Filters stand in the order of the file, those of the cluster around those of the attempts, and
// around a service only those of attempts. Access log and metrics are there without being named.
func TestFilterPlaces(t *testing.T) {
	tests := []struct {
		name, filter          string
		outer, inner, service string
	}{
		{"none named", "", "accessLog(whole) metrics(whole)", "", "accessLog metrics"},
		{"own", "own", "accessLog(whole) metrics(whole)", "own", "accessLog metrics own"},
		{"order of the file", "two, own", "accessLog(whole) metrics(whole)", "two own", "accessLog metrics two own"},
		{"around the cluster", "own, around", "accessLog(whole) metrics(whole) around", "own", "accessLog metrics own"},
		{"metrics named", "own, metrics", "accessLog(whole)", "own metrics", "accessLog own metrics"},
		{"both named", "metrics, accessLog", "", "metrics accessLog", "metrics accessLog"},
		{"unknown is left out", "nowhere, own", "accessLog(whole) metrics(whole)", "own", "accessLog metrics own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var line []string
			x := Extensions{Filters: make(map[string]filters.Entry)}
			for name, position := range map[string]filters.Position{"accessLog": 0, "metrics": 0, "own": 0, "two": 0, "around": filters.Cluster} {
				x.Filters[name] = filters.Entry{Position: position, New: func(s filters.Settings) (motan.Filter, error) {
					if s.WholeCall {
						return named{name + "(whole)", &line}, nil
					}
					return named{name, &line}, nil
				}}
			}
			k := newCompiler(t, x)
			k.accessLog = filters.NewAccessLogger(nil, filters.AccessLogOptions{})
			e := &conf.Entry{ID: "e", Path: "svc"}
			for name := range strings.SplitSeq(tt.filter, ", ") {
				if name != "" {
					e.Filters = append(e.Filters, name)
				}
			}
			seen := func(chain []motan.Filter) string {
				line = nil
				for _, f := range chain {
					f.Request(nil)
				}
				return strings.Join(line, " ")
			}
			outer, inner, err := k.chains(e, filters.ClientAgent, nil, nil)
			if err != nil || seen(outer) != tt.outer || seen(inner) != tt.inner {
				t.Errorf("refer: got %q, %q, %v; want %q, %q", seen(outer), seen(inner), err, tt.outer, tt.inner)
			}
			outer, inner, err = k.chains(e, filters.ServerAgent, nil, new(filters.Fleet))
			if got := seen(append(outer, inner...)); err != nil || got != tt.service {
				t.Errorf("service: got %q, %v; want %q", got, err, tt.service)
			}
			k.accessLog = nil
			outer, inner, _ = k.chains(e, filters.ServerAgent, nil, new(filters.Fleet))
			if got := seen(append(outer, inner...)); strings.Contains(got, "accessLog") {
				t.Errorf("access log off: got %q, want it left out", got)
			}
		})
	}
}

// The addresses of MESH_DIRECT_RPC come before the registries.
func TestSourceOfNodes(t *testing.T) {
	direct := func(service, group string, prefix bool) conf.DirectRPC {
		return conf.DirectRPC{Service: service, Group: group, Prefix: prefix, Address: []string{"127.0.0.1:2"}}
	}
	tests := []struct {
		name   string
		direct []conf.DirectRPC
		want   string // address of the node
	}{
		{"registry", nil, "127.0.0.1:1"},
		{"whole name", []conf.DirectRPC{direct("com.a.Svc", "", false)}, "127.0.0.1:2"},
		{"end of the name", []conf.DirectRPC{direct("Svc", "", false)}, "127.0.0.1:2"},
		{"beginning is not the end", []conf.DirectRPC{direct("com.a", "", false)}, "127.0.0.1:1"},
		{"prefix", []conf.DirectRPC{direct("com.a.", "", true)}, "127.0.0.1:2"},
		{"prefix of all", []conf.DirectRPC{direct("", "", true)}, "127.0.0.1:2"},
		{"its group", []conf.DirectRPC{direct("Svc", "g", false)}, "127.0.0.1:2"},
		{"another group", []conf.DirectRPC{direct("Svc", "h", false)}, "127.0.0.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := Default()
			c := parse(t, x, "", directYAML+"motan-refer:\n  r: {path: com.a.Svc, group: g, registry: direct}\n")
			c.DirectRPC = tt.direct
			s, err := newCompiler(t, x).compile(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.close)
			got := make(chan []registry.Node, 1)
			if err := s.all[0].source.Watch(t.Context(), registry.Service{Group: "g", Path: "com.a.Svc"}, func(n []registry.Node) { got <- n }); err != nil {
				t.Fatal(err)
			}
			if nodes := <-got; len(nodes) != 1 || nodes[0].Addr() != tt.want {
				t.Errorf("got %v, want %s", nodes, tt.want)
			}
		})
	}
}

// Services share ports, each of them opened once; a list of groups exports the service in each.
func TestCompileManyServices(t *testing.T) {
	x := Default()
	var b strings.Builder
	b.WriteString("motan-registry:\n  inside: {protocol: local}\nmotan-service:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  s%d: {path: svc%d, group: \"g,h\", provider: demo, registry: inside, export: \"motan2:%d\"}\n", i, i, 9000+i%3)
	}
	s, err := newCompiler(t, x).compile(parse(t, x, "", b.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if want := []int{9000, 9001, 9002}; !slices.Equal(s.ports, want) {
		t.Errorf("ports: got %v, want %v", s.ports, want)
	}
	if len(s.exported) != 200 || len(s.exports.byService) != 100 {
		t.Errorf("got %d services under %d names, want 200 under 100", len(s.exported), len(s.exports.byService))
	}
}
