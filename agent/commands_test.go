package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// commander is a registry that commands as the test says.
type commander struct {
	registry.Static

	mu      sync.Mutex
	updates map[registry.Scope]func(string)
}

// unwatched is a group that the registry refuses to watch.
const unwatched = "a/b"

// Watch implements registry.Registry.
func (r *commander) Watch(ctx context.Context, s registry.Service, update func([]registry.Node)) error {
	if s.Group == unwatched {
		return errors.New("no such group can be")
	}
	return r.Static.Watch(ctx, s, update)
}

func (r *commander) WatchCommand(_ context.Context, s registry.Scope, update func(string)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.updates == nil {
		r.updates = map[registry.Scope]func(string){}
	}
	if r.updates[s] != nil {
		return errors.New("watched twice")
	}
	r.updates[s] = update
	return nil
}

func (r *commander) command(s registry.Scope, commands ...string) {
	r.mu.Lock()
	update := r.updates[s]
	r.mu.Unlock()
	update(`{"clientCommandList":[` + strings.Join(commands, ",") + `]}`)
}

var (
	ofGroup = registry.Scope{Group: "g"}
	ofApp   = registry.Scope{Application: "app"}
)

// lead starts refers of svc in group g, with the keys of yaml, on a commander that knows group g's nodes 10.0.0.1 and 2,
// and those of h, 10.1.0.1 and 2. This host is 10.9.0.1.
func lead(t *testing.T, yaml string) (*commander, *snapshot) {
	t.Helper()
	reg := new(commander)
	for i, group := range []string{"g", "h"} {
		reg.Set(registry.Service{Group: group, Path: "svc"}, providerIn(group, i, 1), providerIn(group, i, 2))
	}
	return reg, leadWith(t, reg, t.TempDir(), yaml)
}

func leadWith(t *testing.T, reg registry.Registry, dir, yaml string) *snapshot {
	t.Helper()
	x := Default()
	x.Registries["commander"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return reg, nil }
	c := parse(t, x, "", `
motan-registry:
  c: {protocol: commander, address: "h:1"}
motan-refer:
  r: {path: svc, group: g, registry: c`+yaml+`}
`)
	return leadRefers(t, x, dir, c)
}

func leadRefers(t *testing.T, x Extensions, dir string, c *conf.Config) *snapshot {
	t.Helper()
	c.Agent.Application, c.Agent.RuntimeDir = "app", dir
	k := newCompiler(t, x)
	k.localIP = "10.9.0.1"
	s, err := k.compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.close()
		leave(context.Background(), s.registries, k.log) //nolint:usetesting // that of the test has ended by now
	})
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func providerIn(group string, net, i int) registry.Node {
	return registry.Node{
		Service: registry.Service{Group: group, Path: "svc", Protocol: "motan2"},
		Host:    fmt.Sprintf("10.%d.0.%d", net, i), Port: 80, Available: true,
	}
}

// expectNodes waits until the refer's nodes are those.
func expectNodes(t *testing.T, s *snapshot, want ...string) {
	t.Helper()
	slices.Sort(want)
	var got []string
	motantest.Await(t, fmt.Sprintf("nodes %v", want), func() bool {
		got = nil
		for _, e := range s.all[0].cluster.Endpoints() {
			got = append(got, strings.TrimSuffix(e.Addr(), ":80"))
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

func TestTrafficCommands(t *testing.T) {
	const own1, own2, other1, other2 = "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"
	tests := []struct {
		name    string
		group   []string // commands
		app     []string
		want    []string
		refused bool
	}{
		{"none", nil, nil, []string{own1, own2}, false},
		{"mix", []string{`{"pattern":"*","mergeGroups":["g","h"]}`}, nil, []string{own1, own2, other1, other2}, false},
		{"other group", []string{`{"pattern":"svc","mergeGroups":["h"]}`}, nil, []string{other1, other2}, false},
		{"of another service", []string{`{"pattern":"other","mergeGroups":["h"]}`}, nil, []string{own1, own2}, false},
		{"weights", []string{`{"pattern":"s*","mergeGroups":["g:3","h:1"]}`}, nil, []string{own1, own2, other1, other2}, false},
		{"the application's goes first", []string{`{"pattern":"*","mergeGroups":["h"]}`}, []string{`{"pattern":"*","mergeGroups":["g"]}`}, []string{own1, own2}, false},
		{"rule", []string{`{"pattern":"*","routeRules":["10.9.* to 10.0.0.1"]}`}, nil, []string{own1}, false},
		{"rule for others", []string{`{"pattern":"*","routeRules":["!10.9.* to 10.0.0.1"]}`}, nil, []string{own1, own2}, false},
		{"rule over groups", []string{`{"pattern":"*","mergeGroups":["g","h"],"routeRules":["* to *", "* to !10.0.0.2", "* to !10.1.0.1"]}`}, nil, []string{own1, other2}, false},
		{"rules that leave nobody", []string{`{"pattern":"*","routeRules":["* to 1.1.1.1"]}`}, nil, []string{own1, own2}, false},
		{"a group that nobody is in", []string{`{"pattern":"*","mergeGroups":["nobody"]}`}, nil, []string{own1, own2}, false},
		{"degrade", []string{`{"pattern":"svc","commandType":1}`}, nil, []string{own1, own2}, true},
		{"degrade by the application", nil, []string{`{"pattern":"*","commandType":1}`}, []string{own1, own2}, true},
		{"degrade of another", []string{`{"pattern":"!svc","commandType":1}`}, nil, []string{own1, own2}, false},
	}
	reg, s := lead(t, "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg.command(ofGroup, tt.group...)
			reg.command(ofApp, tt.app...)
			expectNodes(t, s, tt.want...)
			if got := s.all[0].cluster.Refused(); got != tt.refused {
				t.Errorf("refused: got %t, want %t", got, tt.refused)
			}
		})
	}
	reg.command(ofGroup)
	reg.command(ofApp)
	expectNodes(t, s, own1, own2)
	reg.Set(registry.Service{Group: "g", Path: "svc"}, providerIn("g", 0, 7))
	expectNodes(t, s, "10.0.0.7") // the registry is still listened to
}

func TestDegradedCalls(t *testing.T) {
	reg, s := lead(t, "")
	reg.command(ofGroup, `{"pattern":"*","commandType":1}`)
	c := motan.NewCall()
	defer c.Release()
	motan.Do(s.all[0].handler, c)
	if c.Err == nil || c.Err.Code != 500 || c.Err.Message != "cluster not available, maybe caused by degrade" || c.Err.Kind != motan.KindRefused {
		t.Errorf("got %v, want motan-go's refusal", c.Err)
	}
}

// A command that means nothing leaves the one before in force, and is counted.
func TestWrongCommands(t *testing.T) {
	reg, s := lead(t, "")
	reg.command(ofGroup, `{"pattern":"*","mergeGroups":["h"]}`)
	expectNodes(t, s, "10.1.0.1", "10.1.0.2")
	reg.updates[ofGroup]("nonsense")
	reg.command(ofApp, `{"pattern":"("}`, `{"commandType":9}`)
	expectNodes(t, s, "10.1.0.1", "10.1.0.2")
	if got := s.commands.wrong.Load(); got != 3 {
		t.Errorf("ignored: got %d, want 3", got)
	}
	reg.updates[ofGroup]("")
	expectNodes(t, s, "10.0.0.1", "10.0.0.2")
}

// Key mixGroups counts while no command does; nodes that come later are seen in every group.
func TestMixGroups(t *testing.T) {
	reg, s := lead(t, `, mixGroups: "h, i"`)
	expectNodes(t, s, "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2")
	reg.Set(registry.Service{Group: "i", Path: "svc"}, providerIn("i", 2, 1))
	expectNodes(t, s, "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2", "10.2.0.1")
	reg.command(ofGroup, `{"pattern":"*","mergeGroups":["i"]}`)
	expectNodes(t, s, "10.2.0.1")
	reg.command(ofGroup)
	expectNodes(t, s, "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2", "10.2.0.1")
}

// Commands are remembered over a restart while the registry is silent.
func TestCommandsAreKept(t *testing.T) {
	dir := t.TempDir()
	reg := new(commander)
	s := leadWith(t, reg, dir, "")
	reg.command(ofGroup, `{"pattern":"*","commandType":1}`)
	if !s.all[0].cluster.Refused() {
		t.Fatal("not refused")
	}
	reg.updates[ofGroup]("nonsense") // is not kept
	s.close()
	reg = new(commander)
	s = leadWith(t, reg, dir, "")
	if !s.all[0].cluster.Refused() {
		t.Error("after a restart: not refused")
	}
	reg.command(ofGroup)
	if s.all[0].cluster.Refused() {
		t.Error("after the registry has told: refused")
	}
	s.close()
	if err := writeFile(filepath.Join(dir, "commands.json"), "{"); err != nil {
		t.Fatal(err)
	}
	s = leadWith(t, new(commander), dir, "")
	if s.all[0].cluster.Refused() {
		t.Error("nonsense in the file: refused")
	}
}

// Of several registries the commands of all count, those of the first before.
func TestCommandsOfSeveralRegistries(t *testing.T) {
	k := newCommands("", nil, slog.New(slog.DiscardHandler))
	r := &route{refer: &conf.Refer{Entry: conf.Entry{Path: "svc", Group: "g", Registries: []string{"one", "two"}}}, cluster: cluster.New(cluster.Settings{Pool: new(cluster.Pool)})}
	r.steering.route = r
	regs := map[string]registry.Registry{"one": new(commander), "two": new(commander), "plain": new(registry.Static)}
	s := &snapshot{config: new(conf.Config), all: []*route{r}, holds: make(map[string]*item[registry.Registry])}
	for id, reg := range regs {
		s.holds[id] = &item[registry.Registry]{value: reg}
	}
	if err := k.use(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	regs["two"].(*commander).command(ofGroup, `{"index":1,"pattern":"*","mergeGroups":["b"]}`)
	regs["one"].(*commander).command(ofGroup, `{"index":9,"pattern":"*","mergeGroups":["a"]}`)
	if c, ok := k.set(r).Traffic("svc"); !ok || c.Groups[0].Name != "a" {
		t.Errorf("got %+v, want that of the first registry", c)
	}
}

// Commands go on from one snapshot to the next: what is watched is not watched again, a refer that comes later follows
// what was commanded before, and what no refer asks for any more ends.
func TestCommandsOfTheNextSnapshot(t *testing.T) {
	reg := new(commander)
	x := withRecorder(reg)
	const refer = "motan-refer:\n  r: {path: svc, group: g, registry: outside}\n"
	dir := t.TempDir() // before the compiler, which writes there until its end
	k := newCompiler(t, x)
	read := func(text string) *conf.Config {
		t.Helper()
		c := parse(t, x, "", recorderYAML+text)
		c.Agent.RuntimeDir, c.Agent.SnapshotDir = dir, dir
		return c
	}
	use := func(c *conf.Config, old *snapshot) *snapshot {
		t.Helper()
		s, err := k.compile(c, old)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := use(read(refer), nil)
	reg.command(ofGroup, `{"pattern":"*","commandType":1}`)
	next := use(read(refer+"  q: {path: other, group: g, registry: outside}\n  o: {path: svc, group: h, registry: outside}\n"), first)
	first.close()
	for i, want := range []bool{true, true, false} {
		if got := next.all[i].cluster.Refused(); got != want {
			t.Errorf("refer %s: refused is %t, want %t", next.all[i].refer.ID, got, want)
		}
	}
	reg.command(ofGroup)
	if next.all[0].cluster.Refused() || next.all[1].cluster.Refused() {
		t.Error("the end of the command is not followed by all")
	}
	last := use(read("motan-refer:\n  o: {path: svc, group: h, registry: outside}\n"), next)
	next.close()
	reg.command(ofGroup, `{"pattern":"*","commandType":1}`)
	if last.all[0].cluster.Refused() || len(k.commands.texts) != 2 {
		t.Errorf("%d places are watched, want group h and the application", len(k.commands.texts))
	}
	last.close()
}

// Switch commands count while they exist: afterwards a switch is what it was, or was set to meanwhile.
func TestSwitchCommands(t *testing.T) {
	reg, s := lead(t, ", mixGroups: h")
	switches := s.commands.switches
	switches.Register("a", false)
	switches.Register("b", true)
	expect := func(what string, a, b bool) {
		t.Helper()
		if gotA, gotB := switches.Get("a").Value().On, switches.Get("b").Value().On; gotA != a || gotB != b {
			t.Errorf("%s: got a %t and b %t, want %t and %t", what, gotA, gotB, a, b)
		}
	}
	reg.command(ofGroup, `{"commandType":2,"pattern":"a:true,unknown:true"}`)
	expect("of the group", true, true)
	reg.command(ofApp, `{"commandType":2,"pattern":"a:false,b:false"}`)
	expect("of the application", false, false)
	if _, err := switches.Set("b", filters.SwitchValue{On: false, Percent: 100}); err != nil {
		t.Fatal(err)
	}
	reg.command(ofApp)
	expect("of the group again, b set by hand", true, false)
	if !switches.Register("unknown", false).Value().On {
		t.Error("a switch that is registered later is not commanded")
	}
	reg.command(ofGroup)
	expect("none", false, false)
	if changes := switches.Changes(); len(changes) != 1 || changes["b"].Value != "false" {
		t.Errorf("got %v to be kept, want what was set by hand", changes)
	}
}

// Of the spellings of a group with ${idc} the first that has nodes counts, as motan-go has it; unlike there also when that
// changes, and commands for each of them are followed.
func TestSpellings(t *testing.T) {
	reg := new(commander)
	x := Default()
	x.Registries["commander"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return reg, nil }
	c, found := conf.Parse("motan.yaml", []byte(`
motan-agent: {strictGroup: true}
motan-registry:
  c: {protocol: commander, address: "h:1"}
motan-refer:
  r: {path: svc, group: 'g-${idc}', registry: c}
`), conf.Options{Known: x.known(), LocalIP: "127.0.0.1", IDC: "Yf"})
	if c == nil {
		t.Fatal(found)
	}
	c.Agent.SnapshotDir = t.TempDir()
	in := func(group string, net int) {
		reg.Set(registry.Service{Group: group, Path: "svc"}, providerIn(group, net, 1))
	}
	in("g-YF", 3)
	s := leadRefers(t, x, t.TempDir(), c)
	expectNodes(t, s, "10.3.0.1")
	motantest.Await(t, "the refer to be ready", func() bool { return s.pending() == 0 })
	in("g-yf", 2)
	expectNodes(t, s, "10.2.0.1")
	in("g-Yf", 1)
	expectNodes(t, s, "10.1.0.1")
	reg.Set(registry.Service{Group: "g-Yf", Path: "svc"})
	expectNodes(t, s, "10.2.0.1")
	reg.command(registry.Scope{Group: "g-YF"}, `{"pattern":"*","commandType":1}`)
	if !s.all[0].cluster.Refused() {
		t.Error("a command for another spelling is not followed")
	}
	reg.command(registry.Scope{Group: "g-YF"})
	in("h", 7)
	reg.command(registry.Scope{Group: "g-yf"}, `{"pattern":"*","mergeGroups":["g-Yf","g-yf","h"]}`)
	expectNodes(t, s, "10.2.0.1", "10.7.0.1")
	for _, group := range []string{"", "g-Yf", "g-YF", "g-yf"} {
		if _, err := s.routes.find(&request("svc", "m", "M_g", group).Request); err != nil {
			t.Errorf("a call of group %q: %v", group, err)
		}
	}
	if _, err := s.routes.find(&request("svc", "m", "M_g", "g-x").Request); err == nil {
		t.Error("a call of another group was led here")
	}
}
