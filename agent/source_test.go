package agent

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// What a start uses of the files, of what was pushed before, and of the last good configuration.
func TestSourceFirst(t *testing.T) {
	const good = "motan-agent: {application: files, runtime_dir: DIR, configRegistry: zk}\nmotan-registry: {zk: {protocol: zookeeper, address: \"h:1\"}}\n"
	tests := []struct {
		name                   string
		file, pushed, lastGood string
		want                   string // application
		unusable               string
		err                    string
	}{
		{"the files alone", good, "", "", "files", "", ""},
		{"under what was pushed", good, "motan-agent: {application: pushed}\n", "", "pushed", "", ""},
		{"what was pushed cannot be used", good, "motan-agent: {prot: 1}\n", "", "files", "pushed.yaml:1:15: unknown key", ""},
		{"no registry is named", "motan-agent: {application: files, runtime_dir: DIR}\n", "motan-agent: {application: pushed}\n", "", "files", "", ""},
		{"the files cannot be used", "motan-agent: {prot: 1}\n", "", "", "", "", "motan.yaml:1:15: unknown key"},
		{"but the last ones could", "motan-agent: {prot: 1}\n", "", "motan-agent: {application: last}\n", "last", "motan.yaml:1:15: unknown key", ""},
		{"and the last ones cannot either", "motan-agent: {prot: 1}\n", "", "motan-agent: {mprt: 1}\n", "", "", "--last-good:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"motan.yaml": tt.file, pushedFile: tt.pushed, "last.yaml": tt.lastGood} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := &source{options: conf.Options{Path: filepath.Join(dir, "motan.yaml")}, lastGood: filepath.Join(dir, "last.yaml"), warnings: io.Discard}
			c, unusable, err := s.first()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Agent.Application != tt.want {
				t.Errorf("got the application %s, want %s", c.Agent.Application, tt.want)
			}
			if (unusable != nil) != (tt.unusable != "") || unusable != nil && !strings.Contains(unusable.Error(), tt.unusable) {
				t.Errorf("got %v, want %q", unusable, tt.unusable)
			}
		})
	}
}
