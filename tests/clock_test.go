package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// wallClock are the files that ask what time it is for people, or for other hosts and later processes, which know no other clock:
// path and reason. One that does so no more has to go.
var wallClock = map[string]string{
	"agent/access.go":           "one refusal a second is logged; a jump costs a line",
	"agent/callcommand.go":      "a request id",
	"agent/certificates.go":     "certificates end by the calendar",
	"agent/logs.go":             "files are rotated at full hours",
	"agent/metrics/graphite.go": "carbon wants the time of its lines",
	"agent/outbound.go":         "request ids begin with the time of the start",
	"agent/trace/otlp.go":       "spans are shown beside those of other hosts",
	"conf/watch.go":             "times of files are compared with themselves",
	"filters/fault.go":          "fault.until is written by people",
	"filters/line.go":           "the access log is read by people",
	"registry/record.go":        "the disk tells a later process how old a list is",
}

// TestWallClock holds that a clock that jumps (F25) changes no time-out, rate, average or pause: these are differences of times
// that carry Go's monotonic reading, or of motan.Now, which is one. Only turning a time into a number, or rounding it, loses that
// reading, so who does that stands in the table.
func TestWallClock(t *testing.T) {
	root := os.DirFS("..")
	found := make(map[string]bool)
	for _, name := range goFiles(t, root) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "tests/") || strings.Contains(name, "test/") {
			continue
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !losesMonotonic(call) {
				return true
			}
			found[name] = true
			if wallClock[name] == "" {
				t.Errorf("%s: a time loses its monotonic reading: compare times or use motan.Now, or add the file to wallClock with the reason", fset.Position(call.Pos()))
			}
			return true
		})
	}
	for name := range wallClock {
		if !found[name] {
			t.Errorf("wallClock lists %s, which does not ask for the wall clock: take it out", name)
		}
	}
}

// losesMonotonic tells whether a call is one of those methods of time.Time by their names; no other type here has them.
func losesMonotonic(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch s.Sel.Name {
	case "Unix", "UnixMilli", "UnixMicro", "UnixNano":
		return len(call.Args) == 0
	case "AddDate":
		return true
	case "Round":
		literal, ok := call.Args[0].(*ast.BasicLit) // of a duration it would do nothing
		return ok && literal.Value == "0"
	case "Truncate":
		_, unit := call.Args[0].(*ast.SelectorExpr) // such as time.Hour
		return unit
	}
	return false
}
