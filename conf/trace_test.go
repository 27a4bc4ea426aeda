package conf_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

func environ(pairs ...string) conf.Options {
	return conf.Options{Getenv: func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}}
}

func TestTraceEndpoint(t *testing.T) {
	const traces, all = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := []struct {
		name, key string
		env       conf.Options
		want      string
	}{
		{"none", "", environ(), ""},
		{"file", "http://c:4318/v1/traces", environ(), "http://c:4318/v1/traces"},
		{"file before the environment", "https://c/x", environ(traces, "http://t/y", all, "http://a"), "https://c/x"},
		{"environment", "", environ(all, "http://a:4318"), "http://a:4318/v1/traces"},
		{"environment with a path", "", environ(all, "http://a:4318/otlp/"), "http://a:4318/otlp/v1/traces"},
		{"environment for traces", "", environ(traces, "http://t/y", all, "http://a"), "http://t/y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			yaml := "motan-agent: {application: a"
			if tt.key != "" {
				yaml += ", traceEndpoint: '" + tt.key + "'"
			}
			check(t, "endpoint", load(t, yaml+"}\n", tt.env).Agent.TraceEndpoint, tt.want)
		})
	}
}

func TestTraceHeaders(t *testing.T) {
	a := load(t, "motan-agent: {application: a}\n", environ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret%3D1, X-Tenant = t ,")).Agent
	check(t, "headers", a.TraceHeaders, http.Header{"Api-Key": {"secret=1"}, "X-Tenant": {"t"}})
	check(t, "queue", a.TraceQueueSize, 4096)
}

func TestBrokenTrace(t *testing.T) {
	tests := []struct {
		name, yaml string
		env        conf.Options
		want       string
	}{
		{"no URL", "traceEndpoint: 'collector:4318'", environ(), "motan.yaml:2:18: must be the URL of a collector"},
		{"another scheme", "traceEndpoint: 'grpc://c:4317'", environ(), "motan.yaml:2:18: must be the URL of a collector"},
		{"gRPC's port", "traceEndpoint: 'http://c:4317/'", environ(), "motan.yaml:2:18: warning: port 4317"},
		{"environment", "application: a", environ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318"), "$OTEL_EXPORTER_OTLP_ENDPOINT: must be the URL"},
		{"headers", "application: a", environ("OTEL_EXPORTER_OTLP_HEADERS", "secret"), "$OTEL_EXPORTER_OTLP_HEADERS: must be name=value"},
		{"headers with a line end", "application: a", environ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0Ab"), "$OTEL_EXPORTER_OTLP_HEADERS: must be name=value"},
		{"a password", "traceEndpoint: 'http://me:secret@c:4318/'", environ(), "motan.yaml:2:18: must have no name and password"},
		{"queue", "traceQueueSize: 1000001", environ(), "motan.yaml:2:19: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, found := conf.Parse("motan.yaml", []byte("motan-agent:\n  "+tt.yaml+"\n"), tt.env)
			text := lines(found)
			if !strings.Contains(text, tt.want) || strings.Contains(text, "secret") {
				t.Errorf("got %s\nwant %s, and no secret", text, tt.want)
			}
		})
	}
}
