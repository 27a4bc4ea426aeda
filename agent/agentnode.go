package agent

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/motand/motand/registry"
)

// show has the registries of s show this agent, and those that showed it before no more, unless they are the same. Caller
// holds changing.
func (a *Agent) show(s *snapshot) {
	ctx, cancel := context.WithCancel(a.life)
	showAgent(ctx, s, a.compiler.localIP, a.log)
	if a.shown != nil {
		a.shown()
	}
	a.shown = cancel
}

// showAgent has the registries that motan-agent.registry names show that this agent runs, until ctx ends, as motan-go does. What
// motan-go puts into its node beyond that, such as the folders of this host, is nobody's business. Where it cannot be shown,
// log is told: calls do not need it.
func showAgent(ctx context.Context, s *snapshot, localIP string, log *slog.Logger) {
	c := &s.config.Agent
	n := registry.Node{
		Service: registry.Service{Group: c.Application, Path: c.Path},
		Host:    localIP, Port: c.NodePort,
		Params: map[string]string{
			"application": c.Application, "mport": strconv.Itoa(c.ManagementPort), "eport": strconv.Itoa(c.ExportPort),
			"agentVersion": Version,
		},
	}
	for _, id := range c.Registries {
		shower, ok := registry.As[registry.AgentAnnouncer](s.registries[id])
		if !ok {
			continue
		}
		if err := shower.AnnounceAgent(ctx, n); err != nil {
			log.Warn("agent: not shown in a registry", "registry", id, "at", c.At("registry"), "err", err)
		}
	}
}
