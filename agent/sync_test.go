package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// copyTaker is a recorder that takes copies.
type copyTaker struct{ recorder }

var _ registry.Copier = (*copyTaker)(nil)

func (r *copyTaker) AnnounceCopy(ctx context.Context, n registry.Node) error {
	return r.Static.Announce(ctx, n)
}

// groups are the groups of the copies.
func (r *copyTaker) groups() string {
	var groups []string
	for _, n := range r.Announced() {
		groups = append(groups, n.Group)
	}
	return strings.Join(groups, " ")
}

const syncYAML = "motan-registry:\n  list: {protocol: direct, address: \"10.0.0.1:1\", meshName: far}\n  outside: {protocol: recorder, address: 127.0.0.1:1}\n" +
	"registry-sync:\n  s: {from: list, to: outside, group: g, service: svc SUFFIX}\n"

// Copies come and go with their entries, and what is configured as before is not touched.
func TestSyncReload(t *testing.T) {
	to := new(copyTaker)
	entry := func(more string) string { return strings.Replace(syncYAML, " SUFFIX", more, 1) }
	r := newReloader(t, withRecorder(to), entry(""))
	motantest.Await(t, "the copy", func() bool { return to.groups() == "g" })
	if got := to.Announced()[0].Params; got[registry.SyncedFrom] != "far" || got[registry.SyncedBy] == "" {
		t.Errorf("marks: got %v", got)
	}
	first := r.snapshot.Load().syncs[0].value
	reload := func(text string) {
		t.Helper()
		if err := r.Reload(r.parse(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	reload(entry("") + "motan-service:\n  x: {path: x, group: g, provider: demo, registry: list, export: 'motan2:PORT0'}\n")
	if r.snapshot.Load().syncs[0].value != first {
		t.Error("an entry that did not change was begun anew")
	}
	reload(entry(", groupPrefix: far-"))
	motantest.Await(t, "the copy in its new group only", func() bool { return to.groups() == "far-g" })
	a, err := http.Get("http://" + r.listeners.of("management")[0].Addr().String() + "/api/v1/registry-sync")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	var states []syncState
	if err != nil || json.Unmarshal(text, &states) != nil || len(states) != 1 || states[0].ID != "s" || states[0].From != "list" || states[0].Services != 1 {
		t.Errorf("/api/v1/registry-sync: got %s (%v)", text, err)
	}
	reload(strings.Split(syncYAML, "registry-sync")[0])
	motantest.Await(t, "the copy to be withdrawn", func() bool { return to.groups() == "" })
}

// What the registries of an entry cannot do is told with its place.
func TestSyncRefused(t *testing.T) {
	for _, tt := range []struct {
		name, entry, want string
		to                registry.Registry
	}{
		{"cannot take copies", "{from: list, to: outside, group: g, service: svc}", "takes no copies", new(recorder)},
		{"cannot be browsed", "{from: list, to: outside, group: g}", "cannot tell what it holds", new(copyTaker)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := withRecorder(tt.to)
			c := parse(t, x, "", strings.Replace(syncYAML, "{from: list, to: outside, group: g, service: svc SUFFIX}", tt.entry, 1))
			_, err := newCompiler(t, x).compile(c, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "motan.yaml:") {
				t.Errorf("got %v, want %q and the place", err, tt.want)
			}
		})
	}
}

func TestSyncFigures(t *testing.T) {
	to := new(copyTaker)
	r := newReloader(t, withRecorder(to), strings.Replace(syncYAML, " SUFFIX", "", 1))
	motantest.Await(t, "the copy", func() bool { return to.groups() == "g" })
	var states []string
	for _, f := range r.syncFigures() {
		f.Read(func(_ float64, labels ...string) { states = append(states, strings.Join(labels, " ")) })
	}
	slices.Sort(states)
	want := []string{"s", "s again", "s missing", "s others", "s ours", "s over", "s providers", "s refused"}
	if !slices.Equal(states, want) {
		t.Errorf("got %q, want %q", states, want)
	}
}
