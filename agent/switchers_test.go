package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const switchYAML = directYAML + "motan-refer:\n  r: {path: svc, group: g, registry: direct, filter: switcher}\nswitchers:\n  a: true\n  b: 30% for shop\n"

// switched is an agent with switches that keeps its runtime folder in dir.
func switched(t *testing.T, dir, yaml string) *Agent {
	t.Helper()
	x := Default()
	c := parse(t, x, "", yaml)
	c.Agent.RuntimeDir = dir
	a, err := New(c, x)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.free)
	return a
}

// The answers are motan-go's (agent inventory, section 6), word by word and always with status 200.
func TestSwitcherURLs(t *testing.T) {
	dir := t.TempDir()
	a := switched(t, dir, switchYAML)
	steps := []struct{ target, want string }{
		{"/switcher/getAll", `{"a":true,"b":true,"metricsReqApp":false,"r_switcher":true}`},
		{"/switcher/get", "Please specify a switcher name!"},
		{"/switcher/get?name=a", "Switcher value for a is true!"},
		{"/switcher/get?name=z", "Not a registered switcher, name: z"},
		{"/switcher/set?name=a", "Please specify a switcher value!"},
		{"/switcher/set?value=true", "Please specify a switcher name!"},
		{"/switcher/set?name=a&value=x", "Invalid switcher value(must be Bool): x"},
		{"/switcher/set?name=z&value=true", "Not a registered switcher, name: z"},
		{"/switcher/set?name=a&value=false", "Set switcher a value to false !"},
		{"/switcher/set?name=r_switcher&value=10%25+for+shop", "Set switcher r_switcher value to 10% for shop !"},
		{"/switcher/get?name=a", "Switcher value for a is false!"},
		{"/api/v1/switches", `{"a":"false","b":"30% for shop","metricsReqApp":"false","r_switcher":"10% for shop"}` + "\n"},
	}
	for _, s := range steps {
		if w := ask(t, a, http.MethodGet, s.target, ""); w.Code != 200 || w.Body.String() != s.want {
			t.Errorf("%s: got %d %q, want 200 %q", s.target, w.Code, w.Body, s.want)
		}
	}
	if w := ask(t, a, http.MethodGet, "/switcher/set?name=a&value=true", "", "Origin", "http://evil.example"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: got %d, want 403", w.Code)
	}

	// A later run finds what was set, unless the configuration says something new.
	a.free()
	later := switched(t, dir, strings.Replace(switchYAML, "  a: true", "  a: 50%", 1))
	want := `{"a":"50%","b":"30% for shop","metricsReqApp":"false","r_switcher":"10% for shop"}` + "\n"
	if w := ask(t, later, http.MethodGet, "/api/v1/switches", ""); w.Body.String() != want {
		t.Errorf("later: got %s, want %s", w.Body, want)
	}
	if err := os.WriteFile(filepath.Join(dir, switchFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	later.free()
	broken := switched(t, dir, switchYAML)
	want = `{"a":"true","b":"30% for shop","metricsReqApp":"false","r_switcher":"true"}` + "\n"
	if w := ask(t, broken, http.MethodGet, "/api/v1/switches", ""); w.Body.String() != want {
		t.Errorf("with a file that is none: got %s, want %s", w.Body, want)
	}
}

// What is wrong with switches and filters' settings is told with its place.
func TestFilterMistakesHavePlaces(t *testing.T) {
	x := Default()
	c := parse(t, x, "", directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct}\nswitchers:\n  a: sometimes\n  b: 101%\n")
	_, err := newCompiler(t, x).compile(c, nil)
	for _, want := range []string{`motan.yaml:13:3: switcher "a": `, `motan.yaml:14:3: switcher "b": `} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
