package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// managementCase is an address of the management port that both agents are asked for.
type managementCase struct {
	path    string
	post    string // what is posted; "" for GET
	keys    bool   // of JSON only the names of the keys are compared: what motan-go has, motand must have
	differs string // why motand does not do what motan-go does; empty: it does
}

// managementCases are asked in this order. Both agents have one refer and one service, with no registry that can be
// written to.
var managementCases = []managementCase{
	{path: "/"},
	{path: "/nosuch"},
	{path: "/200"},
	{path: "/"},
	{path: "/503"},
	{path: "/"},
	{path: "/version", differs: "each has its own"},
	{path: "/status", keys: true},
	{path: "/registry/status", keys: true},
	{path: "/getReferService"},
	{path: "/getAllService", keys: true},
	{path: "/registry/list", keys: true},
	{path: "/registry/info"},
	{path: "/registry/register", post: `{"protocol":"motan2","port":1,"path":"com.example.X","group":"g","parameters":{"proxyRegistry":"zookeeper://nobody:1"}}`, keys: true},
	{path: "/switcher/get"},
	{path: "/switcher/get?name=nosuch"},
	{path: "/switcher/set?name=metricsReqApp"},
	{path: "/switcher/set?value=true"},
	{path: "/switcher/set?name=nosuch&value=true"},
	{path: "/switcher/set?name=metricsReqApp&value=true"},
	{path: "/switcher/get?name=metricsReqApp"},
	{path: "/switcher/getAll", keys: true},
	{path: "/logConfig/get", differs: "metrics have no log of their own"},
	{path: "/logConfig/set?level=warn"},
	{path: "/logConfig/set?access=true", differs: "accessLog: off, which motan-go does not know, leaves nothing to switch on"},
	{path: "/meta/update?a=1&b=2"},
	{path: "/meta/get?key=a"},
	{path: "/meta/getAll"},
	{path: "/meta/delete?key=a"},
	{path: "/meta/getAll"},
	{path: "/refers/filter/get", differs: "later than motan-go v1.2.0 as a module"},
	{path: "/runtime/info?keys=basic", keys: true, differs: "motan-go v1.2.0 does not choose by keys"},
	{path: "/debug/pprof/cmdline", differs: "each has its own"},
	{path: "/reload/clusters", keys: true},
}

// answersOf asks an agent for all of them.
func answersOf(t *testing.T, addr string) []string {
	t.Helper()
	var all []string
	for _, x := range managementCases {
		method := http.MethodGet
		if x.post != "" {
			method = http.MethodPost
		}
		status, text, err := fetch(method, "http://"+addr+x.path, x.post)
		if err != nil {
			t.Fatalf("%s: %v", x.path, err)
		}
		all = append(all, strconv.Itoa(status)+" "+strings.TrimSpace(text))
	}
	return all
}

// keysOf are the paths of all keys of a JSON text, those below arrays once.
func keysOf(text string) map[string]bool {
	_, body, _ := strings.Cut(text, " ")
	var value any
	keys := map[string]bool{}
	if json.Unmarshal([]byte(body), &value) != nil {
		return keys
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				if path != ".parameters" && !strings.HasSuffix(path, ".parameters") { // what the entry has
					keys[path+"."+k] = true
					walk(path+"."+k, x)
				}
			}
		case []any:
			for _, x := range v {
				walk(path+"[]", x)
			}
		}
	}
	walk("", value)
	return keys
}

// TestManagementAsMotanGo asks motan-go's agent and then motand, with one and the same configuration, for everything that motan-go
// has on the management port.
func TestManagementAsMotanGo(t *testing.T) {
	provider := motantest.NewServer(t, sameProvider)
	_, port, _ := strings.Cut(provider.Addr(), ":")
	yaml := agentYAML + `  log_dir: ./logs
motan-registry:
  provider: {protocol: direct, host: 127.0.0.1, port: ` + port + `}
motan-refer:
  one: {path: com.example.One, group: demo, protocol: motan2, registry: provider, requestTimeout: 400, serialization: simple, asyncInitConnection: false, filter: metrics}
motan-service:
  one: {path: com.example.One, group: demo, protocol: motan2, provider: motan2, proxy: "motan2:` + port + `", export: "motan2:{{.export}}", registry: provider, serialization: simple, filter: metrics}
`
	s := newSetup(t)
	peer := startProcess(t, "motan-go's agent", s.dir, motango(t), "agent", "-c", s.configure(yaml))
	await(t, "motan-go's agent to listen", func() bool {
		for _, name := range []string{"mgmt", "motan"} { // which motan-go opens last
			conn, err := net.Dial("tcp", s.addr(name))
			if err != nil {
				return false
			}
			conn.Close()
		}
		return true
	})
	theirs := answersOf(t, s.addr("mgmt"))
	peer.Kill()
	d := startMotandIn(s, yaml)
	ours := answersOf(t, d.addr("mgmt"))
	d.Stop()
	for i, x := range managementCases {
		t.Run(fmt.Sprintf("%d %s", i, x.path), func(t *testing.T) {
			got, want := ours[i], theirs[i]
			same := got == want
			if x.keys {
				missing := []string{}
				have := keysOf(got)
				for _, key := range slices.Sorted(maps.Keys(keysOf(want))) {
					if !have[key] {
						missing = append(missing, key)
					}
				}
				same = got[:3] == want[:3] && len(missing) == 0
				if !same && x.differs == "" {
					t.Errorf("motand lacks %v", missing)
				}
			}
			switch {
			case !same && x.differs == "":
				t.Errorf("motand:   %.600s\nmotan-go: %.600s", got, want)
			case same && x.differs != "":
				t.Errorf("motand does as motan-go does: take the difference out of the table (%s)", x.differs)
			}
		})
	}
}
