package agent

import (
	"log/slog"

	"github.com/motand/motand/conf"
)

// warnOfUnserved tells what a configuration of motan-go asks for and this agent does not do.
// Filters, providers, load balances and registries are told of where they are made.
func warnOfUnserved(log *slog.Logger, c *conf.Config) {
	if a := &c.Agent; len(a.Registries) > 0 {
		log.Warn("agent: this agent does not show itself in a registry and takes no commands from one", "at", a.At("registry"))
	}
	for _, r := range c.Refers {
		if r.HAStrategy == "backupRequest" {
			log.Warn("agent: no backup requests are made, calls are tried again as with failover", "refer", r.ID, "at", r.At("haStrategy"))
		}
	}
	for _, x := range c.HTTPClients {
		log.Warn("agent: http-client is not served, requests for its domain are refused", "domain", x.Domain, "at", x.Position)
	}
}
