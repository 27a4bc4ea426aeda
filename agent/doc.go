// Package agent is motand: it compiles a configuration into an immutable snapshot, listens,
// and leads calls from the programs on this host to their providers and from other hosts to
// the providers here.
//
//	outbound: Motan in, HTTP in ─▶ routes ─▶ filters ─▶ cluster ─▶ provider elsewhere
//	inbound:  export port       ─▶ exports ─▶ filters ─▶ provider on this host
//
// It contains no protocol, balance or governance of its own: those are in packages motan,
// agent/cluster and filters. What it prevents is a half-made configuration in use: everything
// is built aside and taken into use at once, or not at all.
package agent
