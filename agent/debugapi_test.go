package agent

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// motan-go's further addresses answer in its form; those below /debug/ can be closed and opened.
func TestMotanGoAddresses(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), statusYAML)
	r.call(frame("echo", "warm"))
	for target, want := range map[string]string{
		"/runtime/info":              `"instanceType":"motan-agent"`,
		"/runtime/info?keys=basic":   `"basic":{"cpuPercent":`,
		"/runtime/info?keys=servers": `"agentServer":{`,
		"/debug/stat/process":        `"numThreads":`,
		"/debug/stat/system":         `"cpuCores":`,
		"/debug/stat/openFiles":      `"fd":`,
		"/debug/stat/connections":    `"name":"motan"`,
		"/debug/pprof/":              "goroutine",
	} {
		w := ask(t, r.Agent, http.MethodGet, target, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %.300s, want %s", target, w.Code, w.Body, want)
		}
	}
	var info struct {
		Clusters map[string]struct {
			RefererSize int
			Referers    map[string]map[string]any
		}
		Exporters map[string]any
	}
	w := ask(t, r.Agent, http.MethodGet, "/runtime/info?keys=clusters,exporters", "")
	if err := json.Unmarshal(w.Body.Bytes(), &info); err != nil {
		t.Fatal(err)
	}
	c, ok := info.Clusters["g_1.0_motan2_svc"]
	if !ok || c.RefererSize != 1 || len(c.Referers["available"]) != 1 || info.Exporters["g_svc"] == nil {
		t.Errorf("/runtime/info: got %s", w.Body)
	}
	if strings.Contains(w.Body.String(), `"basic"`) {
		t.Errorf("keys does not choose: got %s", w.Body)
	}
	for _, step := range []struct{ ctr, want, index string }{{"cp", "F", ""}, {"op", "T", "goroutine"}} {
		if w := ask(t, r.Agent, http.MethodGet, "/debug/pprof/sw", "", "ctr", step.ctr); w.Body.String() != step.want {
			t.Errorf("/debug/pprof/sw with %s: got %q, want %s", step.ctr, w.Body, step.want)
		}
		w := ask(t, r.Agent, http.MethodGet, "/debug/pprof/", "")
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "goroutine") != (step.index != "") {
			t.Errorf("/debug/pprof/ after %s: got %d %.100s", step.ctr, w.Code, w.Body)
		}
	}
	w = ask(t, r.Agent, http.MethodGet, "/debug/mesh/trace?seconds=1&service=other", "")
	if !strings.HasPrefix(w.Body.String(), "mesh trace finish. trace size:0") {
		t.Errorf("/debug/mesh/trace: got %s", w.Body)
	}
}
