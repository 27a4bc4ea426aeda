package agent

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// A reload by management says what became of it; a configuration that is refused changes nothing.
func TestReloadByManagement(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	good := r.parse(t, recorderYAML+referOne+"  q: {path: other, group: g, registry: inside}\n"+serveOne)
	refused := errors.New("motan.yaml:3:1: no")
	before := r.snapshot.Load()
	tests := []struct {
		name, path string
		load       func() (*conf.Config, error)
		status     int
		want       string
	}{
		{"no file", "/reload/clusters", nil, 500, `"code":500,"body":"agent: the configuration did not come from a file`},
		{"no file", "/api/v1/reload", nil, 422, "did not come from a file"},
		{"refused", "/reload/clusters", func() (*conf.Config, error) { return nil, refused }, 500, `{"code":500,"body":"motan.yaml:3:1: no"}`},
		{"refused", "/api/v1/reload", func() (*conf.Config, error) { return nil, refused }, 422, `{"error":"motan.yaml:3:1: no"}`},
		{"taken", "/api/v1/reload", func() (*conf.Config, error) { return good, nil }, 200, `{"refers":2,"services":1}`},
		{"taken", "/reload/clusters", func() (*conf.Config, error) { return good, nil }, 200, `{"code":200,"body":"{\"q\":{\"protocol\":\"motan2\",\"host\":\"\",\"port\":0,\"path\":\"other\",\"group\":\"g\",\"parameters\":{`},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.path, func(t *testing.T) {
			r.load = tt.load
			if w := ask(t, r.Agent, http.MethodPost, tt.path, "", "Origin", "http://evil.example"); w.Code != http.StatusForbidden {
				t.Errorf("from a web page: got %d, want 403", w.Code)
			}
			w := ask(t, r.Agent, http.MethodPost, tt.path, "")
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			if changed := r.snapshot.Load() != before; changed != (tt.status == 200) {
				t.Errorf("changed: got %t", changed)
			}
		})
	}
}
