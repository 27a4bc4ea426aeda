package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
)

const healthYAML = "motan-registry: {a: {protocol: local}}\nmotan-service:\n  s: {path: p, group: g, "

func TestHealthCheck(t *testing.T) {
	tests := []struct {
		name, keys    string
		kind, address string
		auto          bool
	}{
		{"manual", "proxy: motan2:8100", "", "", false},
		{"auto", "proxy: motan2:8100, available: auto", "tcp", "127.0.0.1:8100", true},
		{"auto without a check", "proxy: motan2:8100, available: auto, healthCheck: none", "", "", true},
		{"manual with a check", "proxy: motan2:8100, healthCheck: motan", "motan", "127.0.0.1:8100", false},
		{"unix socket", "proxy: motan2, proxy.host: unix:///run/a, available: auto", "tcp", "unix:///run/a", true},
		{"web server", "provider: http, proxyAddress: 'h:80', enableRewrite: false, available: auto", "tcp", "h:80", true},
		{"web servers", "provider: http, proxyAddress: 'h:80,i:80', enableRewrite: false, available: auto", "", "", true},
		{"URL", "provider: httpx, URL_FORMAT: 'http://h/x/%s', available: auto", "tcp", "h:80", true},
		{"URL with a port", "provider: http, URL_FORMAT: 'https://h:1/%s', available: auto, healthCheck: http", "http", "h:1", true},
		{"FastCGI", "provider: cgi, CGI_SCRIPT_FILENAME: x, available: auto", "tcp", "127.0.0.1:9000", true},
		{"FastCGI on a socket", "provider: cgi, CGI_SCRIPT_FILENAME: x, CGI_HOST: unix:///run/fpm, healthCheck: fastcgi", "fastcgi", "unix:///run/fpm", false},
		{"elsewhere", "proxy: motan2:8100, healthCheck: http, healthCheck.address: '127.0.0.1:1'", "http", "127.0.0.1:1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := load(t, healthYAML+tt.keys+"}\n", conf.Options{}).Services[0]
			check(t, "kind", s.Health.Kind, tt.kind)
			check(t, "address", s.Health.Address, tt.address)
			check(t, "auto", s.Auto, tt.auto)
		})
	}
}

func TestHealthCheckSettings(t *testing.T) {
	h := load(t, healthYAML+"proxy: motan2:8100, healthCheck: http}\n", conf.Options{}).Services[0].Health
	check(t, "defaults", h, conf.HealthCheck{
		Kind: "http", Address: "127.0.0.1:8100", Path: "/", FirstStatus: 200, LastStatus: 399,
		Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3,
	})
	h = load(t, healthYAML+"proxy: motan2:8100, healthCheck: http, healthCheck.path: /up, healthCheck.status: 204, "+
		"healthCheck.interval: 500, healthCheck.timeout: 50, healthCheck.rise: 1, healthCheck.fall: 5}\n", conf.Options{}).Services[0].Health
	check(t, "written", h, conf.HealthCheck{
		Kind: "http", Address: "127.0.0.1:8100", Path: "/up", FirstStatus: 204, LastStatus: 204,
		Interval: 500 * time.Millisecond, Timeout: 50 * time.Millisecond, Rise: 1, Fall: 5,
	})
}

func TestBrokenHealthCheck(t *testing.T) {
	for keys, want := range map[string]string{
		"available: yes":                "available",
		"healthCheck: ping":             "unknown healthCheck",
		"healthCheck.address: nowhere":  "healthCheck.address must be host:port",
		"healthCheck.path: up":          "healthCheck.path must begin with /",
		"healthCheck.path: '/a b'":      "healthCheck.path must begin with /",
		"healthCheck.status: ok":        "healthCheck.status must be",
		"healthCheck.status: 300-200":   "healthCheck.status must be",
		"healthCheck.status: 200-2000":  "healthCheck.status must be",
		"healthCheck.interval: 1":       "healthCheck.interval",
		"healthCheck.fall: many":        "healthCheck.fall",
		"healthcheck: tcp, retries: -1": "retries",
	} {
		t.Run(keys, func(t *testing.T) {
			c, found := conf.Parse("x.yaml", []byte(healthYAML+"proxy: motan2:8100, "+keys+"}\n"), conf.Options{})
			if c != nil || !strings.Contains(text(found), want) {
				t.Errorf("got %v and %s, want an error with %s", c, text(found), want)
			}
		})
	}
	demo := conf.Options{Known: conf.Known{Providers: []string{"demo"}}}
	c, found := conf.Parse("x.yaml", []byte(healthYAML+"provider: demo, healthCheck: tcp}\n"), demo)
	if c != nil || !strings.Contains(text(found), "healthCheck.address") {
		t.Errorf("check of nothing: got %s, want what to add", text(found))
	}
	if s := load(t, healthYAML+"provider: demo, available: auto}\n", demo).Services[0]; !s.Auto || s.Health.Kind != "" {
		t.Errorf("auto without an address: got %+v, want no check", s.Health)
	}
}

func text(found []conf.Diagnostic) string {
	var b strings.Builder
	for _, d := range found {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}
