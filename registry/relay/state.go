package relay

import (
	"time"

	"github.com/motand/motand/registry"
)

// State tells how a relay fares.
type State struct {
	Services  int       // services that are copied, or would be if anybody provided them
	Ours      int       // copies in the other registry that carry this host's name
	Others    int       // copies that another agent announces
	Providers int       // nodes that are there by themselves, so that no copy is needed
	Missing   int       // copies that are wanted and not there
	Refused   int       // nodes that the other registry cannot hold
	Over      int       // nodes left out because there are more than Options.MaxNodes
	Again     int       // copies in the registry of origin, which are not copied again
	Looked    time.Time // when patterns were last compared with what there is; zero where there are none
	LastError string    // what is wrong with the whole or with one service; empty when all is well
}

// There is how many of the nodes that are to be copied are in the other registry, whoever announces them.
func (s State) There() int { return s.Ours + s.Others + s.Providers }

// State returns how r fares now. It does not block on a registry.
func (r *Relay) State() State {
	r.mu.Lock()
	s := State{Services: len(r.lanes), Looked: r.looked, LastError: r.problem}
	r.mu.Unlock()
	for _, l := range r.all() {
		l.addTo(&s)
	}
	return s
}

// addTo adds what l knows to s.
func (l *lane) addTo(s *State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Again += l.again
	s.Over += l.over
	if s.LastError == "" {
		s.LastError = l.problem
	}
	for key, c := range l.copies {
		n, there := l.there[key]
		switch {
		case c.err != nil:
			s.Refused++
		case !there:
			s.Missing++
		case !isCopy(n):
			s.Providers++
		case n.Params[registry.SyncedBy] == l.relay.options.Host:
			s.Ours++
		default:
			s.Others++
		}
	}
}
