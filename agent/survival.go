package agent

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/registry"
)

const (
	maxServiceSeries = 1000 // services that have a series of their own for each registry; the others are summed under _other
	worstLists       = 20   // lists that the API names for each registry unless it is asked for all
)

// survivalFigures tell how far the registries can be trusted, summed over services: a
// registry may list ten thousand. The API names the worst.
func (a *Agent) survivalFigures() []metrics.Figure {
	sum := func(name, help string, of func(lists []registry.WatchState, now time.Time) float64) metrics.Figure {
		return metrics.Figure{
			Name: name, Help: help, Labels: []string{"registry"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) { emit(of(s.Watches, time.Now()), id) }),
		}
	}
	return []metrics.Figure{
		sum("motand_registry_protected_lists", "Watched services of which nodes are in use that the registry does not list any more: an alarm.", func(lists []registry.WatchState, _ time.Time) (n float64) {
			for _, w := range lists {
				if w.Kept > 0 {
					n++
				}
			}
			return n
		}),
		sum("motand_registry_protected_nodes", "Nodes in use that the registry does not list any more.", func(lists []registry.WatchState, _ time.Time) (n float64) {
			for _, w := range lists {
				n += float64(w.Kept)
			}
			return n
		}),
		sum("motand_registry_discovery_age_seconds", "Time since the registry last confirmed a list, of the list for which that is longest; lists that it never confirmed are left out.", func(lists []registry.WatchState, now time.Time) (oldest float64) {
			for _, w := range lists {
				if !w.Updated.IsZero() {
					oldest = max(oldest, now.Sub(w.Updated).Seconds())
				}
			}
			return oldest
		}),
	}
}

// serviceName names a service.
type serviceName struct {
	Group string `json:"group"`
	Path  string `json:"path"`
}

// nodesByService sums nodes by service, those of the services beyond maxServiceSeries under _other. The lists are in order,
// so it names the same each time; a registry without a memory has one for each version.
func nodesByService(lists []registry.WatchState) map[serviceName]int {
	known := make(map[serviceName]int, min(len(lists), maxServiceSeries+1))
	for _, w := range lists {
		k := serviceName{w.Group, w.Path}
		if _, ok := known[k]; !ok && len(known) >= maxServiceSeries {
			k = serviceName{"_other", "_other"}
		}
		known[k] += w.Nodes
	}
	return known
}

// registryStates are the states of all registries that tell theirs, by id.
func (a *Agent) registryStates() map[string]registry.State {
	states := make(map[string]registry.State, len(a.snapshot.Load().registries))
	for id, r := range a.snapshot.Load().registries {
		if stater, ok := registry.As[registry.Stater](r); ok {
			states[id] = stater.State()
		}
	}
	return states
}

// scrape is what the figures of one scrape share: the state of a registry with ten thousand lists takes a while to gather.
type scrape struct {
	at     time.Time
	states func() map[string]registry.State // gathers them once
}

// scrapeSpan is how long states serve for further figures.
const scrapeSpan = time.Second

// statesOfScrape are registryStates for figures, as they were at most scrapeSpan ago.
func (a *Agent) statesOfScrape() map[string]registry.State {
	x := a.scrape.Load()
	if x == nil || time.Since(x.at) > scrapeSpan {
		next := &scrape{time.Now(), sync.OnceValue(a.registryStates)}
		if a.scrape.CompareAndSwap(x, next) {
			x = next
		} else {
			x = a.scrape.Load()
		}
	}
	return x.states()
}

// registryState is a registry as the API tells it.
type registryState struct {
	ID        string           `json:"id"`
	Kind      string           `json:"kind"`
	Idle      bool             `json:"idle,omitempty"` // nothing was asked of it so far
	Connected bool             `json:"connected"`
	Since     time.Time        `json:"since,omitzero"`
	LastError string           `json:"lastError,omitempty"`
	Session   string           `json:"session,omitempty"`
	Sessions  int              `json:"sessions"`            // so far
	LatencyMS float64          `json:"latencyMs,omitempty"` // of late
	Counters  map[string]int64 `json:"counters,omitempty"`
	Lists     int              `json:"lists"`     // services that are watched
	Stale     int              `json:"stale"`     // of these, not confirmed
	Protected int              `json:"protected"` // of these, with nodes that are kept
	Announced int              `json:"announced"` // nodes that it holds as announced
	Watches   []watchState     `json:"watches"`   // the worst first
}

// watchState is a list of nodes as the API tells it.
type watchState struct {
	Group      string    `json:"group"`
	Service    string    `json:"service"`
	Nodes      int       `json:"nodes"`
	Kept       int       `json:"kept"` // of these, not listed any more: protection is in force while not 0
	KeptSince  time.Time `json:"keptSince,omitzero"`
	Generation int       `json:"generation"`       // how many different lists calls were given
	Updated    time.Time `json:"updated,omitzero"` // when the registry last confirmed or changed the list
	Age        int64     `json:"ageSeconds"`       // since then; -1: it never did
	Stale      bool      `json:"stale"`
	LastError  string    `json:"lastError,omitempty"`
}

// registries answers with the state of all registries. all=1 names every list, else the worst
// are named; service and group choose.
func (m *management) registries(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	states := m.agent.registryStates()
	out := make([]registryState, 0, len(states))
	for _, id := range slices.Sorted(maps.Keys(states)) {
		s := states[id]
		lists := slices.DeleteFunc(s.Watches, func(w registry.WatchState) bool {
			return q.Has("service") && w.Path != q.Get("service") || q.Has("group") && w.Group != q.Get("group")
		})
		x := registryState{
			ID: id, Kind: s.Kind, Idle: s.Idle, Session: s.Session, LatencyMS: milli(s.Latency), Connected: s.Connected, Since: s.Since, LastError: s.LastError, Sessions: s.Sessions,
			Counters: s.Extra, Lists: len(lists), Watches: []watchState{},
		}
		for _, n := range s.Announced {
			if n.Written {
				x.Announced++
			}
		}
		now := time.Now()
		for _, l := range lists {
			y := tellWatch(l, now)
			if y.Stale {
				x.Stale++
			}
			if y.Kept > 0 {
				x.Protected++
			}
			x.Watches = append(x.Watches, y)
		}
		slices.SortStableFunc(x.Watches, worse)
		if q.Get("all") == "" {
			x.Watches = x.Watches[:min(len(x.Watches), worstLists)]
		}
		out = append(out, x)
	}
	answer(w, http.StatusOK, out)
}

// milli is d in milliseconds, to a hundredth.
func milli(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

func tellWatch(l registry.WatchState, now time.Time) watchState {
	age := int64(-1)
	if !l.Updated.IsZero() {
		age = int64(now.Sub(l.Updated).Seconds())
	}
	return watchState{
		Group: l.Group, Service: l.Path, Nodes: l.Nodes, Generation: l.Generation, Kept: l.Kept, KeptSince: l.KeptSince,
		Updated: l.Updated, Age: age, Stale: l.Stale, LastError: l.LastError,
	}
}

// worse puts lists with kept nodes first, then those that were never confirmed, then the stale, the old, the short.
func worse(a, b watchState) int {
	rank := func(s watchState) int {
		switch {
		case s.Kept > 0:
			return 0
		case s.Age < 0:
			return 1
		case s.Stale:
			return 2
		}
		return 3
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Kept, a.Kept), cmp.Compare(b.Age, a.Age), cmp.Compare(a.Nodes, b.Nodes))
}
