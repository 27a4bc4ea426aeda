package agent

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// What became of each service is told as JSON, in motan-go's words, for people and as metrics.
func TestServicesAreReported(t *testing.T) {
	r := new(recorder)
	a := managed(t, r)
	seen := func(path, want string) {
		t.Helper()
		if w := ask(t, a, http.MethodGet, path, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	if err := a.snapshot.Load().start(t.Context()); err != nil {
		t.Fatal(err)
	}
	motantest.Await(t, "lists", func() bool { return a.snapshot.Load().pending() == 0 })
	seen("/readyz?verbose", "ready\nservice plain, group g, registry outside: registered, not available\n")
	seen("/registry/status", `{"status":"unregister-success","registryStatus":[{"group":"g","service":"plain","registry":"outside","status":"unregister-success","errMsg":"","isCheck":true}]}`)
	seen("/metrics", `motand_service_available{group="g",registry="outside",service="plain"} 0`)
	ask(t, a, http.MethodGet, "/200", "")
	seen("/readyz?verbose", "registry outside: available\n")
	seen("/registry/status", `{"status":"register-success","registryStatus":[{"group":"g","service":"plain","registry":"outside","status":"register-success"`)
	seen("/metrics", `motand_service_available{group="g",registry="outside",service="plain"} 1`)
	var all []serviceReport
	w := ask(t, a, http.MethodGet, "/api/v1/services", "")
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all) != 1 {
		t.Fatalf("got %s (%v), want one service", w.Body, err)
	}
	port := a.snapshot.Load().ports[0]
	want := registryReport{Registry: "outside", Address: registry.Node{Host: "127.0.0.1", Port: port}.Addr(), Available: true, Written: true}
	if x := all[0]; x.Service != "plain" || x.Provider != "demo" || x.Health != nil || x.Registries[0] != want {
		t.Errorf("got %+v, want plain and %+v", x, want)
	}
}

// A service that its registry refuses or has lost, or whose provider is down, says so.
func TestTroubledServicesAreReported(t *testing.T) {
	x := serviceReport{
		Service: "s", Group: "g", Health: &healthReport{Error: "refused"},
		Registries: []registryReport{{Registry: "zk", Error: "no room"}, {Registry: "b", Available: true, Written: true}},
	}
	want := "service s, group g, registry zk: registered, not available, not written (no room); its provider fails the health check: refused\n" +
		"service s, group g, registry b: available; its provider fails the health check: refused\n"
	if got := announcedText([]serviceReport{x}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A registry that forgets what it was told.
type forgetful struct{ recorder }

func (*forgetful) State() registry.State { return registry.State{Connected: true} }

func TestUnwrittenServiceIsReported(t *testing.T) {
	x := withRecorder(new(forgetful))
	k := newCompiler(t, x)
	s, err := k.compile(parse(t, x, "", recorderYAML+servicesYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	a := newAnnouncer(k, s)
	before := a.report()[0].Registries[0]
	if before.Written || before.Error != "not announced" {
		t.Errorf("before the start: got %+v", before)
	}
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range a.report() {
		r := s.Registries[0]
		if inside := s.Service == "own"; r.Written != inside || inside != (r.Error == "") {
			t.Errorf("%s: got %+v, want written %t", s.Service, r, inside)
		}
	}
}
