package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tables of what motan-go has, in conf/README.md and httpbridge/README.md, name tests that are there, at least one for each row.
func TestReadmeFeaturesAreTested(t *testing.T) {
	declared := declaredTests(t)
	for file, title := range map[string]string{
		"../conf/README.md":       "## What motan-go has\n",
		"../httpbridge/README.md": "## The rules of motan-go's agent, and their tests\n",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(text), title)
		section, _, _ = strings.Cut(section, "\n## ")
		rows := 0
		for line := range strings.Lines(section) {
			if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, "| test |\n") || strings.HasSuffix(line, "| shown by |\n") {
				continue
			}
			rows++
			names := regexp.MustCompile(`\bTest\w+`).FindAllString(line, -1)
			if len(names) == 0 {
				t.Errorf("%s: no test in the row %s", file, line)
			}
			for _, name := range names {
				if !declared[name] {
					t.Errorf("%s is named in %s and is no test", name, file)
				}
			}
		}
		if rows < 20 {
			t.Errorf("%s: got %d rows, want all", file, rows)
		}
	}
}

// declaredTests are the names of all tests of the repository.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	there := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(source, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
