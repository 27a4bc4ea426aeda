package filters

import (
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/motand/motand/agent/metrics"
)

// README.md has a row for every filter, and its examples are of filters that can be made of what stands there.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for name := range Table() {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| ") && strings.Contains(strings.SplitN(line, "|", 3)[1], "`"+name+"`") {
				rows++
			}
		}
	}
	if rows != len(Table()) {
		t.Errorf("got rows for %d filters, want one for each of %d", rows, len(Table()))
	}
	made := 0
	for i, part := range strings.Split(string(text), "```") {
		code, ok := strings.CutPrefix(part, "yaml\n")
		if !ok || i%2 == 0 {
			continue
		}
		var sections map[string]map[string]map[string]string
		if err := yaml.Unmarshal([]byte(code), &sections); err != nil {
			t.Fatalf("%v in\n%s", err, code)
		}
		for _, entry := range sections["motan-refer"] {
			for name := range strings.SplitSeq(entry["filter"], ",") {
				x, ok := Table()[name]
				if !ok { // that of the example
					continue
				}
				s := settings(entry)
				s.Metrics = metrics.New(metrics.Options{})
				f, err := x.New(s)
				if err == nil {
					_, err = NewWhen(name, f, s)
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				made++
			}
		}
	}
	if made == 0 {
		t.Error("no example uses a filter")
	}
}
