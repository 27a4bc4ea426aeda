package agent

import (
	"slices"
	"time"

	"github.com/motand/motand/registry"
)

// bequest is what an agent knows that is neither in its configuration nor in its folders, for the process that takes its
// place.
type bequest struct {
	Available bool               `json:"available"` // as /200 and /503 have set it
	Asked     bool               `json:"asked"`
	Dynamics  dynamicsFile       `json:"dynamics"`  // what programs on this host have asked for
	Programs  []registry.Program `json:"programs"`  // what they have announced in the embedded registry
	Adjusted  []adjustedFilter   `json:"adjusted"`  // settings that were changed at run time
	Passing   []serviceName      `json:"passing"`   // services whose provider passes its health check
	Unknown   []string           `json:"unknown"`   // refers of which no nodes are known
	Announced map[string]int     `json:"announced"` // how many nodes each registry holds
	Sessions  map[string]string  `json:"sessions"`  // with each registry
	Copies    map[string]int     `json:"copies"`    // that each entry of registry-sync keeps
}

// adjustedFilter is a filter with what was laid over its settings.
type adjustedFilter struct {
	Filter string            `json:"filter"`
	Role   string            `json:"role"`
	Entry  string            `json:"entry"`
	Keys   map[string]string `json:"keys"`
}

// bequeath gathers what the agent knows. Caller holds changing.
func (a *Agent) bequeath() bequest {
	s := a.snapshot.Load()
	b := bequest{
		Dynamics: a.dynamics.file(), Programs: a.compiler.local.Programs(), Unknown: s.unknown(), Announced: a.announced(),
	}
	b.Available, b.Asked = a.announcer.standing()
	b.Sessions, b.Copies = make(map[string]string), make(map[string]int)
	for id, state := range a.registryStates() {
		if state.Session != "" {
			b.Sessions[id] = state.Session
		}
	}
	for _, x := range s.syncs {
		state := x.value.relay.State()
		b.Copies[x.value.sync.ID] = state.There() + state.Missing // as they are before the first list is known
	}
	b.Adjusted = adjusted(s)
	for _, e := range s.exported {
		if e.health != nil && e.health.passes() {
			b.Passing = append(b.Passing, serviceName{e.service.Group, e.service.Path})
		}
	}
	return b
}

// announced is how many nodes each registry that others can see holds as announced.
func (a *Agent) announced() map[string]int {
	all := make(map[string]int)
	for id, state := range a.registryStates() {
		for _, x := range state.Announced {
			if x.Written && state.Kind != "local" {
				all[id]++
			}
		}
	}
	return all
}

// inherit takes over what another process knew, before anything is in use.
func (a *Agent) inherit(b *bequest) {
	s := a.snapshot.Load()
	a.announcer.stand(b.Available, b.Asked)
	for id, r := range s.registries {
		heir, ok := registry.As[registry.Inheritor](r)
		if session := b.Sessions[id]; ok && session != "" {
			if err := heir.Inherit(session); err != nil {
				a.log.Warn("agent: copies of registry-sync will be missing for a moment in the upgrade", "registry", id, "err", err)
			}
		}
	}
	for _, x := range b.Programs {
		if err := a.compiler.local.Put(x.Node, x.TTL); err != nil {
			a.log.Warn("agent: a node that a program has announced is lost in the upgrade", "service", x.Node.Path, "group", x.Node.Group, "err", err)
		}
	}
	a.readjust(b.Adjusted)
	for _, e := range s.exported {
		if e.health != nil && slices.Contains(b.Passing, serviceName{e.service.Group, e.service.Path}) {
			e.health.assume()
		}
	}
}

// standing is whether services are available, and whether somebody has asked for that.
func (a *announcer) standing() (available, asked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.available, a.asked
}

// stand has start announce services as another process did.
func (a *announcer) stand(available, asked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.available, a.asked, a.inherited = available, asked, true
}

// assume takes the word of another process that the provider passes its check, until ours say otherwise.
func (h *health) assume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = healthState{Known: true, Passes: true, Since: time.Now()}
}
