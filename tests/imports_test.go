package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// module is the path of the module whose graph is held.
const module = "github.com/motand/motand"

// mayImport says which packages of ours a package may import; ARCHITECTURE.md has the reasons. Paths are
// relative to the module, and "x/*" stands for each folder directly below x. The longest matching key
// rules. Every package has a row: a new one needs a decision.
var mayImport = map[string][]string{
	"motan":                      {},
	"motan/simple":               {},
	"motan/meta":                 {"motan", "motan/simple"},
	"motan/breeze":               {},
	"motan/hessian":              {},
	"motan/motan1":               {"motan", "motan/hessian"},
	"motan/motantest":            {"motan"},
	"registry":                   {},
	"registry/*":                 {"registry"},
	"registry/zookeeper/zktest":  {"registry", "registry/zookeeper"},
	"registry/etcd/etcdtest":     {},
	"registry/registrytest":      {"registry"},
	"agent/metrics":              {},
	"agent/trace":                {"motan", "agent/metrics"},
	"agent/cluster":              {"motan", "motan/meta", "registry", "agent/cluster/command"},
	"agent/cluster/command":      {},
	"agent/traffic":              {"motan", "motan/simple", "conf"},
	"agent/handover":             {},
	"agent/systemd":              {},
	"filters":                    {"motan", "motan/simple", "agent/metrics", "agent/trace"},
	"httpbridge":                 {"motan", "motan/simple", "motan/breeze", "motan/hessian", "httpbridge/fastcgi"},
	"httpbridge/fastcgi":         {},
	"httpbridge/fastcgi/fpmtest": {},
	"conf":                       {},
	"agent": {
		"motan", "motan/simple", "motan/meta", "motan/breeze", "motan/hessian", "motan/motan1", "registry", "registry/*",
		"agent/cluster", "agent/cluster/command", "agent/handover", "agent/systemd", "agent/traffic", "agent/metrics", "agent/trace", "filters", "httpbridge", "httpbridge/fastcgi", "conf",
	},
	"agent/cmd/motand": {"agent", "conf"},
	"tests":            {"*", "*/*", "*/*/*"},
}

// forTests are harnesses: the tests of any package may import them, and nothing else may, except the
// folder "tests" and the harnesses themselves.
var forTests = []string{"motan/motantest", "registry/zookeeper/zktest", "registry/etcd/etcdtest", "registry/registrytest", "httpbridge/fastcgi/fpmtest"}

// goPackage is the part of go list's answer that is looked at.
type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImportsFollowTheTable(t *testing.T) {
	packages := listPackages(t)
	if len(packages) == 0 {
		t.Fatal("go list found no package")
	}
	for _, p := range packages {
		for _, problem := range checkImports(p) {
			t.Error(problem)
		}
	}
}

// listPackages asks the go command for all packages of the module, with their tests.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("read go list's answer: %v", err)
		}
		packages = append(packages, p)
	}
}

// checkImports returns a sentence for each import of p that the table does not allow.
func checkImports(p goPackage) []string {
	self, ok := ours(p.ImportPath)
	if !ok {
		return nil
	}
	row, ok := ruleOf(self)
	if !ok {
		return []string{fmt.Sprintf("%s is not in the table of imports: decide what it may import, "+
			"and add it to mayImport and to ARCHITECTURE.md", self)}
	}
	var problems []string
	check := func(imports []string, inTests bool) {
		for _, path := range imports {
			to, ok := ours(path)
			if ok && !allowed(self, row, to, inTests) {
				problems = append(problems, complaint(self, row, to, inTests))
			}
		}
	}
	check(p.Imports, false)
	check(p.TestImports, true)
	check(p.XTestImports, true)
	return problems
}

// ours returns an import path relative to the module, "." for its root.
func ours(importPath string) (relative string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// ruleOf returns the key of the row that rules a package. What is below a folder "internal" belongs to
// that folder's parent; harnesses and commands below "tests" belong to "tests".
func ruleOf(pkg string) (row string, ok bool) {
	pkg = owner(pkg)
	if strings.HasPrefix(pkg, "tests/") {
		return "tests", true
	}
	for key := range mayImport {
		if matches(key, pkg) && len(key) > len(row) {
			row, ok = key, true
		}
	}
	return row, ok
}

// owner cuts off a folder "internal" and what is below it.
func owner(pkg string) string {
	if pkg == "internal" || strings.HasPrefix(pkg, "internal/") {
		return "."
	}
	if i := strings.Index(pkg+"/", "/internal/"); i >= 0 {
		return pkg[:i]
	}
	return pkg
}

// allowed reports whether the package self, ruled by row, may import the package to.
func allowed(self, row, to string, inTests bool) bool {
	if owner(to) != to {
		// The go command keeps others out of an internal folder.
		return true
	}
	if owner(self) == to {
		return true
	}
	if slices.Contains(forTests, to) {
		return inTests || row == "tests"
	}
	return slices.ContainsFunc(mayImport[row], func(pattern string) bool { return matches(pattern, to) })
}

// matches reports whether a relative import path is what the pattern stands for.
func matches(pattern, pkg string) bool {
	ok, err := path.Match(pattern, pkg)
	return ok && err == nil
}

func complaint(self, row, to string, inTests bool) string {
	who := self
	if inTests {
		who = "the tests of " + self
	}
	if slices.Contains(forTests, to) {
		return fmt.Sprintf("%s imports %s: that is for tests only", who, to)
	}
	may := "nothing of ours"
	if list := mayImport[row]; len(list) > 0 {
		may = strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s imports %s: the row %q of the table allows %s", who, to, row, may)
}

// TestCheckImports shows the check a graph with errors, so that it cannot pass by looking at nothing.
func TestCheckImports(t *testing.T) {
	tests := []struct {
		name    string
		pkg     string
		imports []string
		inTests bool
		want    string // part of the one complaint; "" for none
	}{
		{"allowed", "filters", []string{"motan", "agent/metrics"}, false, ""},
		{"of others", "motan", []string{"conf"}, false, `motan imports conf: the row "motan" of the table allows nothing of ours`},
		{"upwards", "agent/cluster", []string{"agent"}, false, "agent/cluster imports agent"},
		{"sideways", "registry/consul", []string{"registry/zookeeper"}, false, "registry/consul imports registry/zookeeper"},
		{"new registry", "registry/consul", []string{"registry"}, false, ""},
		{"unknown package", "helpers", nil, false, "helpers is not in the table"},
		{"unknown folder", "conf/extra", nil, false, "conf/extra is not in the table"},
		{"root", ".", nil, false, ". is not in the table"},
		{"internal belongs to its parent", "conf/internal/node", []string{"motan"}, false, `the row "conf"`},
		{"internal is its parent's", "conf", []string{"conf/internal/node"}, false, ""},
		{"internal of the agent", "agent/internal/drain", []string{"registry/zookeeper", "filters"}, false, ""},
		{"harness in tests", "httpbridge", []string{"motan/motantest"}, true, ""},
		{"harness in code", "httpbridge", []string{"motan/motantest"}, false, "that is for tests only"},
		{"harness in the agent", "agent", []string{"registry/zookeeper/zktest"}, false, "that is for tests only"},
		{"external test of itself", "conf", []string{"conf"}, true, ""},
		{"test of others", "conf", []string{"agent"}, true, "the tests of conf imports agent"},
		{"command", "agent/cmd/motand", []string{"filters"}, false, "agent/cmd/motand imports filters"},
		{"all for tests", "tests", []string{"agent", "motan/simple", "registry/zookeeper/zktest"}, false, ""},
		{"below tests", "tests/peers/recorder", []string{"motan", "motan/motantest"}, false, ""},
		{"not ours", "motan", []string{"!fmt"}, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := goPackage{ImportPath: path.Join(module, tt.pkg)}
			for _, i := range tt.imports {
				if other, ok := strings.CutPrefix(i, "!"); ok {
					i = other
				} else {
					i = path.Join(module, i)
				}
				if tt.inTests {
					p.XTestImports = append(p.XTestImports, i)
				} else {
					p.Imports = append(p.Imports, i)
				}
			}
			got := checkImports(p)
			if tt.want == "" && len(got) > 0 {
				t.Errorf("got %q, want no complaint", got)
			}
			if tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q, want one complaint with %q", got, tt.want)
			}
		})
	}
}
