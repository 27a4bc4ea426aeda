package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of motan-go's features in conf/README.md names tests that are there.
func TestReadmeFeaturesAreTested(t *testing.T) {
	text, err := os.ReadFile("../conf/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## What motan-go has\n")
	section, _, _ = strings.Cut(section, "\n## ")
	wanted := regexp.MustCompile(`\bTest\w+`).FindAllString(section, -1)
	if len(wanted) < 50 {
		t.Fatalf("got %d tests in the table, want all", len(wanted))
	}
	there := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
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
	for _, name := range wanted {
		if !there[name] {
			t.Errorf("%s is named in conf/README.md and is no test", name)
		}
	}
}
