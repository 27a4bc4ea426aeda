package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/motand/motand/registry"
)

// patience is how often a copy that vanished is announced once more. One that vanishes more often is left to the registry,
// which looks at it now and then.
const patience = 10 * time.Second

// lane is one service on its way.
type lane struct {
	relay      *Relay
	ctx        context.Context // ends the watches and withdraws the copies
	cancel     context.CancelFunc
	from, into registry.Service

	mu      sync.Mutex
	known   bool                               // guarded by mu: the registry of origin has told its list
	source  []registry.Node                    // guarded by mu: that list
	watched bool                               // guarded by mu: the list where the copies go is watched
	there   map[registry.NodeKey]registry.Node // guarded by mu: that list; nil before it is known
	copies  map[registry.NodeKey]*copied       // guarded by mu
	again   int                                // guarded by mu: copies in source that are not copied again
	over    int                                // guarded by mu: nodes for which there was no room
	problem string                             // guarded by mu
}

// copied is a node that is to be in the other registry.
type copied struct {
	node   registry.Node
	cancel context.CancelFunc // withdraws it; nil when it was refused
	err    error              // the registry does not take such a node
	again  time.Time          // when it was announced once more, as it had vanished
}

// listed takes the list of the registry of origin.
func (l *lane) listed(nodes []registry.Node) {
	l.mu.Lock()
	l.source, l.known = nodes, true
	l.mu.Unlock()
	l.settle()
}

// settle brings the copies to what the registry of origin lists.
func (l *lane) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known || l.ctx.Err() != nil {
		return
	}
	before := l.problem
	l.again, l.over, l.problem = 0, 0, ""
	wanted := make(map[registry.NodeKey]bool, len(l.source))
	for _, n := range l.source {
		c, ok := l.relay.options.marked(n, l.into)
		if !ok {
			l.again++
			continue
		}
		wanted[c.Key()] = true
		l.want(c)
	}
	for key, c := range l.copies {
		if !wanted[key] {
			c.end()
			delete(l.copies, key)
			l.relay.nodes.Add(-1)
		}
	}
	if len(l.copies) > 0 && !l.watched {
		l.watched = true
		if err := l.relay.to.Watch(l.ctx, l.into, l.seen); err != nil {
			l.problem = err.Error()
		}
	}
	if l.problem != "" && l.problem != before {
		l.relay.options.Log.Warn("registry/relay: copy", "sync", l.relay.options.Name, "service", l.from.Path, "group", l.from.Group,
			"to_group", l.into.Group, "problem", l.problem)
	}
}

// want has n announced unless it is. The caller holds mu.
func (l *lane) want(n registry.Node) {
	c := l.copies[n.Key()]
	if c != nil && c.err == nil && c.node.Service == n.Service && registry.SameParams(c.node.Params, n.Params) {
		return
	}
	if c == nil {
		if most := l.relay.options.MaxNodes; l.relay.nodes.Add(1) > int64(most) {
			l.relay.nodes.Add(-1)
			l.over++
			l.problem = "more nodes are chosen than maxNodes allows; choose fewer, or raise it"
			return
		}
		c = &copied{}
		l.copies[n.Key()] = c
	}
	c.node = n
	l.announce(c)
}

// announce tells the registry of c, now or again. The caller holds mu.
func (l *lane) announce(c *copied) {
	ctx, cancel := context.WithCancel(l.ctx)
	if c.err = l.relay.to.AnnounceCopy(ctx, c.node); c.err != nil {
		cancel()
		if !errors.Is(c.err, registry.ErrClosed) { // a reload has given that registry up, and soon this relay
			l.problem = c.err.Error()
		}
		return
	}
	c.end() // the registry goes by the newer one
	c.cancel = cancel
}

// end withdraws c.
func (c *copied) end() {
	if c.cancel != nil {
		c.cancel()
	}
}

// seen takes the list of the registry that the copies go to. Where a copy has vanished that somebody else held, its place is
// free.
func (l *lane) seen(nodes []registry.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	there := make(map[registry.NodeKey]registry.Node, len(nodes))
	for _, n := range nodes {
		there[n.Key()] = n
	}
	now := time.Now()
	for key, c := range l.copies {
		_, was := l.there[key]
		if _, is := there[key]; was && !is && c.err == nil && now.Sub(c.again) > patience {
			c.again = now
			l.announce(c)
		}
	}
	l.there = there
}

// idle reports whether nobody is listed and nothing is copied.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known && len(l.source) == 0 && len(l.copies) == 0
}
