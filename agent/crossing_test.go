package agent

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
	"github.com/motand/motand/registry"
)

// meeting is an agent with a refer of svc in group main, and providers that answer with the name of their group.
type meeting struct {
	*reloader
	reg *registry.Static
	t   *testing.T
}

const meetingYAML = `
motan-registry:
  s: {protocol: static, address: "h:1"}
motan-refer:
  users: {path: svc, group: main, registry: s, requestTimeout: 5000}
motan-traffic:
  users:
`

func meet(t *testing.T, rules string, groups ...string) *meeting {
	t.Helper()
	reg := new(registry.Static)
	return meetIn(t, reg, reg, t.TempDir(), rules, groups...)
}

// meetIn is meet with a registry that has its nodes from static, and a folder of the agent's.
func meetIn(t *testing.T, reg registry.Registry, static *registry.Static, dir, rules string, groups ...string) *meeting {
	t.Helper()
	m := &meeting{reg: static, t: t}
	for _, group := range groups {
		m.serve(group)
	}
	x := Default()
	x.Registries["static"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return reg, nil }
	m.reloader = &reloader{x: x, ports: []int{freePort(t), freePort(t)}}
	c := m.parse(t, meetingYAML+rules)
	c.Agent.RuntimeDir = dir
	m.running = start(t, c, x)
	motantest.Await(t, "nodes", func() bool { return m.snapshot.Load().pending() == 0 })
	return m
}

// serve starts a provider of a group, with parameters of its node as name=value.
func (m *meeting) serve(group string, params ...string) *motantest.Server {
	m.t.Helper()
	name := strings.Join(append([]string{group}, params...), "/")
	body, err := simple.Append(nil, name)
	if err != nil {
		m.t.Fatal(err)
	}
	p := motantest.NewServer(m.t, motantest.Reply(body))
	addr := netip.MustParseAddrPort(p.Addr())
	n := registry.Node{
		Service: registry.Service{Group: group, Path: "svc", Protocol: "motan2"},
		Host:    addr.Addr().String(), Port: int(addr.Port()), Available: true, Params: map[string]string{},
	}
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		n.Params[k] = v
	}
	m.reg.Set(registry.Service{Group: group, Path: "svc", Protocol: "motan2"}, n)
	return p
}

// said is who answers a call of the method.
func (m *meeting) said(method string, pairs ...string) string {
	m.t.Helper()
	reply := m.dial().Call(motantest.Request("svc", method, nil, pairs...))
	if x, ok := reply.Exception(); ok {
		return x.Message
	}
	v, _, err := simple.Decode(reply.Body())
	if err != nil {
		m.t.Fatal(err)
	}
	return v.(string)
}

func (m *meeting) expect(want, method string, pairs ...string) {
	m.t.Helper()
	motantest.Await(m.t, fmt.Sprintf("%s %v to be answered by %s", method, pairs, want), func() bool { return m.said(method, pairs...) == want })
}

// Reads go to one group and writes to another by configuration alone, and to the refer's own while the other has no nodes.
func TestTrafficRules(t *testing.T) {
	m := meet(t, `
    - {name: reads, method: "get*,is*", group: ro}
    - {name: canary, metadata: {x-canary: "1"}, group: canary}
    - {name: strict, method: strict, group: nobody, fallback: false}
    - {name: lost, method: lost, group: nobody}
    - {name: same, method: same, group: main}
    - {name: near, method: near, nodes: {zone: north}, group: zones}
    - {name: writes, method: "put*", group: rw}
`, "main", "ro", "rw")
	m.expect("ro", "getAll")
	m.expect("ro", "isOpen")
	m.expect("rw", "put")
	for method, want := range map[string]string{"other": "main", "lost": "main", "same": "main", "near": "main"} {
		if got := m.said(method); got != want {
			t.Errorf("%s: got %s, want %s", method, got, want)
		}
	}
	if got := m.said("strict"); !strings.Contains(got, "No refers for request, service: svc, group: nobody") {
		t.Errorf("without fallback: got %s", got)
	}
	if got := m.said("put", "x-canary", "1"); got != "main" {
		t.Errorf("canary without nodes: got %s, want main", got)
	}
	canary := m.serve("canary")
	m.expect("canary", "put", "x-canary", "1")
	canary.Stop() // or its node would be believed rather than the registry
	m.reg.Set(registry.Service{Group: "canary", Path: "svc", Protocol: "motan2"})
	m.expect("main", "put", "x-canary", "1")
	m.serve("zones", "zone=south")
	m.expect("main", "near")
	m.serve("zones", "zone=north")
	m.expect("zones/zone=north", "near")

	scrape := ask(t, m.Agent, http.MethodGet, "/metrics", "").Body.String()
	for _, want := range []string{
		`motand_traffic_calls_total{group="main",refer="users",result="fallback",rule="lost",service="svc"} 1`,
		`motand_traffic_calls_total{group="main",refer="users",result="failed",rule="strict",service="svc"} 1`,
	} {
		if !strings.Contains(scrape, want) {
			t.Errorf("metrics: %s is missing", want)
		}
	}
}

// A command that degrades the service counts for what rules lead elsewhere, too.
func TestTrafficDegraded(t *testing.T) {
	m := meet(t, `    - {name: reads, method: "get*", group: ro}`, "main", "ro")
	m.expect("ro", "getAll")
	m.snapshot.Load().all[0].cluster.Refuse(degradedBy(true))
	if got := m.said("getAll"); !strings.Contains(got, "degrade") {
		t.Errorf("got %s, want the word of the command", got)
	}
}

// Rules change under calls, and none fails: not while the new group is unknown, nor when the old one is left.
func TestTrafficReloadUnderCalls(t *testing.T) {
	rules := func(group string) string {
		var b strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&b, "    - {name: r%d, metadata: {uid: 'u%d'}, group: %s}\n", i, i, group)
		}
		return b.String()
	}
	m := meet(t, rules("a"), "main", "a", "b")
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { // ends with stop
		client := motantest.Dial(t, m.listeners.of("motan")[0].Addr().String())
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			reply := client.Call(motantest.Request("svc", "hello", nil, "uid", fmt.Sprintf("u%d", i%1000)))
			if x, failed := reply.Exception(); failed {
				done <- fmt.Errorf("call %d: %+v", i, x)
				return
			}
		}
	}()
	for i := range 10 {
		group := []string{"b", "a"}[i%2]
		if err := m.Reload(m.parse(t, meetingYAML+rules(group))); err != nil {
			t.Fatal(err)
		}
		m.expect(group, "hello", "uid", "u7")
	}
	if err := m.Reload(m.parse(t, meetingYAML+"    []\n")); err != nil {
		t.Fatal(err)
	}
	m.expect("main", "hello", "uid", "u7")
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := len(m.snapshot.Load().all[0].crossing.branches); n != 0 {
		t.Errorf("%d branches are left, want none", n)
	}
}

// A reload that comes to nothing leaves the rules as they were.
func TestTrafficReloadRefused(t *testing.T) {
	m := meet(t, `    - {name: reads, method: "get*", group: ro}`, "main", "ro", "other")
	m.expect("ro", "getAll")
	broken := strings.Replace(meetingYAML, "motan-refer:\n", "motan-service:\n  b: {path: b, group: g, provider: demo, registry: s, filter: acl, acl.allowIP: x, export: 'motan2:PORT0'}\nmotan-refer:\n", 1)
	if err := m.Reload(m.parse(t, broken+`    - {name: reads, method: "get*", group: other}`)); err == nil {
		t.Fatal("a broken configuration was taken")
	}
	if got := m.said("getAll"); got != "ro" {
		t.Errorf("got %s, want ro", got)
	}
}

// Rules are set by hand and taken back, and ramps are moved.
func TestTrafficAPI(t *testing.T) {
	m := meet(t, `    - {name: reads, method: "get*", group: ro}`, "main", "ro", "canary")
	m.expect("ro", "getAll")
	put := func(method, path, body string, status int, want string) {
		t.Helper()
		if w := ask(t, m.Agent, method, path, body); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %d and %s", body, w.Code, w.Body, status, want)
		}
	}
	const rules, ramp = "/api/v1/traffic", "/api/v1/traffic/ramp"
	put("PUT", rules, `{"refer":"users","rules":[{"name":"all","group":"canary","ramp.step":100,"ramp.start":"manual"}]}`, 200, `"laid":true`)
	if got := m.said("getAll"); got != "main" {
		t.Errorf("before the ramp begins: got %s, want main", got)
	}
	put("POST", ramp, `{"refer":"users","rule":"all","do":"start"}`, 200, `"phase":"done","percent":100`)
	m.expect("canary", "getAll")
	if err := m.Reload(m.parse(t, meetingYAML+`    - {name: reads, method: "get*", group: ro}`)); err != nil {
		t.Fatal(err)
	}
	m.expect("canary", "getAll") // what was set by hand stays
	put("POST", ramp, `{"refer":"users","rule":"all","do":"hold"}`, 409, "only one that is rising")
	put("POST", ramp, `{"refer":"users","rule":"all","do":"jump"}`, 409, "not one of start, hold, resume, abort")
	put("POST", ramp, `{"refer":"users","rule":"no","do":"hold"}`, 404, "GET /api/v1/traffic lists")
	put("POST", ramp, `{`, 400, "wanted is")
	put("POST", ramp, `{"refer":"users","rule":"all","do":"abort"}`, 200, `"phase":"stopped","percent":0`)
	m.expect("main", "getAll")
	put("PUT", rules, `{"refer":"users","rules":[{"name":"all","grup":"canary"}]}`, 400, `rules:1:16: unknown key \"grup\"`)
	put("PUT", rules, `{"refer":"nobody","rules":[]}`, 404, "no refer has the id")
	put("PUT", rules, `{"refers":1}`, 400, "wanted is")
	put("PUT", rules, `{"refer":"users"}`, 200, `"rule":"reads","to":[{"group":"ro"}]`)
	m.expect("ro", "getAll")
	put("GET", rules, "", 200, `"branches":[{"group":"ro","count":1}]`)
}

// How far a ramp has come survives a restart, and so does that it was stopped.
func TestRampIsKept(t *testing.T) {
	rules := "    - {name: all, group: canary, ramp.step: 10, ramp.every: 3600000}\n"
	m := meet(t, rules, "main", "canary")
	phase := func(m *meeting, want string) func() bool {
		return func() bool {
			return strings.Contains(ask(t, m.Agent, http.MethodGet, "/api/v1/traffic", "").Body.String(), want)
		}
	}
	motantest.Await(t, "the ramp to begin", phase(m, `"phase":"rising","percent":10`))
	ask(t, m.Agent, http.MethodPost, "/api/v1/traffic/ramp", `{"refer":"users","rule":"all","do":"abort"}`)
	book := &m.compiler.rulebook
	motantest.Await(t, "the file", func() bool { return fmt.Sprint(book.recall()["users@main"]["all"].Phase) == "stopped" })

	s := m.snapshot.Load()
	next := rulebook{file: book.file, log: book.log}
	s = &snapshot{config: s.config, all: s.all}
	s.rules = next.compile(s)
	for _, r := range s.rules {
		r.Begin()
	}
	next.use(s)
	next.tick(s, time.Now())
	if p, _ := next.states["users@main"]["all"].Progress(); p.Phase != "stopped" || p.Percent != 0 {
		t.Errorf("after a restart: got %+v, want it stopped", p)
	}
}

// Copies go to a group that no refer has, which is watched for them, and no answer depends on it.
func TestMirrorToAnotherGroup(t *testing.T) {
	m := meet(t, "    []\n", "main")
	yaml := strings.Replace(meetingYAML, "requestTimeout: 5000", `requestTimeout: 5000, filter: mirror, mirror.to: "@next"`, 1) + "    []\n"
	if err := m.Reload(m.parse(t, yaml)); err != nil {
		t.Fatal(err)
	}
	if got := m.said("hello"); got != "main" {
		t.Errorf("got %s, want main", got)
	}
	next := m.serve("next")
	motantest.Await(t, "a copy", func() bool {
		if got := m.said("hello", "uid", "7"); got != "main" {
			t.Errorf("got %s, want main", got)
		}
		return len(next.Frames()) > 0
	})
	var f motan.Frame
	if _, err := f.Decode(next.Frames()[0], 0); err != nil {
		t.Fatal(err)
	}
	if string(f.Get("mirror")) != "1" || string(f.Get("uid")) != "7" || string(f.Group()) != "next" {
		t.Errorf("got mirror %q, uid %q, group %q", f.Get("mirror"), f.Get("uid"), f.Group())
	}
	put := `{"filter":"mirror","service":"svc","set":{"mirror.to":"@later"}}`
	if w := ask(t, m.Agent, http.MethodPut, "/api/v1/filters", put); w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
	later := m.serve("later")
	motantest.Await(t, "a copy elsewhere", func() bool { m.said("hello"); return len(later.Frames()) > 0 })
	if scrape := ask(t, m.Agent, http.MethodGet, "/metrics", "").Body.String(); !strings.Contains(scrape, `motand_filter_calls_total{filter="mirror",group="main",result="other_length"`) {
		t.Error("metrics: mirror is missing")
	}
}
