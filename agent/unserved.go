package agent

import (
	"log/slog"
	"slices"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// warnOfUnserved tells what a configuration of motan-go asks for and this agent does not do.
// Filters, providers, load balances and registries are told of where they are made.
func warnOfUnserved(log *slog.Logger, c *conf.Config, registries map[string]registry.Registry) {
	for _, id := range c.Agent.Registries {
		if _, shows := registry.As[registry.AgentAnnouncer](registries[id]); !shows {
			log.Warn("agent: this agent is not shown in a registry of that kind; zookeeper shows agents", "registry", id, "at", c.Agent.At("registry"))
		}
	}
	if c.Agent.TraceEndpoint == "" && c.Agent.TraceFile == "" {
		warnOfTraces(log, c)
	}
}

// warnOfTraces tells of the first entry that is to be traced though spans go nowhere.
func warnOfTraces(log *slog.Logger, c *conf.Config) {
	var entries []*conf.Entry
	for _, r := range c.Refers {
		entries = append(entries, &r.Entry)
	}
	for _, s := range c.Services {
		entries = append(entries, &s.Entry)
	}
	for _, e := range entries {
		if slices.Contains(e.Filters, "trace") {
			log.Warn("agent: filter trace records nothing, set motan-agent.traceEndpoint or traceFile", "entry", e.ID, "at", e.At("filter"))
			return
		}
	}
}
