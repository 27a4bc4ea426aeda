package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/registry"
)

// restarted ends m and starts an agent with the same folder.
func restarted(t *testing.T, m *meeting, dir, rules string, groups ...string) *meeting {
	t.Helper()
	m.cancel()
	if err := m.await(); err != nil {
		t.Fatal(err)
	}
	reg := new(registry.Static)
	return meetIn(t, reg, reg, dir, rules, groups...)
}

// What was laid over the configuration by hand is there after a restart, and what was taken back is not.
func TestLaidIsKept(t *testing.T) {
	const yaml = "    - {name: reads, method: \"get*\", group: ro}\n"
	dir := t.TempDir()
	reg := new(registry.Static)
	m := meetIn(t, reg, reg, dir, yaml, "main", "ro", "canary")
	put := func(path, body string) {
		t.Helper()
		if w := ask(t, m.Agent, http.MethodPut, path, body); w.Code != http.StatusOK {
			t.Fatalf("%s: got %d %s", body, w.Code, w.Body)
		}
	}
	put("/api/v1/traffic", `{"refer":"users","rules":[{"name":"all","group":"canary"}]}`)
	put("/api/v1/filters", `{"filter":"accessLog","service":"svc","set":{"accessLog.sample":"50"}}`)

	m = restarted(t, m, dir, yaml, "main", "ro", "canary")
	m.expect("canary", "getAll")
	m.expect("canary", "set")
	if got := ask(t, m.Agent, http.MethodGet, "/api/v1/filters", "").Body.String(); !strings.Contains(got, `"accessLog.sample":"50"`) {
		t.Errorf("after a restart: the filters are %s, want what was set", got)
	}
	put("/api/v1/traffic", `{"refer":"users"}`)
	put("/api/v1/filters", `{"filter":"accessLog","service":"svc","set":{}}`)

	m = restarted(t, m, dir, yaml, "main", "ro", "canary")
	m.expect("ro", "getAll")
	m.expect("main", "set")
	if got := ask(t, m.Agent, http.MethodGet, "/api/v1/filters", "").Body.String(); strings.Contains(got, "adjusted") {
		t.Errorf("after taking it back: the filters are %s", got)
	}
}

// A file with nonsense, or with what does not fit any more, keeps nobody from starting: the configuration counts.
func TestLaidNonsense(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":          `{`,
		"not of that form": `{"traffic":5}`,
		"wrong rules":      `{"traffic":{"users":[{"grup":"canary"}]}}`,
		"no rules":         `{"traffic":{"users":null}}`,
		"another refer":    `{"traffic":{"nobody":[{"name":"a","group":"canary"}]}}`,
		"a group that cannot be watched": `{"traffic":{"users":[{"name":"a","group":"` + unwatched + `"}]},` +
			`"filters":[{"filter":"accessLog","role":"client-agent","entry":"users","keys":{"accessLog.sample":"x"}},{}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, laidName), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			reg := new(commander)
			m := meetIn(t, reg, &reg.Static, dir, "    - {name: reads, method: \"get*\", group: ro}\n", "main", "ro")
			m.expect("ro", "getAll")
			m.expect("main", "set")
		})
	}
}
