package agent

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// commanded is a meeting whose registry commands.
type commanded struct {
	*meeting
	reg *commander
}

var (
	callersOfMain = registry.Scope{Group: "main"}
	agentsOfApp   = registry.Scope{Application: "test-agent"}
)

func meetCommanded(t *testing.T, dir, rules string, groups ...string) *commanded {
	t.Helper()
	reg := new(commander)
	m := &commanded{meetIn(t, reg, &reg.Static, dir, rules, groups...), reg}
	motantest.Await(t, "the watches of commands", func() bool {
		reg.mu.Lock()
		defer reg.mu.Unlock()
		return reg.updates[callersOfMain] != nil && reg.updates[agentsOfApp] != nil
	})
	return m
}

// write puts a text into a command node.
func (m *commanded) write(s registry.Scope, text string) {
	m.reg.mu.Lock()
	update := m.reg.updates[s]
	m.reg.mu.Unlock()
	update(text)
}

// ignored waits until the agent says that a command is ignored, for this reason.
func (m *commanded) ignored(reason string) {
	m.t.Helper()
	motantest.Await(m.t, "the API to say "+reason, func() bool {
		return strings.Contains(ask(m.t, m.Agent, http.MethodGet, "/api/v1/commands", "").Body.String(), reason)
	})
	if status := ask(m.t, m.Agent, http.MethodGet, "/api/v1/status", "").Body.String(); !strings.Contains(status, reason) {
		m.t.Errorf("the status says nothing of %s:\n%s", reason, status)
	}
}

const (
	toCanary = `{"trafficRules":[{"pattern":"other","rules":[]},{"pattern":"s*","rules":[{"name":"all","group":"canary"}]}]}`
	toReads  = `{"trafficRules":[{"pattern":"svc","rules":[{"name":"reads","method":"get*","group":"ro"}]}]}`
)

// Rules of a command lie over those of the configuration, an application's over a group's, and those laid by hand over all.
func TestCommandedRules(t *testing.T) {
	const yaml = `    - {name: reads, method: "get*", group: ro}`
	m := meetCommanded(t, t.TempDir(), yaml, "main", "ro", "canary")
	m.expect("ro", "getAll")
	m.write(callersOfMain, toCanary)
	m.expect("canary", "getAll")
	m.expect("canary", "set")
	if got := ask(t, m.Agent, http.MethodGet, "/api/v1/traffic", "").Body.String(); !strings.Contains(got, `"commanded":true,"rules":[{"rule":"all"`) {
		t.Errorf("the API shows %s", got)
	}
	m.write(agentsOfApp, toReads)
	m.expect("ro", "getAll")
	m.expect("main", "set")
	ask(t, m.Agent, http.MethodPut, "/api/v1/traffic", `{"refer":"users","rules":[{"name":"mine","group":"canary"}]}`)
	m.expect("canary", "getAll")
	if err := m.Reload(m.parse(t, meetingYAML+yaml)); err != nil {
		t.Fatal(err)
	}
	m.expect("canary", "set")
	ask(t, m.Agent, http.MethodPut, "/api/v1/traffic", `{"refer":"users"}`)
	m.expect("main", "set")
	m.write(agentsOfApp, `{"trafficRules":[{"pattern":"*","rules":[]}]}`) // no rules at all, whatever the configuration says
	m.expect("main", "getAll")
	m.write(agentsOfApp, "")
	m.expect("canary", "set")
	m.write(callersOfMain, `{"clientCommandList":[]}`)
	m.expect("ro", "getAll")
	m.expect("main", "set")
}

// Rules that are wrong are told of, and leave the last good ones and the commands beside them in force.
func TestWrongCommandedRules(t *testing.T) {
	tests := []struct{ name, rules, reason string }{
		{"no list", `5`, "trafficRules: not of the form"},
		{"pattern", `[{"pattern":"(","rules":[]}]`, "trafficRules: entry 1: pattern"},
		{"no rules", `[{"pattern":"*"}]`, "trafficRules: entry 1: there are no rules"},
		{"rules", `[{"pattern":"*","rules":{"name":"a"}}]`, "must be a list"},
		{"key", `[{"pattern":"x","rules":[]},{"pattern":"*","rules":[{"name":"a","grup":"b"}]}]`, "trafficRules[1].rules:1:14: unknown key"},
		{"a group that cannot be watched", `[{"pattern":"*","rules":[{"name":"a","group":"` + unwatched + `"}]}]`, "cannot be followed"},
	}
	dir := t.TempDir()
	m := meetCommanded(t, dir, "", "main", "ro", "canary")
	m.write(callersOfMain, toReads)
	m.expect("ro", "getAll")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m.t = t
			before := m.compiler.commands.wrong.Load()
			m.write(callersOfMain, `{"clientCommandList":[{"pattern":"svc","commandType":1}],"trafficRules":`+tt.rules+`}`)
			m.ignored(tt.reason)
			if !m.snapshot.Load().all[0].cluster.Refused() {
				t.Error("the command beside the rules is not in force")
			}
			if got := m.compiler.commands.wrong.Load() - before; got != 1 {
				t.Errorf("counted: got %d, want 1", got)
			}
			m.write(callersOfMain, `{"trafficRules":`+tt.rules+`}`)
			m.expect("ro", "getAll")
			m.expect("main", "set")
		})
	}
	m.t = t
	m.write(agentsOfApp, toCanary) // the last one stands in nobody's way
	m.expect("canary", "set")
}

// Rules of commands are followed after a restart, before a registry has told anything.
func TestCommandedRulesAreKept(t *testing.T) {
	dir := t.TempDir()
	m := meetCommanded(t, dir, "", "main", "canary")
	m.write(callersOfMain, toCanary)
	m.expect("canary", "get")
	m.write(callersOfMain, `{"clientCommandList":[],"trafficRules":5}`)
	m.cancel()
	if err := m.await(); err != nil {
		t.Fatal(err)
	}
	m = meetCommanded(t, dir, "", "main", "canary")
	m.expect("canary", "get") // its nodes may be known later than the rules
	m.write(callersOfMain, "{}")
	m.expect("main", "get")
}
