package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// recorder is a registry that remembers what was announced, tells it as its state, and notes when
// it was closed.
type recorder struct {
	registry.Static
	refuse      error  // of Watch
	refuseNodes bool   // new ones
	onClose     func() // nil: nothing

	mu     sync.Mutex
	closed int // guarded by mu
}

func (r *recorder) Watch(ctx context.Context, s registry.Service, update func([]registry.Node)) error {
	if r.refuse != nil {
		return r.refuse
	}
	return r.Static.Watch(ctx, s, update)
}

func (r *recorder) Announce(ctx context.Context, n registry.Node) error {
	if r.refuseNodes && !slices.ContainsFunc(r.Announced(), func(x registry.Node) bool { return x.Key() == n.Key() }) {
		return errors.New("no room")
	}
	return r.Static.Announce(ctx, n)
}

func (r *recorder) State() registry.State {
	s := registry.State{
		Kind: "recorder", Connected: true, Extra: map[string]int64{"repairs": 3},
		Commands: []registry.CommandState{{Scope: registry.Scope{Group: "g"}, Bytes: 7}, {Scope: registry.Scope{Group: "h"}}},
	}
	for _, n := range r.Announced() {
		s.Announced = append(s.Announced, registry.AnnounceState{Group: n.Group, Path: n.Path, Addr: n.Addr(), Available: n.Available, Written: true})
	}
	return s
}

func (r *recorder) Close(context.Context) error {
	r.mu.Lock()
	r.closed++
	first := r.closed == 1
	r.mu.Unlock()
	if first && r.onClose != nil {
		r.onClose()
	}
	return nil
}

// withRecorder are motand's tables with r as the registry protocol recorder.
func withRecorder(r registry.Registry) Extensions {
	x := Default()
	x.Registries["recorder"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return r, nil }
	return x
}

const (
	recorderYAML = "motan-registry:\n  outside: {protocol: recorder, address: 127.0.0.1:1}\n  inside: {protocol: local}\n"
	servicesYAML = "motan-service:\n" +
		"  plain: {path: plain, group: g, provider: demo, registry: outside}\n" +
		"  auto: {path: auto, group: g, provider: demo, registry: outside, available: auto}\n" +
		"  own: {path: own, group: g, provider: demo, registry: inside}\n"
)

// announcing compiles the three services and makes their announcer, not started.
func announcing(t *testing.T, r *recorder) *announcer {
	t.Helper()
	x := withRecorder(r)
	c := parse(t, x, "", recorderYAML+servicesYAML)
	k := newCompiler(t, x)
	s, err := k.compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return newAnnouncer(k, s)
}

// listed are the services that are available, both outside and inside.
func (a *announcer) listed(r *recorder) string {
	var names []string
	for _, n := range append(r.Announced(), a.compiler.local.Nodes()...) {
		if n.Available {
			names = append(names, n.Path)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestAnnouncer(t *testing.T) {
	tests := []struct {
		name    string
		saved   string // what the last run left; "" for nothing
		recover bool
		set     string // what is asked for, in this order
		want    string // what is available then
		file    string // what the next run finds; "" for nothing
	}{
		{"at the start", "", false, "", "auto own", ""},
		{"in use", "", false, "200", "auto own plain", "200"},
		{"out of use", "", false, "503", "own", "503"},
		{"in and out of use", "", false, "200 503", "own", "503"},
		{"out and in use", "", false, "503 200", "auto own plain", "200"},
		{"recover nothing", "", true, "", "auto own", ""},
		{"recover in use", "200", true, "", "auto own plain", "200"},
		{"recover out of use", "503", true, "", "own", "503"},
		{"recover, then ask", "200", true, "503", "own", "503"},
		{"recover with a newline", "200\n", true, "", "auto own plain", "200\n"},
		{"recover nonsense", "yes", true, "", "own", "yes"},
		{"not recovered is forgotten", "200", false, "", "auto own", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := new(recorder)
			a := announcing(t, r)
			a.snapshot.config.Agent.Recover = tt.recover
			if tt.saved != "" {
				if err := writeFile(string(a.status), tt.saved); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			for status := range strings.FieldsSeq(tt.set) {
				if err := a.set(status == "200"); err != nil {
					t.Fatal(err)
				}
			}
			if got := a.listed(r); got != tt.want {
				t.Errorf("available: got %q, want %q", got, tt.want)
			}
			if got := len(r.Announced()); got != 2 {
				t.Errorf("got %d nodes outside, want 2, available or not", got)
			}
			file, err := os.ReadFile(string(a.status))
			if string(file) != tt.file || err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("status file: got %q (%v), want %q", file, err, tt.file)
			}
			if want := strings.Contains(tt.want, "plain"); a.ready() != want {
				t.Errorf("ready: got %t, want %t", a.ready(), want)
			}
		})
	}
}

// A service that only this process looks for is there at once, at the loopback address.
// Who is not in use is counted, and nobody who cannot be seen anyway.
func TestUnused(t *testing.T) {
	a := announcing(t, new(recorder))
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} { // plain waits for /200; own is in no registry of other hosts
		if got := a.unused(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
		if err := a.set(true); err != nil {
			t.Fatal(err)
		}
	}
}

// A change that cannot be kept for the next run is made all the same, and the error says so.
func TestChangeIsMadeButNotKept(t *testing.T) {
	r := new(recorder)
	a := announcing(t, r)
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.status = statusFile(filepath.Join(file(t, ""), "status")) // below a file
	if err := a.set(true); err == nil || !strings.Contains(err.Error(), "the change is made") || !strings.Contains(err.Error(), "runtime_dir") {
		t.Errorf("got %v, want what was done and what to do", err)
	}
	if got := a.listed(r); got != "auto own plain" {
		t.Errorf("got %q in use, want all", got)
	}
}

func TestLocalNodes(t *testing.T) {
	a := announcing(t, new(recorder))
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes := a.compiler.local.Nodes()
	if len(nodes) != 1 || nodes[0].Addr() != "127.0.0.1:9982" {
		t.Errorf("got %v, want one at 127.0.0.1:9982", nodes)
	}
}

// Withdrawal takes back what others see and waits for the registry; what only this process looks
// for stays, because programs here still call it.
func TestWithdraw(t *testing.T) {
	tests := []struct {
		name string
		set  string
		seen bool
	}{
		{"auto was available", "", true},
		{"all were", "200", true},
		{"none was", "503", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := new(recorder)
			a := announcing(t, r)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if err := a.start(ctx); err != nil {
				t.Fatal(err)
			}
			if tt.set != "" {
				if err := a.set(tt.set == "200"); err != nil {
					t.Fatal(err)
				}
			}
			if got := a.withdraw(t.Context()); got != tt.seen {
				t.Errorf("seen by others: got %t, want %t", got, tt.seen)
			}
			if r.closed != 1 {
				t.Errorf("registry was closed %d times, want 1", r.closed)
			}
			motantest.Await(t, "nodes to be withdrawn", func() bool { return len(r.Announced()) == 0 })
			if got := a.listed(r); got != "own" {
				t.Errorf("available: got %q, want own", got)
			}
			if err := a.set(true); err == nil || !strings.Contains(err.Error(), "shutting down") {
				t.Errorf("afterwards: got %v, want a refusal", err)
			}
			cancel()
			motantest.Await(t, "the local node to be withdrawn", func() bool { return a.listed(r) == "" })
		})
	}
}

// Withdrawing what was never announced does nothing: New failed, or Run did before it told anybody.
func TestWithdrawBeforeStart(t *testing.T) {
	a := announcing(t, new(recorder))
	if a.withdraw(t.Context()) {
		t.Error("got seen, want not")
	}
	if err := a.set(true); err == nil {
		t.Error("set before start: got no error")
	}
}

// refusing is a registry that takes no announcement.
type refusing struct{ registry.Static }

func (*refusing) Announce(context.Context, registry.Node) error { return errors.New("no room") }

// What a registry refuses is told with the service and its place; the status is kept all the same.
func TestAnnounceRefused(t *testing.T) {
	x := withRecorder(new(refusing))
	c := parse(t, x, "", recorderYAML+servicesYAML)
	k := newCompiler(t, x)
	s, err := k.compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	a := newAnnouncer(k, s)
	if err := a.start(t.Context()); err == nil || strings.Count(err.Error(), "no room") != 2 {
		t.Errorf("start: got %v, want both refusals", err)
	}
	err = a.set(true)
	if err == nil || !strings.Contains(err.Error(), "service plain: registry outside: no room") || !strings.Contains(err.Error(), "motan.yaml:") {
		t.Errorf("set: got %v, want service, registry and place", err)
	}
	if file, err := os.ReadFile(string(a.status)); string(file) != "200" {
		t.Errorf("status file: got %q (%v), want 200", file, err)
	}
}
