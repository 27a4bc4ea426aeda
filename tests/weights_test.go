package tests

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// weightedYAML exports the providers' service, and refers to it at the addresses by weights.
func weightedYAML(provider int, addrs ...string) string {
	providerPort := strconv.Itoa(provider)
	yaml := strings.Replace(agentYAML, "motan-agent:\n", "metaCacheExpireSecond: \"1\"\nmotan-agent:\n", 1) + "  log_dir: ./logs\n"
	if len(addrs) > 0 {
		return yaml + "motan-registry:\n  there: {protocol: direct, address: \"" + strings.Join(addrs, ",") + "\"}\n" +
			"motan-refer:\n  both: {path: com.example.Both, group: demo, protocol: motan2, registry: there, loadbalance: wrr, weightRefreshPeriodSecond: 1, requestTimeout: 5000}\n"
	}
	return yaml + "motan-registry:\n  there: {protocol: direct, host: 127.0.0.1, port: " + providerPort + "}\n" +
		"motan-service:\n  both: {path: com.example.Both, group: demo, protocol: motan2, provider: motan2, registry: there, export: \"motan2:{{.export}}\", proxy: \"motan2:" + providerPort + "\"}\n"
}

// startMotanGoAgent starts motan-go's agent and waits until it answers over management.
func startMotanGoAgent(t *testing.T, yaml string) *setup {
	t.Helper()
	s := newSetup(t)
	p := startProcess(t, "motan-go's agent", s.dir, motango(t), "agent", "-c", s.configure(yaml), "-localIP", "127.0.0.1")
	await(t, "motan-go's agent to answer", func() bool {
		if !p.Running() {
			t.Fatal("motan-go's agent ended")
		}
		_, _, err := fetch(http.MethodGet, "http://"+s.addr("mgmt")+"/meta/getAll", "")
		return err == nil
	})
	return s
}

// TestWeightsWithMotanGo has motand and motan-go's agent ask each other for their weights: of two hosts that export a
// service, one as heavy as three of the other, it gets three quarters of the calls.
func TestWeightsWithMotanGo(t *testing.T) {
	p := newProvider(t, "127.0.0.1", echo)
	tests := []struct {
		name          string
		export, calls func(yaml string) *setup
	}{
		{
			"motand asks motan-go",
			func(yaml string) *setup { return startMotanGoAgent(t, yaml) },
			func(yaml string) *setup { return startMotand(t, yaml).setup },
		},
		{
			"motan-go asks motand",
			func(yaml string) *setup {
				return startMotand(t, yaml).setup
			},
			func(yaml string) *setup { return startMotanGoAgent(t, yaml) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			heavy, light := tt.export(weightedYAML(p.port)), tt.export(weightedYAML(p.port))
			caller := tt.calls(weightedYAML(p.port, heavy.addr("export"), light.addr("export")))
			set := func(s *setup, weight string) {
				if _, body := httpDo(t, http.MethodGet, "http://"+s.addr("mgmt")+"/meta/update?META_WEIGHT="+weight, ""); body != `{"result":"ok","data":"ok"}` {
					t.Fatalf("/meta/update: got %s", body)
				}
			}
			share := func() int {
				c := motantest.Dial(t, caller.addr("motan"))
				defer c.Conn.Close()
				at := 0
				for range 40 {
					reply := c.Call(motantest.Request("com.example.Both", "echo", nil, "M_g", "demo"))
					if string(reply.Get("x-forwarded-for")) == heavy.addr("export") {
						at++
					}
				}
				return at
			}
			set(heavy, "60")
			set(light, "20")
			await(t, "three quarters of the calls at the heavy host", func() bool { n := share(); return n >= 29 && n <= 31 })
			set(light, "60")
			await(t, "half of them", func() bool { n := share(); return n >= 19 && n <= 21 })
		})
	}
}
