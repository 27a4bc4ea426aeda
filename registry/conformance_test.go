package registry_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/registrytest"
)

func TestLocalConforms(t *testing.T) {
	l := new(registry.Local)
	registrytest.Run(t, registrytest.World{Open: func(*testing.T) registry.Registry { return l }})
}

// A File is told by writing the file.
func TestFileConforms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.yaml")
	tell := func(t *testing.T, s registry.Service, nodes []registry.Node) {
		t.Helper()
		var text strings.Builder
		fmt.Fprintf(&text, "services:\n  - path: %s\n    group: %s\n    nodes:\n", s.Path, s.Group)
		for _, n := range nodes {
			fmt.Fprintf(&text, "      - {address: %q, protocol: %s", n.Addr(), n.Protocol)
			for k, v := range n.Params {
				fmt.Fprintf(&text, ", %s: %q", k, v)
			}
			text.WriteString("}\n")
		}
		if len(nodes) == 0 {
			text.WriteString("      []\n")
		}
		if err := os.WriteFile(path+".new", []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	tell(t, registry.Service{Group: "g", Path: "p"}, nil)
	f, err := registry.NewFile(registry.FileOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	registrytest.Run(t, registrytest.World{Open: func(*testing.T) registry.Registry { return f }, Tell: tell})
}
