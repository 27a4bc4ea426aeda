package agent

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// Who replaces motan-go is told, with the place, what would be missed; nobody else is told anything.
func TestWarnOfUnserved(t *testing.T) {
	refer := "motan-refer:\n  r: {path: svc, group: g, registry: direct"
	tests := []struct {
		name, agentKeys, rest string
		want                  []string // one for each line, in order
	}{
		{"nothing of that kind", "", refer + ", haStrategy: failover}\n", nil},
		{"registry that does not show agents", "registry: direct\n", refer + "}\n", []string{"registry=direct"}},
		{"one that does, and one that does not", "registry: \"zk,direct\"\n", "  zk: {protocol: zookeeper, address: 127.0.0.1:1}\n" + refer + "}\n", []string{"registry=direct"}},
		{"trace without a collector", "", refer + ", filter: trace}\n", []string{"filter trace records nothing"}},
		{"trace with one", "traceEndpoint: http://127.0.0.1:4318/v1/traces\n", refer + ", filter: trace}\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, Default(), tt.agentKeys, directYAML+tt.rest)
			var out bytes.Buffer
			zk, err := newZooKeeper(&conf.Registry{Address: []string{"127.0.0.1:1"}}, RegistryEnv{})
			if err != nil {
				t.Fatal(err)
			}
			warnOfUnserved(slog.New(slog.NewTextHandler(&out, nil)), c, map[string]registry.Registry{"zk": zk})
			lines := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
			if len(lines) != len(tt.want) {
				t.Fatalf("got %q, want %d lines", lines, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "at=motan.yaml:") {
					t.Errorf("got %q, want %q and the place", lines[i], want)
				}
			}
		})
	}
}
