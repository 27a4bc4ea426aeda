package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan/motantest"
)

const statusYAML = recorderYAML + referOne + serveOne

// asked asks the API and reads its JSON.
func asked[T any](t *testing.T, a *Agent, target string) T {
	t.Helper()
	var v T
	w := ask(t, a, http.MethodGet, target, "")
	if err := json.Unmarshal(w.Body.Bytes(), &v); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%s: got %d %s (%v)", target, w.Code, w.Body, err)
	}
	return v
}

// What happens to calls is in the status, in the lists of notable calls and in /status.
func TestStatus(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), statusYAML+"metrics: {period: 1}\n")
	client := r.dial()
	r.call(frame("echo", "warm"))
	client.Call(frame("fail", "no luck"))
	var v statusView
	motantest.Await(t, "a period that has counted the calls", func() bool {
		client.Call(frame("echo", "x"))
		client.Call(frame("fail", "no luck"))
		v = asked[statusView](t, r.Agent, "/api/v1/status")
		return len(v.Load) == 2 && v.Load[0].Calls > 1 && v.Load[0].Failed > 0
	})
	if v.State != "ready" || v.PID == 0 || v.Refers != 1 || len(v.NoNodes) != 0 || len(v.Registries) != 2 || len(v.Services) != 1 || !v.Services[0].Available {
		t.Errorf("got %+v", v)
	}
	if v.Config.Reloads != 0 || v.Config.LastTaken.IsZero() || v.Config.LastError != "" {
		t.Errorf("configuration: got %+v", v.Config)
	}
	var text bytes.Buffer
	v.print(&text)
	for _, want := range []string{"ready", "LISTENER", "REGISTRY", "SERVICE HERE", "CALLS IN 1s", "1 refers"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got\n%s\nwant %q in it", text.String(), want)
		}
	}

	failed := asked[[]filters.Notable](t, r.Agent, "/api/v1/failures")
	if len(failed) < 2 || failed[0].Method != "fail" || failed[0].Error == "" || failed[0].Time.IsZero() {
		t.Errorf("failures: got %d, the newest %+v", len(failed), failed[:min(len(failed), 1)])
	}
	if slowest := asked[[]filters.Notable](t, r.Agent, "/api/v1/slowest"); len(slowest) < 2 || slowest[0].Millis < slowest[1].Millis {
		t.Errorf("slowest: got %d", len(slowest))
	}
	if w := ask(t, r.Agent, http.MethodGet, "/status", ""); !strings.Contains(w.Body.String(), `"name": "svc"`) || !strings.Contains(w.Body.String(), `"period_call_count": `) {
		t.Errorf("/status: got %s", w.Body)
	}
	endpoints := asked[[]referView](t, r.Agent, "/api/v1/refers?service=svc")
	if len(endpoints) != 1 || len(endpoints[0].Endpoints) != 1 || endpoints[0].Endpoints[0].State != "up" || endpoints[0].Usable != 1 {
		t.Errorf("refers: got %+v", endpoints)
	}
	if other := asked[[]referView](t, r.Agent, "/api/v1/refers?service=other"); len(other) != 0 {
		t.Errorf("refers of another service: got %+v", other)
	}
}

// A configuration that was refused shows until one is taken.
func TestStatusOfRefusedConfiguration(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), statusYAML)
	r.call(frame("echo", "warm"))
	r.load = func() (*conf.Config, error) { return nil, errors.New("motan.yaml:1:1: no") }
	if err := r.readAgain("the test"); err == nil {
		t.Fatal("got no error")
	}
	if v := asked[statusView](t, r.Agent, "/api/v1/status"); v.Config.Refused != 1 || v.Config.LastError == "" {
		t.Errorf("got %+v", v.Config)
	}
	if err := r.Reload(r.parse(t, statusYAML)); err != nil {
		t.Fatal(err)
	}
	if v := asked[statusView](t, r.Agent, "/api/v1/status"); v.Config.Reloads != 1 || v.Config.LastError != "" {
		t.Errorf("got %+v", v.Config)
	}
}

func TestTail(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), statusYAML)
	r.call(frame("echo", "warm"))
	for _, target := range []string{"/api/v1/tail?slow=x", "/api/v1/tail?slow=-1", "/api/v1/tail?failed=perhaps"} {
		if w := ask(t, r.Agent, http.MethodGet, target, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", target, w.Code)
		}
	}
	s := httptest.NewServer(r.management.server.Handler)
	defer s.Close()
	a, err := http.Get(s.URL + "/api/v1/tail?failed=1&service=svc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }() // the agent tells of calls until then
	lines := make(chan string)
	go func() { // ends with the body
		defer close(lines)
		for in := bufio.NewScanner(a.Body); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	client := r.dial()
	client.Call(frame("echo", "x"))
	client.Call(frame("fail", "no luck"))
	select {
	case line := <-lines:
		if !strings.Contains(line, "|svc|fail|") || !strings.Contains(line, "|false|") {
			t.Errorf("got %q, want the line of the call that failed", line)
		}
	case <-time.After(30 * time.Second):
		t.Error("no line came")
	}
}

// Switches are set all or none.
func TestPutSwitches(t *testing.T) {
	a := switched(t, t.TempDir(), switchYAML)
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{`{`, 400, "wanted is"},
		{`{"a":"perhaps"}`, 400, "perhaps"},
		{`{"a":"false","z":"true"}`, 404, "no switch"},
		{`{"a":"40%","b":"false"}`, 200, `"a":"40%","b":"false"`},
	} {
		w := ask(t, a, http.MethodPut, "/api/v1/switches", tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: got %d %s, want %d %s", tt.body, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

// What a configuration would change is told and nothing changes.
func TestConfigCheck(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), statusYAML)
	r.call(frame("echo", "warm"))
	before := r.snapshot.Load()
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no file", "", 422, "did not come from a file"},
		{"broken", "motan-agent: {prot: 1}", 422, `motan.yaml:1:15: unknown key \"prot\"; did you mean \"port\"?`},
		{"another refer", statusYAML + "  \n", 200, `"changes":`},
	} {
		w := ask(t, r.Agent, http.MethodPost, "/api/v1/config/check", strings.ReplaceAll(tt.body, "PORT0", "9982"))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, w.Code, w.Body, tt.status, tt.want)
		}
	}
	if r.snapshot.Load() != before {
		t.Error("the configuration in use has changed")
	}
	settings := asked[[]map[string]string](t, r.Agent, "/api/v1/config")
	if len(settings) < 50 {
		t.Errorf("got %d settings", len(settings))
	}
}

// The access log of a service can log bodies for a while, although no configuration names the filter.
func TestAdjustAccessLog(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), statusYAML)
	r.call(frame("echo", "warm"))
	if all := asked[[]filterView](t, r.Agent, "/api/v1/filters"); len(all) != 0 {
		t.Errorf("before: got %+v", all)
	}
	w := ask(t, r.Agent, http.MethodPut, "/api/v1/filters", `{"filter":"accessLog","service":"svc","role":"client-agent","set":{"accessLog.body":"100","accessLog.bodyUntil":"`+
		time.Now().Add(time.Hour).Format(time.RFC3339)+`"}}`)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	r.call(frame("echo", "look at me"))
	motantest.Await(t, "the line with the body", func() bool {
		text, err := os.ReadFile(r.snapshot.Load().config.Agent.LogDir + "/motand-access.log")
		return err == nil && strings.Contains(string(text), "accessLogBody|client-agent|") && strings.Contains(string(text), "look at me")
	})
	if all := asked[[]filterView](t, r.Agent, "/api/v1/filters"); len(all) != 1 || all[0].Filter != "accessLog" {
		t.Errorf("after: got %+v", all)
	}
}
