package conf

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of keys into README.md")

const (
	tableBegin = "<!-- keys -->\n"
	tableEnd   = "<!-- /keys -->\n"
)

// TestReadme holds the table of keys in README.md to the definitions.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("README.md has no table between %q and %q", tableBegin, tableEnd)
	}
	want := keyRows()
	if *update {
		if err := os.WriteFile("README.md", []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Error("the table of keys in README.md is not that of the code: run go test ./conf -run TestReadme -update")
	}
}

// keyRows is the table: one for each set of sections that share keys.
func keyRows() string {
	var b strings.Builder
	sections := "none"
	for _, k := range Keys() {
		if s := strings.Join(k.Sections, ", "); s != sections {
			sections = s
			title := s
			if s == "" {
				title = "top level"
			}
			fmt.Fprintf(&b, "\n### %s\n\n| key | type | default | since | |\n| --- | --- | --- | --- | --- |\n", title)
		}
		kind := string(k.Type)
		if k.Unit != "" {
			kind += ", " + k.Unit
		}
		if k.Values != nil {
			kind = strings.Join(k.Values, ", ")
		}
		about := k.Description
		if k.Method {
			about += "; also for a method, as `name(description)." + k.Name + "`"
		}
		if k.NoEffect {
			about += "; no effect"
		}
		def := ""
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Name, kind, def, k.Since, strings.ReplaceAll(about, "|", "\\|"))
	}
	return b.String() + "\n"
}
