package agent

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

func TestScreen(t *testing.T) {
	hosts := []string{"10.1.0.1", "10.2.0.1", "10.20.0.1", "fd00::1", "unix:///run/a"}
	tests := []struct {
		name, list string
		want       []string
	}{
		{"nothing", `[]`, hosts},
		{"without", `[{"mode":"exclude","rule":"10.1."}]`, hosts[1:]},
		{"only", `[{"mode":"include","rule":"10.2"}]`, hosts[1:3]},
		{"networks", `[{"mode":"include","rule":"10.2.0.0/16, fd00::/8"}]`, []string{"10.2.0.1", "fd00::1"}},
		{"both", `[{"mode":"include","rule":"10."},{"mode":"exclude","rule":"10.2."}]`, []string{"10.1.0.1", "10.20.0.1"}},
		{"several", `[{"mode":"include","rule":"10.1."},{"mode":"include","rule":"fd"}]`, []string{"10.1.0.1", "fd00::1"}},
		{"of others", `[{"group":"h","mode":"include","rule":"10.1."},{"service":"q","mode":"exclude","rule":"10"}]`, hosts},
		{"of this one", `[{"group":"g","service":"s","mode":"include","rule":"unix:"}]`, hosts[4:]},
		{"nobody is left", `[{"mode":"include","rule":"9."}]`, hosts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := parseScreenings([]byte(tt.list))
			if err != nil {
				t.Fatal(err)
			}
			var nodes []registry.Node
			for _, h := range hosts {
				nodes = append(nodes, registry.Node{Host: h})
			}
			var got []string
			for _, n := range screenOf(list, &conf.Refer{Entry: conf.Entry{Group: "g", Path: "s"}}).through(nodes) {
				got = append(got, n.Host)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestScreeningsRefused(t *testing.T) {
	for list, want := range map[string]string{
		"":                                  "wanted is a list",
		`{"mode":"include"}`:                "wanted is a list",
		`[{"mode":"only","rule":"10."}]`:    "rule 1: mode",
		`[{"mode":"include","rule":" , "}]`: "the rule is empty",
		`[{"mode":"include","rule":"10.1.0/99"}]`:                                                       "no network",
		`[` + strings.Repeat(`{"mode":"include","rule":"1"},`, 1000) + `{"mode":"include","rule":"1"}]`: "at most 1000",
	} {
		if _, err := parseScreenings([]byte(list)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", list, err, want)
		}
	}
}

func FuzzScreenings(f *testing.F) {
	f.Add([]byte(`[{"group":"g","mode":"exclude","rule":"10.1.,10.2.0.0/16,::/0"}]`), "10.1.2.3")
	f.Fuzz(func(t *testing.T, text []byte, host string) {
		list, err := parseScreenings(text)
		if err == nil {
			screenOf(list, &conf.Refer{}).through([]registry.Node{{Host: host}})
		}
	})
}

// The refers filter is set, what is wrong is not, calls follow it, and it is there again after a restart.
func TestRefersFilter(t *testing.T) {
	m := meet(t, `    - {name: reads, method: "get*", group: ro}`, "main", "ro")
	m.expect("ro", "getAll")
	far := registry.Node{Service: registry.Service{Group: "main", Path: "svc", Protocol: "motan2"}, Host: "127.0.0.2", Port: 1, Available: true}
	near := m.snapshot.Load().all[0].cluster.Endpoints()[0].Addr()
	set := func(list string, status int, want string) {
		t.Helper()
		if w := ask(t, m.Agent, http.MethodGet, "/refers/filter/set?config="+url.QueryEscape(list), ""); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %d and %s", list, w.Code, w.Body, status, want)
		}
	}
	nodes := func() (addrs []string) {
		for _, e := range m.snapshot.Load().all[0].cluster.Endpoints() {
			addrs = append(addrs, e.Addr())
		}
		return addrs
	}
	const list = `[{"service":"svc","mode":"exclude","rule":"127.0.0.2"}]`
	set(list, 200, `{"code":200,"body":"ok"}`)
	host, port, _ := strings.Cut(near, ":")
	n := far
	n.Host = host
	if err := json.Unmarshal([]byte(port), &n.Port); err != nil {
		t.Fatal(err)
	}
	m.reg.Set(far.Service, n, far)
	m.expect("main", "other")
	if got := nodes(); !slices.Equal(got, []string{near}) {
		t.Errorf("got nodes %v, want %s", got, near)
	}
	set(`[{"mode":"no"}]`, 400, "mode is")
	if w := ask(t, m.Agent, http.MethodGet, "/refers/filter/get", ""); !strings.Contains(w.Body.String(), `"rule":"127.0.0.2"`) {
		t.Errorf("get: got %s", w.Body)
	}
	m.expect("ro", "getAll") // the branch was watched anew
	if got := recallScreenings(filepath.Join(m.snapshot.Load().config.Agent.RuntimeDir, screenFile), m.log); len(got) != 1 {
		t.Errorf("after a restart: got %v, want the rule", got)
	}
	set("[]", 200, "ok")
	motantest.Await(t, "both nodes", func() bool { return len(nodes()) == 2 })
}
