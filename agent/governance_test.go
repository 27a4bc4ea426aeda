package agent

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
)

const governedYAML = directYAML + `motan-refer:
  a:
    path: A
    group: g
    registry: direct
    filter: "degrade,faultInjection,mock"
    mock.value: '"from A"'
    degrade.answer: fallback
    degrade.fallback: B@h
  b: {path: B, group: h, registry: direct, filter: mock, mock.value: '"from B"'}
motan-service:
  s: {path: S, group: g, registry: direct, provider: demo, filter: "acl,concurrency,circuitBreaker", acl.deny: evil}
`

// said is what the agent answers a local program that calls the service.
func said(t *testing.T, a *Agent, service string) string {
	t.Helper()
	c := request(service, "m")
	do(t, &outbound{routes: &a.routes, motan: true}, c)
	if c.Err != nil {
		return c.Err.Message
	}
	v, _, err := simple.Decode(c.Reply.Body())
	if err != nil {
		t.Fatal(err)
	}
	return v.(string)
}

// Filters are switched and adjusted over the management port while the agent runs, and calls
// and metrics show it.
func TestGovernance(t *testing.T) {
	a := switched(t, t.TempDir(), governedYAML)
	if got := said(t, a, "A"); got != "from A" {
		t.Fatalf("as configured: got %s", got)
	}
	ask(t, a, http.MethodGet, "/switcher/set?name=a_degrade&value=true", "")
	if got := said(t, a, "A"); got != "from B" {
		t.Errorf("degraded: got %s, want the answer of the fallback", got)
	}
	ask(t, a, http.MethodGet, "/switcher/set?name=a_degrade&value=false", "")

	put := func(body string, status int, want string) {
		t.Helper()
		if w := ask(t, a, http.MethodPut, "/api/v1/filters", body); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %d and %s", body, w.Code, w.Body, status, want)
		}
	}
	put(`{"filter":"faultInjection","service":"A","set":{"fault.error":"503 injected","fault.until":"2999-01-01T00:00:00Z"}}`, 200, `"adjusted":{"fault.error":"503 injected"`)
	if got := said(t, a, "A"); got != "injected" {
		t.Errorf("with a fault: got %s", got)
	}
	w := ask(t, a, http.MethodGet, "/api/v1/filters", "")
	for _, want := range []string{`"filter":"acl","role":"server-agent","entry":"s","service":"S","group":"g"`, `"fault.error":"503 injected"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("list: got %s, want %s in it", w.Body, want)
		}
	}
	put(`{"filter":"faultInjection","service":"A","set":{}}`, 200, `"filter":"faultInjection"`)
	if got := said(t, a, "A"); got != "from A" {
		t.Errorf("taken back: got %s", got)
	}
	put(`{"filter":"faultInjection","service":"A","set":{"fault.error":"x"}}`, 400, "fault.error: ")
	put(`{"filter":"faultInjection","service":"A","set":{"flaut.error":"503 x"}}`, 400, `is no key of filter`)
	put(`{"filter":"faultInjection","service":"Z","set":{}}`, 404, "GET /api/v1/filters")
	put(`{"filter":"faultInjection"}`, 400, "are required")
	put(`{`, 400, "error")
	if w := ask(t, a, http.MethodPut, "/api/v1/filters", `{"filter":"mock","service":"A","set":{}}`, "Origin", "http://evil.example"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: got %d, want 403", w.Code)
	}
	w = ask(t, a, http.MethodGet, "/metrics", "")
	for _, want := range []string{
		`motand_filter_calls_total{filter="degrade",group="g",result="fallback",role="client-agent",service="A"} 1`,
		`motand_filter_calls_total{filter="faultInjection",group="g",result="failed",role="client-agent",service="A"} 1`,
		`motand_filter_state{filter="concurrency",group="g",role="server-agent",service="S",state="in_flight"} 0`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("metrics: no line %s", want)
		}
	}
}

// Filters of a service stand around its provider.
func TestGovernedService(t *testing.T) {
	a := switched(t, t.TempDir(), governedYAML)
	for caller, refused := range map[string]bool{"good": false, "evil": true} {
		c := request("S", "hello", "M_g", "g", "M_s", caller)
		c.Request.SetBody(motantest.Request("S", "hello", nil).Body())
		do(t, a.inbound, c)
		if got := c.Err != nil && c.Err.Code == http.StatusForbidden; got != refused {
			t.Errorf("%s: got %v, want it refused: %t", caller, c.Err, refused)
		}
	}
}

// What is wrong with a filter's setting is told where the setting stands.
func TestFilterSettingsHavePlaces(t *testing.T) {
	x := Default()
	c := parse(t, x, "", directYAML+`motan-refer:
  r:
    path: svc
    group: g
    registry: direct
    filter: "fault,faultInjection,mock"
    mock.value: "{"
    get().fault.until: soon
`)
	_, err := newCompiler(t, x).compile(c, nil)
	for _, want := range []string{"motan.yaml:16:17: filter mock: mock.value: ", "motan.yaml:17:24: filter faultInjection: get().fault.until: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
