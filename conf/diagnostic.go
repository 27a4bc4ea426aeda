package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Severity says whether a configuration can be used in spite of a Diagnostic.
type Severity int

// An Error means that there is no Config; a Warning leaves one.
const (
	Error Severity = iota
	Warning
)

// String gives error or warning.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one finding about the configuration.
type Diagnostic struct {
	Position
	Severity Severity
	Key      string // dotted path of the key concerned, such as motan-refer.hello.registry; "" for a whole file
	Message  string // what is wrong and what to write instead, without the place
}

// String gives file:line:column: message, with "warning: " before the message of a Warning.
func (d Diagnostic) String() string {
	s := d.Position.String() + ": "
	if d.Severity == Warning {
		s += "warning: "
	}
	return s + d.Message
}

// maxDiagnostics bounds what a hostile file can make us say.
const maxDiagnostics = 1000

// findings collects diagnostics. Equal ones, which come from inheritance and aliases, are kept once.
type findings struct {
	list   []Diagnostic
	seen   map[Diagnostic]bool
	errors int // also those beyond maxDiagnostics
	more   int // beyond maxDiagnostics
}

func (f *findings) errorf(at Position, key, format string, args ...any) {
	f.errors++
	f.add(Diagnostic{Position: at, Severity: Error, Key: key, Message: fmt.Sprintf(format, args...)})
}

func (f *findings) warnf(at Position, key, format string, args ...any) {
	f.add(Diagnostic{Position: at, Severity: Warning, Key: key, Message: fmt.Sprintf(format, args...)})
}

func (f *findings) add(d Diagnostic) {
	once := d
	once.Key = ""
	if f.seen[once] {
		return
	}
	// Errors are kept before warnings, so that the list explains a missing Config.
	if len(f.list) >= 2*maxDiagnostics || d.Severity == Warning && len(f.list) >= maxDiagnostics {
		f.more++
		return
	}
	if f.seen == nil {
		f.seen = map[Diagnostic]bool{}
	}
	f.seen[once] = true
	f.list = append(f.list, d)
}

// sorted gives the diagnostics by place, errors first at the same place.
func (f *findings) sorted() []Diagnostic {
	slices.SortStableFunc(f.list, func(a, b Diagnostic) int {
		return cmp.Or(
			strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity), strings.Compare(a.Message, b.Message),
		)
	})
	if f.more > 0 {
		f.list = append(f.list, Diagnostic{Severity: Warning, Message: fmt.Sprintf("%d further findings are not shown", f.more)})
	}
	return f.list
}

// quote puts a text from a file into a message: quoted, and cut where it is long.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		return strconv.Quote(strings.ToValidUTF8(s[:limit], "")) + "..."
	}
	return strconv.Quote(s)
}
