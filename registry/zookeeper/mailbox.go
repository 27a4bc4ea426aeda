package zookeeper

import (
	"maps"
	"slices"
	"sync"

	"github.com/go-zookeeper/zk"
)

// mailbox takes the client library's notices, which come on its goroutines and must not wait, and keeps them for the one
// who reconciles. It holds at most one entry for each path that we watch.
type mailbox struct {
	wake chan<- struct{} // gets a token when there is something to look at

	mu       sync.Mutex
	up       bool                // guarded by mu: there is a connection with a session
	arrivals int                 // guarded by mu: how often a connection got a session
	changed  map[string]struct{} // guarded by mu: paths whose watch has fired
}

// put is the library's zk.EventCallback.
func (m *mailbox) put(e zk.Event) {
	m.mu.Lock()
	switch {
	case e.Type == zk.EventSession && e.State == zk.StateHasSession:
		m.up = true
		m.arrivals++
	case e.Type == zk.EventSession:
		m.up = false
	case e.Path != "":
		if m.changed == nil {
			m.changed = make(map[string]struct{})
		}
		m.changed[e.Path] = struct{}{}
	}
	m.mu.Unlock()
	poke(m.wake)
}

// take returns what came since it was last called, and how things are.
func (m *mailbox) take() (up bool, arrivals int, changed []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed = slices.Collect(maps.Keys(m.changed))
	m.changed = nil
	return m.up, m.arrivals, changed
}

// poke leaves a token in wake unless one is there.
func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
