package conf_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/motand/motand/conf"
)

// builtIn is what the whole program knows beyond the defaults of this package.
var builtIn = conf.Known{
	Registries: []string{"direct", "etcd", "file", "local", "zookeeper", "zk", "mesh"},
	Providers:  []string{"http", "httpx", "cgi", "motan2", "motan", "demo"},
}

func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(paths) < 17 {
		t.Fatalf("got %d examples (%v), want all", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cfg, found := conf.Load(conf.Options{Path: path, Known: builtIn})
			if cfg == nil || len(found) != 0 {
				t.Fatalf("got %v:\n%s", cfg, lines(found))
			}
			if len(cfg.Refers)+len(cfg.Services)+len(cfg.HTTPClients)+len(cfg.Syncs) == 0 {
				t.Error("the example calls, exports and copies nothing")
			}
		})
	}
}

func TestFolderExample(t *testing.T) {
	cfg, found := conf.Load(conf.Options{Path: "examples/folder", Pool: "shop-north-core"})
	if cfg == nil || len(found) != 0 {
		t.Fatalf("got %v:\n%s", cfg, lines(found))
	}
	groups := map[string]string{}
	for _, r := range cfg.Refers {
		groups[r.ID] = r.Group + " " + r.Params["requestTimeout"]
	}
	check(t, "refers", groups, map[string]string{"orders": "orders-north 300", "stock": "stock 1000"})
	check(t, "services", []string{cfg.Services[0].ID, cfg.Services[1].ID}, []string{"shop-api", "shop-admin"})
	check(t, "locations", len(cfg.Locations("shop.example.com")), 2)

	cfg, found = conf.Load(conf.Options{Path: "examples/folder", Application: "shop"})
	if cfg == nil || len(found) != 0 {
		t.Fatalf("without a pool: got %v:\n%s", cfg, lines(found))
	}
	check(t, "services without a pool", len(cfg.Services), 1)
}

// Whatever the bytes: no panic, a Config if and only if there is no error, and the same again from the merged YAML.
func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("examples/*.yaml")
	more, _ := filepath.Glob("examples/folder/*/*.yaml")
	for _, path := range append(paths, more...) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{"a: &a [*a]", "<<: [{a: 1}, x]", "? {a: b}\n: c", "---\na: 1\n---\nb: 2", "a: !!binary x\nb: !t {c: d}", "\"a\\nb\": |\n x\n y"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, found := conf.Parse("x.yaml", data, conf.Options{Known: builtIn})
		failed := false
		for _, d := range found {
			failed = failed || d.Severity == conf.Error
		}
		if failed != (cfg == nil) {
			t.Fatalf("got Config %v with:\n%s", cfg, lines(found))
		}
		if cfg == nil {
			return
		}
		again, found := conf.Parse("x.yaml", cfg.YAML, conf.Options{Known: builtIn})
		if again == nil {
			t.Fatalf("the merged YAML is refused:\n%s\n%s", lines(found), cfg.YAML)
		}
		if string(again.YAML) != string(cfg.YAML) {
			t.Fatalf("not stable:\n%s\n%s", cfg.YAML, again.YAML)
		}
		if len(again.Refers) != len(cfg.Refers) || len(again.Services) != len(cfg.Services) || len(again.Registries) != len(cfg.Registries) {
			t.Fatalf("entries are lost:\n%s", cfg.YAML)
		}
	})
}
