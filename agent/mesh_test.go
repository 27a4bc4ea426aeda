package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// meshed runs an agent whose registry outside is at 127.0.0.1:1, with one refer and one service of its own.
func meshed(t *testing.T, r *recorder, agentKeys string) *running {
	t.Helper()
	x := withRecorder(r)
	c := parse(t, x, agentKeys, recorderYAML+"motan-refer:\n  r: {path: com.example.Known, group: g, registry: outside}\n"+
		"motan-service:\n  s: {path: com.example.Own, group: g, provider: demo, registry: outside}\n")
	c.Agent.ExportPort = freePort(t)
	c.Services[0].Export.Port = c.Agent.ExportPort
	return startMeshed(t, c, x)
}

// startMeshed runs an agent and waits until it takes requests of programs.
func startMeshed(t *testing.T, c *conf.Config, x Extensions) *running {
	t.Helper()
	a := start(t, c, x)
	motantest.Await(t, "the start", func() bool {
		select {
		case <-a.begun:
			return true
		default:
			return false
		}
	})
	return a
}

// body is what a program sends: p is the port of its server, and proxyRegistry that of the agent's registry.
func body(path, group string, port int, params ...string) string {
	u := meshURL{Protocol: "motan2", Host: "10.0.0.9", Port: port, Path: path, Group: group, Parameters: map[string]string{"proxyRegistry": "recorder://127.0.0.1:1"}}
	for i := 0; i+1 < len(params); i += 2 {
		u.Parameters[params[i]] = params[i+1]
	}
	return string(compactJSON(u))
}

func (r *running) mesh(verb, body string) (code int, answer string) {
	r.t.Helper()
	w := ask(r.t.(*testing.T), r.Agent, http.MethodPost, "/registry/"+verb, body)
	return w.Code, w.Body.String()
}

// The answers of motan-go v1.2.0, as they were captured from its agent.
func TestMeshAnswers(t *testing.T) {
	a := meshed(t, new(recorder), "")
	motanPort := a.motanPort()
	ok := `{"code":200,"message":"ok"}`
	subscribed := `{"protocol":"motan2","host":"","port":0,"path":"com.example.Sub","group":"g","parameters":{"application":"test-agent","proxyRegistryUrlString":"recorder%3A%2F%2F127.0.0.1%3A1%2Fx%3Fa%3Db","registry":"outside"}}`
	registered := func(group string) string {
		return fmt.Sprintf(`{"protocol":"motan2","host":"127.0.0.1","port":%d,"path":"com.example.Dyn","group":"%s","parameters":{"application":"test-agent","export":"motan2:%[1]d","filter":"metrics","nodeType":"service","proxy":"motan2:21100","proxyRegistry":"recorder://127.0.0.1:1","registry":"outside","requestTimeout":"500"}}`,
			a.base.Agent.ExportPort, group)
	}
	dyn := body("com.example.Dyn", "g1,g2", 21100, "filter", "accessLog,af_metrics", "requestTimeout", "500")
	steps := []struct {
		verb, body string
		code       int
		want       string
	}{
		{"info", "", 200, fmt.Sprintf(`{"body":{"mesh_port":%d},"code":200,"message":"ok"}`, motanPort)},
		{"list", "", 200, `{"body":{"register_nodes":[],"subscribe_nodes":[]},"code":200,"message":"ok"}`},
		{"register", dyn, 200, ok},
		{"register", dyn, 200, ok},
		{"list", "", 200, `{"body":{"register_nodes":[` + registered("g1") + "," + registered("g2") + `],"subscribe_nodes":[]},"code":200,"message":"ok"}`},
		{"register", "nonsense", 400, `{"code":400,"message":"invalid character 'o' in literal null (expecting 'u')"}`},
		{"register", "", 400, `{"code":400,"message":"unexpected end of JSON input"}`},
		{"register", `{"protocol":"motan2","path":"x","group":"g"}`, 400, `{"code":400,"message":"registry not found"}`},
		{"subscribe", `{"protocol":"motan2","port":"7","path":"x","group":"g"}`, 400, `{"code":400,"message":"json: cannot unmarshal string into Go struct field URL.port of type int"}`},
		{"subscribe", `{"protocol":"motan2","path":"x","group":"g","parameters":{"proxyRegistryUrlString":"zookeeper%3A%2F%2F127.0.0.1%3A21998"}}`, 400, `{"code":400,"message":"registry not found"}`},
		{"subscribe", `{"protocol":"motan2","host":"1.2.3.4","port":5,"path":"com.example.Sub","group":"g","parameters":{"proxyRegistryUrlString":"recorder%3A%2F%2F127.0.0.1%3A1%2Fx%3Fa%3Db"}}`, 200, ok},
		{"unregister", dyn, 200, ok},
		{"unregister", dyn, 200, ok},
		{"list", "", 200, `{"body":{"register_nodes":[],"subscribe_nodes":[` + subscribed + `]},"code":200,"message":"ok"}`},
		{"unsubscribe", `{"protocol":"motan2","path":"com.example.Sub","group":"g","parameters":{"proxyRegistry":"recorder://127.0.0.1:1"}}`, 200, ok},
		{"list", "", 200, `{"body":{"register_nodes":[],"subscribe_nodes":[]},"code":200,"message":"ok"}`},
	}
	for _, s := range steps {
		w := ask(t, a.Agent, http.MethodPost, "/registry/"+s.verb, s.body)
		if w.Code != s.code || w.Body.String() != s.want {
			t.Errorf("%s %.200s: got %d\n%s\nwant %d\n%s", s.verb, s.body, w.Code, w.Body, s.code, s.want)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json;charset=utf-8" {
			t.Errorf("%s: got Content-Type %s", s.verb, got)
		}
	}
	w := ask(t, a.Agent, http.MethodGet, "/getAllService", "")
	if !strings.HasPrefix(w.Body.String(), `{"dynamic_services":[],"services":[{"protocol":"motan2","host":"127.0.0.1","port":`) {
		t.Errorf("/getAllService: got %s", w.Body)
	}
	a.mesh("register", dyn)
	var all struct {
		Dynamic []meshURL `json:"dynamic_services"`
	}
	w = ask(t, a.Agent, http.MethodGet, "/getAllService", "")
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all.Dynamic) != 2 {
		t.Errorf("/getAllService: got %s (%v), want two dynamic services", w.Body, err)
	}
}

// A program's service is called through the agent as long as it is registered, is available when all are,
// moves with the program to another port, and is withdrawn at once.
func TestMeshService(t *testing.T) {
	r := new(recorder)
	a := meshed(t, r, "")
	one := motantest.NewServer(t, motantest.Reply([]byte("one")))
	two := motantest.NewServer(t, motantest.Reply([]byte("two")))
	node := func() (available, registered bool) {
		for _, n := range r.Announced() {
			if n.Path == "com.example.Dyn" {
				return n.Available, true
			}
		}
		return false, false
	}
	call := func() *motan.Frame {
		f := motantest.Request("com.example.Dyn", "m", nil)
		f.Set("M_g", "g")
		return motantest.Dial(t, fmt.Sprintf("127.0.0.1:%d", a.base.Agent.ExportPort)).Call(f)
	}
	grant := func(verb, body string) {
		t.Helper()
		if code, answer := a.mesh(verb, body); code != http.StatusOK {
			t.Fatalf("%s: got %d %s", verb, code, answer)
		}
	}
	grant("register", body("com.example.Dyn", "g", portOf(t, one.Addr())))
	if available, registered := node(); available || !registered {
		t.Errorf("before /200: available %t, registered %t, want registered only", available, registered)
	}
	if got := call(); string(got.Body()) != "one" {
		t.Errorf("got %q, want one", got.Body())
	}
	ask(t, a.Agent, http.MethodGet, "/200", "")
	if available, _ := node(); !available {
		t.Error("not available after /200")
	}
	grant("unregister", body("com.example.Dyn", "g", 0))
	motantest.Await(t, "the withdrawal", func() bool { _, registered := node(); return !registered })
	motantest.Await(t, "the service to be gone", func() bool { x, _ := call().Exception(); return x.Code == 404 })
	grant("register", body("com.example.Dyn", "g", portOf(t, one.Addr())))
	if available, _ := node(); !available {
		t.Error("registered while all are available: is not available")
	}
	grant("register", body("com.example.Dyn", "g", portOf(t, two.Addr())))
	if got := call(); string(got.Body()) != "two" {
		t.Errorf("after the program moved: got %q, want two", got.Body())
	}
	if available, _ := node(); !available || len(r.Announced()) != 2 {
		t.Errorf("after the program moved: got %v, want it available, once", r.Announced())
	}
	ask(t, a.Agent, http.MethodGet, "/503", "")
	if available, registered := node(); available || !registered {
		t.Error("after /503: still available, or gone")
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	var port int
	if _, err := fmt.Sscanf(addr[strings.LastIndexByte(addr, ':'):], ":%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}

// What a program subscribes to can be called at once.
func TestMeshRefer(t *testing.T) {
	x := Default()
	provider := motantest.NewServer(t, motantest.Reply([]byte("here")))
	c := parse(t, x, "", "motan-registry:\n  there: {protocol: direct, address: \""+provider.Addr()+"\"}\n")
	a := startMeshed(t, c, x)
	sub := strings.ReplaceAll(body("com.example.Sub", "g", 0), "recorder://127.0.0.1:1", "direct://"+provider.Addr())
	f := motantest.Request("com.example.Sub", "m", nil)
	f.Set("M_g", "g")
	if x, _ := a.dial().Call(f).Exception(); x.Code != 400 {
		t.Errorf("before: got %+v, want 400", x)
	}
	if code, answer := a.mesh("subscribe", sub); code != http.StatusOK {
		t.Fatalf("got %d %s", code, answer)
	}
	if got := a.dial().Call(f); string(got.Body()) != "here" {
		x, _ := got.Exception()
		t.Errorf("got %q %+v, want here", got.Body(), x)
	}
	if w := ask(t, a.Agent, http.MethodGet, "/getReferService", ""); !strings.Contains(w.Body.String(), `"g_1.0_motan2_com.example.Sub"`) {
		t.Errorf("/getReferService: got %s", w.Body)
	}
	a.mesh("unsubscribe", sub)
	if x, _ := a.dial().Call(f).Exception(); x.Code != 400 {
		t.Errorf("afterwards: got %+v, want 400", x)
	}
}

// What the configuration has is not listed again, and comes back where the configuration loses it.
func TestMeshUnderAConfiguration(t *testing.T) {
	r := new(recorder)
	a := meshed(t, r, "")
	own := body("com.example.Own", "g", 1)
	if code, answer := a.mesh("register", own); code != http.StatusOK {
		t.Fatalf("got %d %s", code, answer)
	}
	if _, list := a.mesh("list", ""); strings.Contains(list, "com.example.Own") {
		t.Errorf("got %s, want the configured service not listed", list)
	}
	a.mesh("subscribe", body("com.example.Known", "g", 0))
	if got := len(a.snapshot.Load().all); got != 1 {
		t.Errorf("%d refers, want the configured one", got)
	}
	next := *a.base
	next.Services, next.Refers = nil, nil
	if err := a.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if s := a.snapshot.Load(); len(s.exported) != 1 || !s.exported[0].service.Dynamic || len(s.all) != 1 || !s.all[0].refer.Dynamic {
		t.Error("what programs asked for did not take the place of what the file has lost")
	}
	if _, list := a.mesh("list", ""); !strings.Contains(list, "com.example.Own") {
		t.Errorf("got %s, want the service listed", list)
	}
	next = *a.base
	next.Registries = []*conf.Registry{a.base.Registry("inside")}
	if err := a.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if s := a.snapshot.Load(); len(s.exported)+len(s.all) != 0 {
		t.Error("without their registry they are still in use")
	}
}

// Requests without sense or bounds are refused with a word and leave nothing behind.
func TestMeshRefused(t *testing.T) {
	a := meshed(t, new(recorder), "")
	groups := make([]string, 100)
	for i := range groups {
		groups[i] = fmt.Sprint("g", i)
	}
	many := []string{}
	for i := range 600 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	tests := []struct{ name, verb, body, want string }{
		{"no path", "register", body("", "g", 1), "path"},
		{"slash", "register", body("a/b", "g", 1), "path"},
		{"no path", "subscribe", body("", "g", 1), "path"},
		{"control character", "subscribe", body("a\x01", "g", 1), "path"},
		{"long path", "register", body(strings.Repeat("p", 300), "g", 1), "more than the 256 allowed"},
		{"long group", "subscribe", body("p", strings.Repeat("g", 300), 1), "more than the 256 allowed"},
		{"group with a slash", "register", body("p", "../../g", 1), "a group has no"},
		{"many groups", "register", body("p", strings.Join(groups, ","), 1), "64 allowed in one request"},
		{"many parameters", "register", body("p", "g", 1, many...), "parameters"},
		{"no port", "register", body("p", "g", 0), "proxy"},
		{"port out of range", "register", body("p", "g", 70000), "proxy"},
		{"protocol", "register", strings.Replace(body("p", "g", 1), "motan2", "restful", 1), "restful"},
		{"protocol", "subscribe", strings.Replace(body("p", "g", 1), "motan2", "restful", 1), "restful"},
		{"too long", "register", body("p", "g", 1, "k", strings.Repeat("v", maxMeshBody)), "too large"},
		{"nested", "register", strings.Repeat("[", 20000), "max depth"},
		{"null", "register", "null", "registry not found"},
		{"another registry", "register", strings.Replace(body("p", "g", 1), "127.0.0.1:1\"", "127.0.0.1:2\"", 1), "registry not found"},
		{"no registry at all", "subscribe", strings.Replace(body("p", "g", 1), "recorder://127.0.0.1:1", "%%", 1), "registry not found"},
	}
	before := a.snapshot.Load()
	for _, tt := range tests {
		t.Run(tt.verb+" "+tt.name, func(t *testing.T) {
			code, answer := a.mesh(tt.verb, tt.body)
			var x meshAnswer
			if err := json.Unmarshal([]byte(answer), &x); err != nil || code != http.StatusBadRequest || x.Code != code || !strings.Contains(x.Message, tt.want) || len(x.Message) > 2000 {
				t.Errorf("got %d %.300s, want 400 and %s", code, answer, tt.want)
			}
		})
	}
	if a.snapshot.Load() != before {
		t.Error("something was taken into use")
	}
	for _, verb := range []string{"register", "unregister", "subscribe", "unsubscribe"} {
		w := ask(t, a.Agent, http.MethodPost, "/registry/"+verb, body("p", "g", 1), "Origin", "http://evil.example")
		if w.Code != http.StatusForbidden {
			t.Errorf("%s from a web page: got %d, want 403", verb, w.Code)
		}
	}
}

// What cannot be had at last is answered with 500, and all is as before.
func TestMeshTakenBack(t *testing.T) {
	r := new(recorder)
	a := meshed(t, r, "")
	l, port := tcp(t)
	defer l.Close()
	a.base.Agent.ExportPort = port
	before := a.snapshot.Load()
	code, answer := a.mesh("register", body("p", "g", 1))
	if code != http.StatusInternalServerError || !strings.Contains(answer, "cannot listen") {
		t.Errorf("got %d %s, want 500 and why", code, answer)
	}
	if a.snapshot.Load() != before || len(a.dynamics.services) != 0 {
		t.Error("something stayed")
	}
	a.base.Agent.ExportPort = freePort(t)
	r.refuseNodes = true
	if code, answer := a.mesh("register", body("p", "g", 1)); code != http.StatusInternalServerError || !strings.Contains(answer, "no room") {
		t.Errorf("got %d %s, want 500 and why", code, answer)
	}
	if a.snapshot.Load() != before || len(a.dynamics.services) != 0 || len(r.Announced()) != 1 {
		t.Error("something stayed")
	}
}
