package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// told is a registry whose state is what a test says.
type told struct {
	registry.Static
	state registry.State
}

func (r *told) State() registry.State { return r.state }

// lists are the states of n services; the last three are kept in part, never confirmed and stale.
func lists(n int, now time.Time) []registry.WatchState {
	all := make([]registry.WatchState, n)
	for i := range all {
		all[i] = registry.WatchState{Group: "g", Path: fmt.Sprintf("svc%05d", i), Nodes: 2, Updated: now.Add(-time.Minute)}
	}
	all[n-1].Kept, all[n-1].KeptSince, all[n-1].Stale = 2, now.Add(-time.Second), true
	all[n-2].Updated, all[n-2].Stale = time.Time{}, true
	all[n-3].Updated, all[n-3].Stale, all[n-3].LastError = now.Add(-time.Hour), true, "no such folder"
	return all
}

// However many services there are, the metrics stay few, the alarm is among them, and the API names the worst first.
func TestRegistriesAreTold(t *testing.T) {
	r := new(recorder)
	a := managed(t, r)
	now := time.Now()
	s := registry.State{Kind: "zookeeper", Connected: true, Since: now, Watches: lists(3000, now), Extra: map[string]int64{"snapshot_failures": 4}}
	s.Announced = []registry.AnnounceState{{Written: true}, {}}
	a.snapshot.Load().registries = map[string]registry.Registry{"zk": &told{state: s}, "quiet": new(registry.Static)}

	text := ask(t, a, http.MethodGet, "/metrics", "").Body.String()
	for _, want := range []string{
		`motand_registry_protected_lists{registry="zk"} 1`, `motand_registry_protected_nodes{registry="zk"} 2`,
		`motand_registry_events_total{event="snapshot_failures",registry="zk"} 4`, `motand_registry_stale_lists{registry="zk"} 3`,
		`motand_registry_nodes{group="_other",registry="zk",service="_other"} 4000`,
		`motand_registry_discovery_age_seconds{registry="zk"} 36`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics: no line %s", want)
		}
	}
	if n := strings.Count(text, "motand_registry_nodes{"); n != maxServiceSeries+1 {
		t.Errorf("metrics: got %d series of services, want %d", n, maxServiceSeries+1)
	}

	for _, tt := range []struct {
		query string
		lists int
		named []string // the first ones
		count int      // of those named
	}{
		{"", 3000, []string{"svc02999", "svc02998", "svc02997"}, worstLists},
		{"?all=1", 3000, []string{"svc02999", "svc02998", "svc02997"}, 3000},
		{"?service=svc00007", 1, []string{"svc00007"}, 1},
		{"?group=other", 0, nil, 0},
	} {
		var got []registryState
		body := ask(t, a, http.MethodGet, "/api/v1/registries"+tt.query, "").Body.Bytes()
		if err := json.Unmarshal(body, &got); err != nil || len(got) != 2 && len(got) != 1 {
			t.Fatalf("%s: %v: %s", tt.query, err, body)
		}
		zk := got[len(got)-1]
		if zk.ID != "zk" || zk.Kind != "zookeeper" || !zk.Connected || zk.Lists != tt.lists || zk.Announced != 1 || len(zk.Watches) != tt.count {
			t.Errorf("%s: got %+v with %d lists named", tt.query, zk.ID, len(zk.Watches))
		}
		for i, want := range tt.named {
			if zk.Watches[i].Service != want {
				t.Errorf("%s: number %d is %+v, want %s", tt.query, i, zk.Watches[i], want)
			}
		}
		if tt.query == "" && (zk.Protected != 1 || zk.Stale != 3 || zk.Watches[0].Kept != 2 || zk.Watches[1].Age != -1 || zk.Watches[2].Age < 3600) {
			t.Errorf("got %+v", zk)
		}
	}
}

// Refers of which nothing is known are told in one line for all, again while it lasts, and when it is over.
func TestTroublesOfRefers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		refers := make([]string, 1000)
		for i := range refers {
			refers[i] = fmt.Sprintf("r%d", i)
		}
		var n atomic.Int64
		tr := troubles{
			registries: func() map[string]registry.Registry { return nil },
			clients:    func(func(*motan.Client)) {}, unknown: func() []string { return refers[:n.Load()] },
			log: slog.New(slog.NewTextHandler(&out, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go tr.run(ctx) // ends with ctx
		steps := []struct {
			name string
			n    int64
			pass time.Duration
			want []string // one for each line
		}{
			{"registries may take a while", 1000, troublesTick - 1, nil},
			{"unknown", 1000, 2, []string{`level=ERROR msg="agent: nothing is known`}},
			{"still", 900, troublesRemind - troublesTick, nil},
			{"long", 900, troublesTick, []string{"refers=900"}},
			{"known", 0, troublesTick, []string{"level=INFO"}},
			{"stays known", 0, time.Hour, nil},
		}
		for _, s := range steps {
			n.Store(s.n)
			time.Sleep(s.pass) // the clock is not real
			synctest.Wait()
			got := lines(&out)
			if len(got) != len(s.want) {
				t.Fatalf("%s: got %q, want %d lines", s.name, got, len(s.want))
			}
			for i, want := range s.want {
				if !strings.Contains(got[i], want) || len(got[i]) > 1000 {
					t.Errorf("%s: got %q, want %q", s.name, got[i], want)
				}
			}
		}
	})
}

// TestStatesOfScrape: all figures of one scrape come of one gathering, and a later one asks again.
func TestStatesOfScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &countingRegistry{}
		a := new(Agent)
		a.snapshot.Store(&snapshot{registries: map[string]registry.Registry{"r": r}})
		for _, f := range append(a.registryFigures(), a.survivalFigures()...) {
			f.Read(func(float64, ...string) {})
		}
		if got := r.asked.Load(); got != 1 {
			t.Errorf("a scrape asked the registry for its state %d times, want once", got)
		}
		time.Sleep(scrapeSpan + 1)
		if a.statesOfScrape(); r.asked.Load() != 2 {
			t.Errorf("a later scrape: asked %d times in all, want 2", r.asked.Load())
		}
	})
}

// countingRegistry counts how often it is asked for its state.
type countingRegistry struct {
	registry.Registry
	asked atomic.Int64
}

func (r *countingRegistry) State() registry.State {
	r.asked.Add(1)
	return registry.State{Watches: []registry.WatchState{{Group: "g"}}}
}
