package filters

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/motand/motand/agent/metrics"
)

func TestTable(t *testing.T) {
	want := map[string]struct {
		position Position
		index    int // motan-go's
	}{
		"accessLog":             {Endpoint, 1},
		"trace":                 {Call, 2}, // and around the attempts, where motan-go's is
		"clusterAccessLog":      {Cluster, 1},
		"metrics":               {Endpoint, 2},
		"clusterMetrics":        {Cluster, 5},
		"switcher":              {Call, 4},
		"timeout":               {Call, 6},
		"degrade":               {Call, 8},
		"failfast":              {Endpoint, 1},
		"loadShed":              {Call, 3},
		"acl":                   {Call, 3},
		"header":                {Call, 12},
		"mirror":                {Call, 13},
		"faultInjection":        {Call, 14},
		"mock":                  {Call, 15},
		"concurrency":           {Call, 10},
		"rateLimit":             {Endpoint, 3},
		"circuitBreaker":        {Endpoint, 20},
		"clusterCircuitBreaker": {Cluster, 20},
	}
	table := Table()
	if len(table) != len(want) {
		t.Errorf("got %d filters, want %d", len(table), len(want))
	}
	for name, w := range want {
		e, ok := table[name]
		if !ok {
			t.Errorf("%s is missing", name)
			continue
		}
		if e.Position != w.position || e.Index != w.index {
			t.Errorf("%s stands at %s %d, want %s %d", name, e.Position, e.Index, w.position, w.index)
		}
		for _, role := range []string{ClientAgent, ServerAgent} {
			if f, err := e.New(Settings{Role: role, Metrics: metrics.New(metrics.Options{})}); err != nil || f == nil {
				t.Errorf("%s as %s: got %v, %v", name, role, f, err)
			}
		}
		_, err := e.New(Settings{Role: "client", Metrics: metrics.New(metrics.Options{})})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), `"client"`) {
			t.Errorf("%s with a wrong role: got %v, want an error that names both", name, err)
		}
	}
	delete(table, "metrics")
	if _, ok := Table()["metrics"]; !ok {
		t.Error("a caller's change of the table reaches others")
	}
}

func TestMetricsWantsARegistry(t *testing.T) {
	for _, name := range []string{"metrics", "clusterMetrics"} {
		_, err := Table()[name].New(Settings{Role: ClientAgent})
		if err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s without a registry: got %v, want an error that names it", name, err)
		}
	}
}

// TestManuals reads the doc comment of each filter: it says what settings and metrics there
// are, and has an example that is YAML and uses filters that exist.
func TestManuals(t *testing.T) {
	manuals := map[string]string{
		"accesslog.go":      "AccessLog",
		"metrics.go":        "Metrics",
		"trace.go":          "Trace",
		"switcher.go":       "Switcher",
		"timeout.go":        "Timeout",
		"degrade.go":        "Degrade",
		"failfast.go":       "Failfast",
		"loadshed.go":       "LoadShed",
		"acl.go":            "ACL",
		"header.go":         "Header",
		"fault.go":          "FaultInjection",
		"mock.go":           "Mock",
		"concurrency.go":    "Concurrency",
		"ratelimit.go":      "RateLimit",
		"circuitbreaker.go": "CircuitBreaker",
	}
	for file, filter := range manuals {
		t.Run(filter, func(t *testing.T) {
			manual := docOf(t, file, filter)
			for _, part := range []string{"\nSettings", "\nMetrics: ", "\nExample:\n"} {
				if !strings.Contains(manual, part) {
					t.Errorf("the manual has no %q", part)
				}
			}
			_, example, _ := strings.Cut(manual, "\nExample:\n")
			var text strings.Builder
			for l := range strings.Lines(example) {
				if strings.TrimSpace(l) != "" && !strings.HasPrefix(l, "\t") {
					break
				}
				text.WriteString(strings.TrimPrefix(l, "\t"))
			}
			var sections map[string]map[string]map[string]string
			if err := yaml.Unmarshal([]byte(text.String()), &sections); err != nil {
				t.Fatalf("the example is no YAML: %v\n%s", err, text.String())
			}
			names := 0
			for _, section := range sections {
				for _, entry := range section {
					for name := range strings.SplitSeq(entry["filter"], ",") {
						names++
						x, ok := Table()[name]
						if !ok {
							t.Errorf("the example uses filter %q, which is unknown", name)
							continue
						}
						s := settings(entry)
						s.Metrics = metrics.New(metrics.Options{})
						if _, err := x.New(s); err != nil {
							t.Errorf("the example's filter cannot be made: %v", err)
						}
					}
				}
			}
			if names == 0 {
				t.Errorf("the example uses no filter:\n%s", text.String())
			}
		})
	}
}

// docOf is the doc comment of a type.
func docOf(t *testing.T, file, name string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		if g, ok := d.(*ast.GenDecl); ok {
			for _, s := range g.Specs {
				if s, ok := s.(*ast.TypeSpec); ok && s.Name.Name == name {
					return g.Doc.Text()
				}
			}
		}
	}
	t.Fatalf("%s has no type %s", file, name)
	return ""
}
