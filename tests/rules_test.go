package tests

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// maxLines is the length of a Go file from which on a second concept is looked for.
const maxLines = 400

// longFiles are the files that are longer and stay so: path and reason. One that got shorter has to go.
var longFiles = map[string]string{}

// TestHouseRules holds, for every Go file of the module, what no linter of ours holds.
func TestHouseRules(t *testing.T) {
	root := os.DirFS("..")
	long := map[string]bool{}
	files := 0
	for _, name := range goFiles(t, root) {
		src, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		files++
		long[name] = bytes.Count(src, []byte("\n")) > maxLines
		if long[name] && longFiles[name] == "" {
			t.Errorf("%s has over %d lines: move its second concept into a file of its own, "+
				"or add it to longFiles with the reason", name, maxLines)
		}
		problems, err := checkFile(name, src)
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			t.Error(p)
		}
	}
	if files == 0 {
		t.Fatal("found no Go file")
	}
	for name := range longFiles {
		if !long[name] {
			t.Errorf("longFiles lists %s, which is not over %d lines: take it out", name, maxLines)
		}
	}
}

// goFiles lists the Go files of the module. Hidden folders, testdata, bin and modules of their own are
// left out.
func goFiles(t *testing.T, root fs.FS) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			if path.Ext(name) == ".go" {
				names = append(names, name)
			}
			return nil
		}
		if name == "." {
			return nil
		}
		base := path.Base(name)
		if name == "bin" || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return fs.SkipDir
		}
		if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatalf("list the Go files: %v", err)
	}
	return names
}

// checkFile returns a sentence for each rule that a file breaks: no init function, no motan-go in the
// main module, no time.Sleep in a test. Inside synctest.Test time is not real and Sleep waits for nothing,
// so it is allowed there.
func checkFile(name string, src []byte) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var problems []string
	report := func(at token.Pos, text string) {
		problems = append(problems, fmt.Sprintf("%s: %s", fset.Position(at), text))
	}
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && strings.HasPrefix(p, "github.com/weibocom/motan-go") {
			report(spec.Pos(), "imports motan-go: it lives in modules of its own (tests/peers/motango)")
		}
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			report(f.Pos(), "init function: do it in a constructor, or in what main calls")
		}
	}
	if !strings.HasSuffix(name, "_test.go") {
		return problems, nil
	}
	sleep, bubble := selector(file, "time", "Sleep"), selector(file, "testing/synctest", "Test")
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && bubble(call.Fun) {
			return false
		}
		if e, ok := n.(ast.Expr); ok && sleep(e) {
			report(e.Pos(), "time.Sleep in a test: wait on a channel, poll with a deadline, or use synctest.Test")
		}
		return true
	})
	return problems, nil
}

// selector returns a function that tells whether an expression names pkg's function in this file, by
// whatever name the file imports pkg.
func selector(file *ast.File, pkg, function string) func(ast.Expr) bool {
	local := ""
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && p == pkg {
			local = path.Base(pkg)
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	return func(e ast.Expr) bool {
		s, ok := e.(*ast.SelectorExpr)
		if !ok || local == "" || s.Sel.Name != function {
			return false
		}
		x, ok := s.X.(*ast.Ident)
		return ok && x.Name == local
	}
}

// TestMotanGoStaysOut looks at go.mod: motan-go must not come in by way of another module either.
func TestMotanGoStaysOut(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mod, []byte("module "+module+"\n")) {
		t.Fatalf("../go.mod is not that of %s", module)
	}
	if bytes.Contains(mod, []byte("weibocom/motan-go")) {
		t.Error("go.mod requires motan-go: it lives in modules of its own (tests/peers/motango)")
	}
}

// TestCheckFile shows the check files with errors, so that it cannot pass by looking at nothing.
func TestCheckFile(t *testing.T) {
	tests := []struct {
		name, file, src string
		want            string // part of the one complaint; "" for none
	}{
		{"fine", "a.go", `package a`, ""},
		{"init", "a.go", "package a\n\nfunc init() {}", "a.go:3:1: init function"},
		{"method init", "a.go", "package a\n\ntype T int\n\nfunc (T) init() {}", ""},
		{"motan-go", "a.go", `package a; import _ "github.com/weibocom/motan-go/core"`, "imports motan-go"},
		{"sleep in a test", "a_test.go", `package a; import "time"; func f() { time.Sleep(1) }`, "time.Sleep in a test"},
		{"renamed", "a_test.go", `package a; import clock "time"; func f() { clock.Sleep(1) }`, "time.Sleep in a test"},
		{"as a value", "a_test.go", `package a; import "time"; var f = time.Sleep`, "time.Sleep in a test"},
		{"sleep in code", "a.go", `package a; import "time"; func f() { time.Sleep(1) }`, ""},
		{"sleep of another", "a_test.go", `package a; func f(time T) { time.Sleep(1) }`, ""},
		{"not real time", "a_test.go", `package a; import ("time"; "testing/synctest"); ` +
			`func f() { synctest.Test(nil, func(*T) { time.Sleep(1) }) }`, ""},
		{"outside of it", "a_test.go", `package a; import ("time"; "testing/synctest"); ` +
			`func f() { synctest.Test(nil, g); time.Sleep(1) }`, "time.Sleep in a test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := checkFile(tt.file, []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && len(got) > 0 {
				t.Errorf("got %q, want no complaint", got)
			}
			if tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q, want one complaint with %q", got, tt.want)
			}
		})
	}
	if _, err := checkFile("a.go", []byte("package")); err == nil {
		t.Error("a file that does not parse: got no error")
	}
}
