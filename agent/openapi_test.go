package agent

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var registered = regexp.MustCompile(`mux\.HandleFunc\("(GET|PUT|POST|DELETE) (/api/v1/[^"]+)", (m\.(change|private)\()?`)

// The description of the API names every handler and no other, and says of each whether it needs a token.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Summary   string
			Security  []map[string][]string
			Responses map[string]struct{ Description string }
		}
	}
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("got version %q", doc.OpenAPI)
	}
	described := map[string]bool{} // true: needs the token
	for path, methods := range doc.Paths {
		for method, x := range methods {
			described[strings.ToUpper(method)+" "+path] = len(x.Security) > 0
			if x.Summary == "" || len(x.Responses) == 0 {
				t.Errorf("%s %s: no summary or no response", method, path)
			}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range registered.FindAllStringSubmatch(string(text), -1) {
			served[found[1]+" "+found[2]] = found[3] != ""
		}
	}
	if !maps.Equal(served, described) {
		t.Errorf("served (true: with a token)\n%v\ndescribed\n%v", linesOfAPI(served), linesOfAPI(described))
	}
}

func linesOfAPI(all map[string]bool) string {
	var lines []string
	for name, token := range all {
		lines = append(lines, map[bool]string{true: "token  ", false: "       "}[token]+name)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[7:], b[7:]) })
	return strings.Join(lines, "\n")
}
