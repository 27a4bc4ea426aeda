package conf

import (
	"net/http"
	"net/url"
	"strings"
)

// The environment that programs with OpenTelemetry read, for where their spans go.
const (
	envTraces  = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envOTLP    = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envHeaders = "OTEL_EXPORTER_OTLP_HEADERS"
)

// agentTraces reads where spans go: the file wins over the environment.
func (c *checker) agentTraces(a *Agent, v values) {
	a.TraceFile, a.TraceQueueSize = v.text("traceFile"), v.int("traceQueueSize")
	a.TraceHeaders = c.traceHeaders()
	at, key := a.At("traceEndpoint"), sectionAgent+".traceEndpoint"
	switch base := c.opts.Getenv(envOTLP); {
	case v.has("traceEndpoint"):
		a.TraceEndpoint = v.text("traceEndpoint")
	case c.opts.Getenv(envTraces) != "":
		a.TraceEndpoint = c.opts.Getenv(envTraces)
		at, key = Position{File: "$" + envTraces}, envTraces
	case base != "":
		a.TraceEndpoint = strings.TrimRight(base, "/") + "/v1/traces"
		at, key = Position{File: "$" + envOTLP}, envOTLP
	default:
		return
	}
	u, err := url.Parse(a.TraceEndpoint)
	switch {
	case err == nil && u.User != nil:
		c.f.errorf(at, key, "must have no name and password, they would be shown: write OTEL_EXPORTER_OTLP_HEADERS=authorization=... in the environment")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		c.f.errorf(at, key, "must be the URL of a collector for OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; got %s", quote(a.TraceEndpoint))
	case u.Port() == "4317":
		c.f.warnf(at, key, "port 4317 is that of OTLP over gRPC by custom, spans are sent over HTTP, whose port is 4318")
	}
}

// traceHeaders reads name=value,name=value with percent escapes in the values, as OpenTelemetry has it. What is said of
// it does not show it.
func (c *checker) traceHeaders() http.Header {
	var h http.Header
	for item := range strings.SplitSeq(c.opts.Getenv(envHeaders), ",") {
		name, escaped, ok := strings.Cut(strings.TrimSpace(item), "=")
		if item == "" {
			continue
		}
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if !ok || err != nil || !token(strings.TrimSpace(name)) || strings.ContainsAny(value, "\r\n\x00") {
			c.f.errorf(Position{File: "$" + envHeaders}, envHeaders, "must be name=value with commas between the pairs and other characters as %%XX")
			return nil
		}
		if h == nil {
			h = http.Header{}
		}
		h.Set(strings.TrimSpace(name), value)
	}
	return h
}

// token tells whether name can be that of an HTTP header.
func token(name string) bool {
	for _, r := range name {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) {
			return false
		}
	}
	return name != ""
}
