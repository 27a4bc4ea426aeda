package conf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Each file sets a key of its own and all keys of the files before it, so that the value of a key names the last file
// that was merged.
func TestFolderOrder(t *testing.T) {
	order := []string{
		"basic", "http/service/app", "http/pools/app-idc-level", "services/one", "services/two",
		"applications/app", "pools/app", "pools/app-idc", "pools/app-idc-level",
	}
	files := map[string]string{}
	for i, name := range order {
		text := "motan-refer:\n  r:\n    path: p\n"
		for j := i; j < len(order); j++ {
			text += "    key" + string(rune('a'+j)) + ": from " + name + "\n"
		}
		// What a file sets for the files before it must not be seen.
		files[name+".yaml"] = text
	}
	files["applications/app.yaml"] += "import-refer: [one, two]\n"
	files["pools/other.yaml"] = "motan-agent: {port: x}\n"
	root := folder(t, files)
	cfg, found := conf.Load(conf.Options{Path: root, Pool: "app-idc-level"})
	if cfg == nil {
		t.Fatal(lines(found))
	}
	for i, name := range order {
		// key i is set by the files 0 to i: the last of them wins.
		check(t, "key of "+name, cfg.Refers[0].Params["key"+string(rune('a'+i))], "from "+name)
	}
	var got []string
	for _, f := range cfg.Files {
		rel, _ := filepath.Rel(root, f)
		got = append(got, strings.TrimSuffix(filepath.ToSlash(rel), ".yaml"))
	}
	want := []string{"basic", "http/service/app", "http/pools/app-idc-level", "applications/app", "services/one", "services/two", "pools/app", "pools/app-idc", "pools/app-idc-level"}
	check(t, "files", got, want)
	check(t, "place", cfg.Refers[0].At("keyi").File, filepath.Join(root, "pools/app-idc-level.yaml"))
}

func TestFolderMerge(t *testing.T) {
	root := folder(t, map[string]string{
		"basic.yaml": "motan-agent: {port: 1, host: 10.0.0.1}\nhttp-locations:\n  d:\n    - {match: /a, upstream: s}\n",
		"applications/app.yaml": "motan-agent:\n  port: 2\n  host:\nhttp-locations:\n  d:\n    - {match: /b, upstream: s}\n" +
			"motan-refer:\n",
		"pools/app.yaml": "",
	})
	cfg, found := conf.Load(conf.Options{Path: root, Application: "app"})
	if cfg == nil {
		t.Fatal(lines(found))
	}
	check(t, "replaced", cfg.Agent.Port, 2)
	check(t, "not replaced by nothing", cfg.Agent.Host, "10.0.0.1")
	check(t, "joined", []string{cfg.Locations("d")[0].Match, cfg.Locations("d")[1].Match}, []string{"/a", "/b"})
}

// A mistyped name leaves what every host has: that is told, with the names of the files.
func TestFolderOfAnotherName(t *testing.T) {
	root := folder(t, map[string]string{"basic.yaml": "motan-agent: {port: 1}\n", "pools/app-idc.yaml": "motan-agent: {port: 2}\n"})
	for pool, want := range map[string]string{
		"app-idc":   "",
		"app-idc-x": "",
		"ap-idc":    `application "ap" and pool "ap-idc" have no file of their own, basic.yaml is all; is the name right? Looked for: http/service/ap.yaml`,
	} {
		cfg, found := conf.Load(conf.Options{Path: root, Pool: pool})
		if cfg == nil || (len(found) == 0) != (want == "") || !strings.Contains(lines(found), want) {
			t.Errorf("%s: got %v and %q, want %q", pool, cfg, lines(found), want)
		}
	}
}

func TestFolderImportsLocationsOnce(t *testing.T) {
	root := folder(t, map[string]string{
		"http/service/app.yaml":   "import-http-location: [d, missing]\n",
		"http/pools/app-x.yaml":   "import-http-location: [d]\n",
		"services/s.yaml":         "import-http-location: [d]\n",
		"applications/app.yaml":   "import-refer: [s, s]\n",
		"http/location/d.yaml":    "http-locations:\n  d:\n    - {match: /a, upstream: s}\n",
		"http/location/none.yaml": "x: [\n",
	})
	cfg, found := conf.Load(conf.Options{Path: root, Pool: "app-x"})
	if cfg == nil {
		t.Fatal(lines(found))
	}
	check(t, "locations", len(cfg.Locations("d")), 1)
	if len(found) != 1 || found[0].Severity != conf.Warning || found[0].Line != 1 || found[0].Column != 27 || !strings.Contains(found[0].Message, "missing.yaml") {
		t.Errorf("got %v, want a warning about missing.yaml", lines(found))
	}
}

func TestDynamicParametersByPool(t *testing.T) {
	const params = `
dynamic-param:
  plain: p
  number: 250
  pools:
    app-idc1: one
    "regexp:^app-idc[23]$": some
    "regexp:.*2$": never
    default: rest
`
	for pool, want := range map[string]string{"app-idc1": "one", "app-idc2": "some", "app-idc9": "rest", "": "rest"} {
		cfg := load(t, params+"motan-refer:\n  a: {path: '${plain}', group: '${pools}', requestTimeout: '${number}', other: 'x ${plain}'}\n", conf.Options{Pool: pool})
		r := cfg.Refers[0]
		check(t, pool, []string{r.Path, r.Group, r.Params["other"]}, []string{"p", want, "x ${plain}"})
		check(t, "number", r.RequestTimeout, 250*time.Millisecond)
	}
}

func TestLoadErrors(t *testing.T) {
	good := folder(t, map[string]string{"basic.yaml": "motan-agent: {}\n", "one.yaml": "motan-agent: {port: 7}\n"})
	for _, test := range []struct {
		name    string
		opts    conf.Options
		message string
	}{
		{"no such file", conf.Options{Path: filepath.Join(good, "two.yaml")}, "name a file or folder with -c"},
		{"folder without application", conf.Options{Path: good}, "-application or -pool"},
		{"empty folder", conf.Options{Path: t.TempDir(), Pool: "app-idc"}, "applications/app.yaml, pools/app.yaml, pools/app-idc.yaml"},
		{"pool that leaves", conf.Options{Path: good, Application: "../../x"}, "leaves the folder"},
		{"import that leaves", conf.Options{Path: folder(t, map[string]string{"applications/a.yaml": "import-refer: [../../b]\n"}), Application: "a"}, "leaves the folder"},
		{"import that is no list", conf.Options{Path: folder(t, map[string]string{"applications/a.yaml": "import-refer: b\n"}), Application: "a"}, "must be a list of names"},
		{"import of a map", conf.Options{Path: folder(t, map[string]string{"applications/a.yaml": "import-refer: [{a: b}]\n"}), Application: "a"}, "takes names of files"},
		{"broken file", conf.Options{Path: folder(t, map[string]string{"basic.yaml": "a: [\n"}), Application: "a"}, "not valid YAML"},
		{"files of nothing", conf.Options{Path: folder(t, map[string]string{"basic.yaml": "# nothing\n"}), Application: "a"}, "is empty"},
		{"folder as a file", conf.Options{Path: folder(t, map[string]string{"basic.yaml/x": ""}), Application: "a"}, "cannot be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, found := conf.Load(test.opts)
			if cfg != nil || len(found) == 0 || !strings.Contains(lines(found), test.message) {
				t.Errorf("got %v and:\n%swant %q", cfg, lines(found), test.message)
			}
		})
	}
	cfg, found := conf.Load(conf.Options{Path: filepath.Join(good, "one.yaml")})
	if cfg == nil {
		t.Fatal(lines(found))
	}
	check(t, "port", cfg.Agent.Port, 7)
	check(t, "files", cfg.Files, []string{filepath.Join(good, "one.yaml")})
}

func TestDefaultPaths(t *testing.T) {
	t.Chdir(folder(t, map[string]string{"motan.yaml": "motan-agent: {port: 1}\n", "pools/app.yaml": "motan-agent: {port: 2}\n"}))
	for pool, want := range map[string]int{"": 1, "app": 2} {
		cfg, found := conf.Load(conf.Options{Pool: pool})
		if cfg == nil {
			t.Fatal(lines(found))
		}
		check(t, "port", cfg.Agent.Port, want)
	}
}
