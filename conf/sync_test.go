package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

// syncs is a configuration with three registries and these entries of registry-sync.
func syncs(entries string) []byte {
	return []byte(`motan-registry:
  east: {protocol: zookeeper, address: "10.0.1.1:2181,10.0.1.2:2181"}
  west: {protocol: etcd, address: "10.0.2.1:2379", meshName: far-west}
  north: {protocol: zookeeper, address: "10.0.3.1:2181"}
  north-again: {protocol: zookeeper, address: "10.0.3.1:2181,10.0.3.2:2181"}
  north-below: {protocol: zookeeper, address: "10.0.3.1:2181", chroot: /x}
  odd: {protocol: zookeeper, address: "10.0.4.1:2181", meshName: "a,b"}
  twin: {protocol: zookeeper, address: "10.0.5.1:2181", meshName: east}
  here: {protocol: local}
  list: {protocol: direct, address: "10.0.0.1:1"}
registry-sync:
` + entries)
}

func TestRegistrySync(t *testing.T) {
	cfg, found := conf.Parse("x.yaml", syncs(`  a: {from: east, to: west, group: "g, h-*", service: com.example.*, groupPrefix: east-, groupSuffix: -x, hops: 2, maxNodes: 7, lookInterval: 5000}
  b: {from: list, to: east, group: g, toGroup: z}
`), conf.Options{})
	if cfg == nil || len(found) != 0 {
		t.Fatal(lines(found))
	}
	a, b := cfg.Syncs[0], cfg.Syncs[1]
	check(t, "ends", []string{a.ID, a.From, a.To}, []string{"a", "east", "west"})
	check(t, "groups", a.Groups, []string{"g", "h-*"})
	check(t, "services", a.Services, []string{"com.example.*"})
	check(t, "renaming", []string{a.ToGroup, a.GroupPrefix, a.GroupSuffix, b.ToGroup}, []string{"", "east-", "-x", "z"})
	check(t, "limits", []int{a.Hops, a.MaxNodes, b.Hops, b.MaxNodes}, []int{2, 7, 1, 10000})
	check(t, "looks", []time.Duration{a.LookInterval, b.LookInterval}, []time.Duration{5 * time.Second, 30 * time.Second})
	check(t, "every service", b.Services, []string{"*"})
	check(t, "names of meshes", []string{cfg.Registry("east").MeshName, cfg.Registry("west").MeshName}, []string{"east", "far-west"})
	check(t, "place", a.At("hops").String(), "x.yaml:12:113")
	check(t, "place of what is not written", b.At("hops").String(), "x.yaml:13:3")
}

func TestRegistrySyncRefuses(t *testing.T) {
	for _, test := range []struct{ name, entries, message string }{
		{"no from", "  a: {to: west, group: g}\n", "x.yaml:12:3: registry-sync \"a\" has no from; add from: and an id of motan-registry"},
		{"unknown to", "  a: {from: east, to: wset, group: g}\n", "x.yaml:12:23: registry-sync \"a\": registry \"wset\" is not defined in motan-registry; did you mean \"west\"?"},
		{"no group", "  a: {from: east, to: west}\n", "has no group; add group:"},
		{"to itself", "  a: {from: east, to: east, group: g}\n", "copies from a registry to itself"},
		{"to the same servers", "  a: {from: north, to: north-again, group: g}\n", "copies from a registry to itself"},
		{"another chroot", "  a: {from: north, to: north-below, group: g}\n", ""},
		{"the same mesh", "  a: {from: east, to: twin, group: g}\n", "have the same meshName, \"east\""},
		{"a name that is no mark", "  a: {from: odd, to: east, group: g}\n", "need a meshName of letters"},
		{"to a list", "  a: {from: east, to: list, group: g}\n", "nothing can be copied to registry \"list\""},
		{"from this process", "  a: {from: here, to: east, group: g}\n", "lists nobody that other hosts could call"},
		{"bad pattern", "  a: {from: east, to: west, group: \"g,[a\"}\n", "\"[a\" is no pattern"},
		{"several groups become one", "  a: {from: east, to: west, group: \"g,h\", toGroup: x}\n", "toGroup needs a group without a pattern"},
		{"bad prefix", "  a: {from: east, to: west, group: g, groupPrefix: a/b}\n", "\"a/b\" cannot be part of a group's name"},
		{"unknown key", "  a: {from: east, to: west, group: g, hop: 2}\n", "unknown key \"hop\"; did you mean \"hops\"?"},
		{"too many hops", "  a: {from: east, to: west, group: g, hops: 17}\n", "17"},
		{"both ways", "  a: {from: east, to: west, group: g}\n  b: {from: west, to: east, group: g}\n", ""},
		{"a chain", "  a: {from: east, to: west, group: g, hops: 2}\n  b: {from: west, to: north, group: g, hops: 2}\n", ""},
		{"a circle", "  a: {from: east, to: west, group: g, hops: 2}\n  b: {from: west, to: north, group: g, hops: 2}\n  c: {from: north, to: east, group: g, hops: 3}\n", "is part of a circle"},
		{"a circle beside", "  a: {from: east, to: west, group: g, hops: 2}\n  b: {from: west, to: north, group: g, hops: 2}\n  c: {from: north, to: west, group: g, hops: 2}\n", "registry-sync \"b\" is part of a circle"},
		{"no mapping", "  a: b\n", "registry-sync \"a\" must be a mapping"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, found := conf.Parse("x.yaml", syncs(test.entries), conf.Options{})
			if test.message == "" {
				if cfg == nil || len(found) != 0 {
					t.Errorf("got:\n%s", lines(found))
				}
				return
			}
			if cfg != nil || !strings.Contains(lines(found), test.message) {
				t.Errorf("got %v:\n%s\nwant %s", cfg, lines(found), test.message)
			}
		})
	}
}
