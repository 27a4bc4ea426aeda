package agent

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

const demoYAML = `
motan-registry:
  inside: {protocol: local}
motan-refer:
  demo: {path: com.example.DemoService, group: demo, registry: inside}
motan-service:
  demo: {path: com.example.DemoService, group: demo, registry: inside, provider: demo}
`

// Who runs the demo is told one command for each way in, at the addresses that are really open.
func TestGreet(t *testing.T) {
	socket := func(name string) string { return filepath.Join(t.TempDir(), name) }
	motan, http, management := socket("motan"), socket("http"), socket("management")
	tests := []struct {
		name, keys, rest string
		want             []string
		without          string
	}{
		{"ports", "", demoYAML, []string{
			"curl -s -d '[\"world\"]' http://127.0.0.1:", "/rpc/com.example.DemoService/hello",
			"/proxy_to_rpc?service=com.example.DemoService&method=hello&group=demo&arg_type=string&arg=world",
			"bin/motand call --addr 127.0.0.1:", "/metrics | grep",
		}, ":0/"},
		{"sockets", "unixSock: " + motan + "\nhttpProxyUnixSock: " + http + "\nmanagementUnixSock: " + management, demoYAML, []string{
			"curl -s --unix-socket " + http + " -d '[\"world\"]' http://localhost/rpc/com.example.DemoService/hello",
			"bin/motand call --addr unix://" + motan + " com.example.DemoService",
			"curl -s --unix-socket " + management + " http://localhost/metrics",
		}, "127.0.0.1"},
		{"no HTTP", "httpProxyEnable: false", demoYAML, []string{"bin/motand call"}, "/rpc/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, Default(), tt.keys, tt.rest)
			c.Services[0].Export.Port = freePort(t)
			a, err := New(c, Default())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(a.free)
			var out bytes.Buffer
			if err := greet(&out, c, a); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got\n%s\nwant it to have %q", &out, want)
				}
			}
			if strings.Contains(out.String(), tt.without) {
				t.Errorf("got\n%s\nwant it without %q", &out, tt.without)
			}
		})
	}
}

// Without a demo that can be tried there is nothing to say.
func TestGreetIsSilent(t *testing.T) {
	service := "motan-registry:\n  inside: {protocol: local}\nmotan-service:\n  s: {path: a, group: g, registry: inside, provider: demo}\n"
	for name, rest := range map[string]string{
		"no service":      "motan-registry:\n  inside: {protocol: local}\n",
		"no refer":        service,
		"refer elsewhere": service + "motan-refer:\n  r: {path: b, group: g, registry: inside}\n",
	} {
		c := parse(t, Default(), "", rest)
		for _, s := range c.Services {
			s.Export.Port = freePort(t)
		}
		a, err := New(c, Default())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.free)
		var out bytes.Buffer
		if err := greet(&out, c, a); err != nil || out.Len() > 0 {
			t.Errorf("%s: got %q, %v; want nothing", name, &out, err)
		}
	}
}
