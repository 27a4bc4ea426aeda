package registry

import (
	"cmp"
	"slices"
	"time"
)

// Stater is an optional ability of a Registry: to tell how it fares, for metrics and the management API.
type Stater interface {
	// State returns how the registry fares now. It does not block on the registry.
	State() State
}

// Reacher is an optional ability of a Registry that may watch very many services: to tell of itself alone what State tells,
// for less than it takes to go through them.
type Reacher interface {
	// Reach returns State's Connected and Idle.
	Reach() (connected, idle bool)
}

// Reach tells whether reg, or the registry behind it, can be reached now, and whether nothing was asked of it so far. One that
// tells nothing of itself can be reached.
func Reach(reg Registry) (connected, idle bool) {
	if r, ok := As[Reacher](reg); ok {
		return r.Reach()
	}
	if r, ok := As[Stater](reg); ok {
		s := r.State()
		return s.Connected, s.Idle
	}
	return true, false
}

// State tells how a registry fares.
type State struct {
	Kind      string           // "zookeeper", "file", ...
	Idle      bool             // nothing was asked of it so far, so that it was not connected to
	Connected bool             // whether the registry can be reached now; true where there is nothing to reach
	Since     time.Time        // when Connected last changed; zero if never
	LastError string           // the last error, empty when there was none or it was overcome
	Session   string           // the present session, as the registry's own tools name it; empty where there is none
	Latency   time.Duration    // how long it takes to answer, of late; 0 where that is not known
	Sessions  int              // how many sessions there were, the present one included; 0 where there are none
	Watches   []WatchState     // one for each service watched, sorted by group and path
	Announced []AnnounceState  // one for each node announced, sorted by group, path and address
	Commands  []CommandState   // one for each scope whose commands are watched, sorted by group and application
	Extra     map[string]int64 // counters that only this kind has, by a name fit for a metric; nil when there are none
}

// WatchState tells what is known about a watched service.
type WatchState struct {
	Group      string
	Path       string
	Nodes      int       // how many nodes the receiver was last given; of all versions, where the registry keeps them together
	Generation int       // how many different lists receivers were given, the one from the disk included; 0 where nobody counts
	Updated    time.Time // when the registry last confirmed or changed the list, also in an earlier run; zero if that is not known
	Stale      bool      // the list is not confirmed: it came from the disk, nodes are kept, or the registry cannot be reached
	Kept       int       // of Nodes, those that the registry does not list any more: while not 0, protection is in force
	KeptSince  time.Time // since when; zero when Kept is 0
	LastError  string    // why the last reading failed, or what was wrong with a node; empty when all is well
}

// AnnounceState tells what became of an announced node.
type AnnounceState struct {
	Group     string
	Path      string
	Addr      string
	Available bool      // what was asked for
	Written   bool      // whether the registry holds it as asked
	Checked   time.Time // when the registry last confirmed it; zero if it never did
	LastError string
}

// Sort puts the watches, announcements and commands of s in their documented order.
func (s *State) Sort() {
	slices.SortFunc(s.Watches, func(a, b WatchState) int {
		return compareKeys(serviceKey{a.Group, a.Path}, serviceKey{b.Group, b.Path})
	})
	slices.SortFunc(s.Announced, func(a, b AnnounceState) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Addr, b.Addr))
	})
	slices.SortFunc(s.Commands, func(a, b CommandState) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Application, b.Application))
	})
}

func compareKeys(a, b serviceKey) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.path, b.path))
}
