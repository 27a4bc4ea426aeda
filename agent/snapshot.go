package agent

import (
	"context"
	"fmt"

	"github.com/motand/motand/agent/traffic"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/registry"
)

// snapshot is a configuration compiled: what calls are led through. It is built aside and
// never changed. Its registries, routes and exports are shared with the snapshots before and
// after it as far as they are configured equally.
type snapshot struct {
	config     *conf.Config
	routes     *routes
	exports    *exports
	registries map[string]registry.Registry   // by id
	all        []*route                       // in the order of the configuration
	exported   []*export                      // likewise
	ports      []int                          // that services are exported on, ascending
	commands   *commands                      // of all snapshots
	switches   map[string]filters.SwitchValue // as configured
	syncs      []*item[*syncer]               // in the order of the configuration
	plains     []*item[*plainCalls]           // of the domains
	filters    []placedFilter                 // that stand in the chains
	rules      map[*route]*traffic.Rules      // of the refers that have some in motan-traffic
	demanded   map[*route]bool                // those that requests for domains have asked for

	holds     map[string]*item[registry.Registry] // by id
	byRefer   map[*conf.Refer]*item[*route]
	byService map[*conf.Service]*item[*export]
}

// sockets are those that it needs.
func (s *snapshot) sockets() []wanted { return wantedSockets(s.config, s.ports) }

// start watches the nodes of those refers that no snapshot before has watched, and the commands
// that concern it; ctx ends that, or the end of the last snapshot that has the refer. From now
// on close is patient with calls.
func (s *snapshot) start(ctx context.Context) error {
	for service, x := range s.byService {
		x.value.used = true
		if len(service.Registries) > 0 {
			x.value.fleet.follow(ctx, s.registries[service.Registries[0]])
		}
	}
	for _, x := range s.all {
		if err := x.watch(ctx); err != nil {
			return err
		}
		if len(x.refer.Registries) > 0 {
			x.fleet.follow(ctx, s.registries[x.refer.Registries[0]])
		}
	}
	if err := s.open(); err != nil {
		return err
	}
	return s.commands.use(ctx, s)
}

// open begins to watch the nodes that rules lead to.
func (s *snapshot) open() error {
	for x, rules := range s.rules {
		if _, err := x.crossing.prepare(rules); err != nil {
			return fmt.Errorf("%s: refer %s: its rules in motan-traffic: %w", x.refer.Position, x.refer.ID, err)
		}
	}
	return nil
}

// steer puts the rules into use, and ends what only others lead to.
func (k *compiler) steer(s *snapshot) {
	for _, x := range s.all {
		if err := x.crossing.take(s.rules[x], k.retireBranch); err != nil {
			k.log.Error("agent: rules cannot be followed, calls take the refer's own nodes", "refer", x.refer.ID, "err", err)
		}
	}
	k.rulebook.use(s)
}

// copy begins what registry-sync asks for. Unlike start it is felt by others.
func (s *snapshot) copy(ctx context.Context, k *compiler) {
	for _, x := range s.syncs {
		x.value.start(ctx, k)
	}
}

// pending is how many refers have heard nothing of their nodes yet, neither from a registry
// nor from the disk.
func (s *snapshot) pending() int { return len(s.unknown()) }

// unknown returns the ids of those refers. What was asked for meanwhile makes nobody unready.
func (s *snapshot) unknown() []string {
	var refers []string
	for _, x := range s.all {
		if !x.heard.Load() && !s.demanded[x] {
			refers = append(refers, x.refer.ID)
		}
	}
	return refers
}

// close gives back what no other snapshot holds.
func (s *snapshot) close() {
	for _, x := range s.byRefer {
		x.release()
	}
	for _, x := range s.byService {
		x.release()
	}
	for _, x := range s.syncs {
		x.release()
	}
	for _, x := range s.plains {
		x.release()
	}
	for _, x := range s.holds { // last: routes look into them
		x.release()
	}
}
