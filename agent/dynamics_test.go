package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// There is an end to how much programs can ask for.
func TestDynamicsAreBounded(t *testing.T) {
	var d dynamics
	for i := range maxDynamic {
		d.refers = put(d.refers, meshURL{Path: fmt.Sprint("p", i)}, meshURL.referKey, new(conf.Refer))
	}
	if err := d.check(); err != nil || len(d.refers) != maxDynamic {
		t.Errorf("%d refers: got %v", len(d.refers), err)
	}
	d.refers = put(d.refers, meshURL{Path: "one more"}, meshURL.referKey, new(conf.Refer))
	if err := d.check(); err == nil {
		t.Error("one more: got no error")
	}
	d = dynamics{}
	d.services = put(d.services, meshURL{Parameters: map[string]string{"k": strings.Repeat("v", maxDynamicBytes+1)}}, meshURL.serviceKey, new(conf.Service))
	if err := d.check(); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("too many bytes: got %v", err)
	}
}

// After a restart programs find what they had asked for, where -recover says so.
func TestDynamicsSurvive(t *testing.T) {
	good := string(compactJSON(dynamicsFile{
		Services: []meshURL{{Protocol: "motan2", Host: "10.9.9.9", Port: 9982, Path: "com.example.Dyn", Group: "g", Parameters: map[string]string{
			"application": "old", "export": "motan2:9982", "proxy": "motan2:21100", "registry": "outside", "nodeType": "service",
		}}},
		Refers: []meshURL{{Protocol: "motan2", Path: "com.example.Sub", Group: "g", Parameters: map[string]string{"registry": "outside"}}},
	}))
	tests := []struct {
		name, file, keys string
		services, refers int
		kept             bool // the file
	}{
		{"motan-go's file", good, "recover: true", 1, 1, true},
		{"without -recover", good, "", 0, 0, false},
		{"nothing", "", "recover: true", 0, 0, false},
		{"no JSON", good[:len(good)/2], "recover: true", 0, 0, true},
		{"another registry", strings.ReplaceAll(good, "outside", "gone"), "recover: true", 0, 0, true},
		{"one that cannot be", strings.Replace(good, "com.example.Dyn", "a/b", 1), "recover: true", 0, 1, true},
		{"no port", strings.Replace(good, "motan2:21100", "motan2:0", 1), "recover: true", 0, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := new(recorder)
			x := withRecorder(r)
			c := parse(t, x, tt.keys, recorderYAML)
			c.Agent.ExportPort = freePort(t)
			path := filepath.Join(c.Agent.RuntimeDir, "registry.snap")
			if tt.file != "" {
				if err := writeFile(path, tt.file); err != nil {
					t.Fatal(err)
				}
			}
			a := startMeshed(t, c, x)
			a.changing.Lock()
			services, refers := len(a.dynamics.services), len(a.dynamics.refers)
			a.changing.Unlock()
			if services != tt.services || refers != tt.refers || len(r.Announced()) != tt.services {
				t.Errorf("got %d services, %d refers, %v; want %d, %d", services, refers, r.Announced(), tt.services, tt.refers)
			}
			if _, err := os.Stat(path); (err == nil) != tt.kept {
				t.Errorf("file: got %v, want kept %t", err, tt.kept)
			}
			if tt.services == 0 {
				return
			}
			if n := r.Announced()[0]; n.Port != c.Agent.ExportPort || n.Host != "127.0.0.1" {
				t.Errorf("got %s, want this host and its export port", n.Addr())
			}
			a.mesh("unregister", body("com.example.Dyn", "g", 0))
			text, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(text), "Dyn") || !strings.Contains(string(text), "Sub") {
				t.Errorf("file after unregister: got %s (%v)", text, err)
			}
		})
	}
}

// An entry that only shows to be wrong when it is used does not take the others with it.
func TestDynamicsOneByOne(t *testing.T) {
	r := &recorder{refuse: fmt.Errorf("bad name")} // of every watch
	x := withRecorder(r)
	c := parse(t, x, "recover: true", recorderYAML)
	c.Agent.ExportPort = freePort(t)
	file := dynamicsFile{
		Services: []meshURL{{Protocol: "motan2", Path: "a", Group: "g", Parameters: map[string]string{"proxy": "motan2:1", "registry": "outside"}}},
		Refers:   []meshURL{{Protocol: "motan2", Path: "b", Group: "g", Parameters: map[string]string{"registry": "outside"}}},
	}
	if err := writeFile(dynamicsPath(c.Agent.RuntimeDir), string(compactJSON(file))); err != nil {
		t.Fatal(err)
	}
	a := startMeshed(t, c, x)
	if len(r.Announced()) != 1 {
		t.Errorf("announced: got %v, want the service", r.Announced())
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if len(a.dynamics.services) != 1 || len(a.dynamics.refers) != 0 {
		t.Errorf("got %d services and %d refers, want the service alone", len(a.dynamics.services), len(a.dynamics.refers))
	}
}
