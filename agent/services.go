package agent

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/motand/motand/registry"
)

// serviceReport is what management tells of one exported service.
type serviceReport struct {
	Service    string           `json:"service"`
	Group      string           `json:"group"`
	Version    string           `json:"version,omitempty"`
	Export     string           `json:"export"` // protocol:port
	Provider   string           `json:"provider"`
	Auto       bool             `json:"auto"`    // available without /200
	Dynamic    bool             `json:"dynamic"` // announced by a program on this host
	Health     *healthReport    `json:"health"`  // null where the provider is not checked
	Registries []registryReport `json:"registries"`

	check bool
}

// healthReport is the outcome of the checks so far.
type healthReport struct {
	Kind    string    `json:"kind"`
	Address string    `json:"address"`
	Passes  bool      `json:"passes"`
	Since   time.Time `json:"since"`           // zero before the first check
	Error   string    `json:"error,omitempty"` // of the last check
}

// registryReport is what one registry knows of the service.
type registryReport struct {
	Registry  string `json:"registry"`
	Address   string `json:"address"`
	Available bool   `json:"available"` // as it was asked for
	Written   bool   `json:"written"`   // the registry holds it as asked
	Error     string `json:"error,omitempty"`
}

// report tells what is announced where, in the order of the configuration.
func (a *announcer) report() []serviceReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	states := make(map[string]map[registry.NodeKey]registry.AnnounceState)
	for id, r := range a.snapshot.registries {
		if stater, ok := registry.As[registry.Stater](r); ok {
			states[id] = make(map[registry.NodeKey]registry.AnnounceState)
			for _, x := range stater.State().Announced {
				if host, port, err := registry.ParseAddr(x.Addr); err == nil {
					states[id][registry.NodeKey{Group: x.Group, Path: x.Path, Host: host, Port: port}] = x
				}
			}
		}
	}
	all := []serviceReport{}
	for _, e := range a.snapshot.exported {
		s := e.service
		x := serviceReport{
			Service: s.Path, Group: s.Group, Version: s.Version, Export: s.Export.String(), Provider: s.Provider,
			Auto: s.Auto, Dynamic: s.Dynamic, check: s.Check, Registries: []registryReport{},
		}
		if e.health != nil {
			now := e.health.now()
			x.Health = &healthReport{Kind: s.Health.Kind, Address: s.Health.Address, Passes: now.Passes, Since: now.Since, Error: now.Error}
		}
		for _, id := range s.Registries {
			node := a.compiler.node(s, a.wanted(e))
			if a.isLocal(id) {
				node.Host, node.Available = "127.0.0.1", true
			}
			x.Registries = append(x.Registries, a.reportOf(id, node, states[id]))
		}
		all = append(all, x)
	}
	return all
}

// reportOf is what the registry id holds of a node; caller holds mu.
func (a *announcer) reportOf(id string, node registry.Node, states map[registry.NodeKey]registry.AnnounceState) registryReport {
	x := registryReport{Registry: id, Address: node.Addr(), Available: node.Available}
	told := a.told[announceKey{a.snapshot.holds[id].key, node.Key()}]
	switch state, known := states[node.Key()]; {
	case told == nil:
		x.Error = "not announced"
	case told.err != nil:
		x.Error = told.err.Error()
	case states == nil || a.isList(id): // a registry that tells nothing of itself, or that nothing is written to
		x.Written = true
	case !known:
		x.Error = "the registry does not have it yet"
	default:
		x.Written, x.Error = state.Written && state.Available == node.Available, state.LastError
	}
	return x
}

// announced says in one line what became of a service in one registry.
func (x registryReport) announced() string {
	said := "registered, not available"
	if x.Available {
		said = "available"
	}
	if !x.Written {
		said += ", not written"
	}
	if x.Error != "" {
		said += " (" + x.Error + ")"
	}
	return said
}

// services answers with the report as JSON.
func (m *management) services(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, m.agent.report())
}

// report is that of the announcer.
func (a *Agent) report() []serviceReport { return a.announcer.report() }

// announcedText lists the services for people, a line each.
func announcedText(all []serviceReport) string {
	var b strings.Builder
	for _, s := range all {
		for _, r := range s.Registries {
			fmt.Fprintf(&b, "service %s, group %s, registry %s: %s", s.Service, s.Group, r.Registry, r.announced())
			if s.Health != nil && !s.Health.Passes {
				fmt.Fprintf(&b, "; its provider fails the health check: %s", s.Health.Error)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// registryStatus answers as motan-go does (agent inventory, section 6), with what it leaves out
// for the registries that it has: what became of each service.
func (m *management) registryStatus(w http.ResponseWriter, _ *http.Request) {
	type one struct {
		Group    string `json:"group"`
		Service  string `json:"service"`
		Registry string `json:"registry"`
		Status   string `json:"status"`
		Error    string `json:"errMsg"`
		Check    bool   `json:"isCheck"`
	}
	var all struct {
		Status   string `json:"status"`
		Services []one  `json:"registryStatus"`
	}
	word := func(available, written bool) string {
		said := "unregister-"
		if available {
			said = "register-"
		}
		if written {
			return said + "success"
		}
		return said + "failed"
	}
	all.Status = word(m.agent.announcer.ready(), true)
	for _, s := range m.agent.report() {
		for _, r := range s.Registries {
			x := one{s.Group, s.Service, r.Registry, word(r.Available, r.Written), r.Error, s.check}
			if s.check && !r.Written {
				all.Status = x.Status
			}
			all.Services = append(all.Services, x)
		}
	}
	jsonText(w, all)
}
