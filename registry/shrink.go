package registry

import (
	"time"
	"unique"
)

const (
	defaultThreshold = 50
	defaultGrace     = 10 * time.Minute
	// shrinkWindow is how long nodes that go one after the other count as going together: a session that expires takes them
	// away one by one, a scale-down by hand takes longer.
	shrinkWindow = time.Minute
)

// Protection says when a registry that takes nodes away is not believed at once, because in the field a registry that has
// lost its data, or half of its sessions, is more frequent than a service that nearly everybody leaves within a minute.
//
// When more than Threshold percent of a service's nodes go within a minute, or the last one does, those that went stay in
// use ("are kept") until the registry lists them again or as many others instead, they do not answer any more, or Grace is
// over. A list that is empty is never believed by time alone, as with Motan Java and motan-go (motan protocol, section 5.4).
// The zero value protects with the defaults.
type Protection struct {
	Off       bool          // what the registry tells is believed at once, an empty list too
	Threshold int           // percent, 1 to 99; 0 means 50
	Grace     time.Duration // 0 means 10 minutes
}

// ledger is what is known about the nodes of one service: who is listed, and who went. It has no clock and no lock.
type ledger struct {
	rule  Protection
	blind bool // nobody can tell whether nodes answer

	listed packed                        // in order of address
	enough int                           // how many there were when nodes came in doubt, so that as many others will do; 0 before
	went   map[unique.Handle[addr]]*gone // nodes that were listed
}

// gone is a node that was listed and is not any more.
type gone struct {
	entry   entry
	since   time.Time // when it went, or when its grace began anew
	state   goneState
	strikes int // time-outs in a row
}

type goneState string

const (
	left     goneState = "left"     // believed; remembered for shrinkWindow
	recalled goneState = "recalled" // left, then too many followed: in use again when it answers
	kept     goneState = "kept"     // in use
)

// tell takes a list from the registry. It reports whether more nodes are in doubt now.
func (l *ledger) tell(now time.Time, nodes packed) bool {
	nodes = nodes.sorted()
	if len(l.doubted()) == 0 {
		l.enough = 0
	}
	before, enough := l.listed, l.enough
	if enough == 0 {
		enough = len(l.nodes())
	}
	l.listed = nodes
	if l.rule.Off || len(l.went) == 0 && before.equal(nodes) {
		return false
	}
	there := make(map[unique.Handle[addr]]struct{}, len(nodes))
	for _, e := range nodes {
		there[e.addr] = struct{}{}
	}
	for addr, g := range l.went {
		if _, listed := there[addr]; listed || g.state == left && now.Sub(g.since) > shrinkWindow {
			delete(l.went, addr)
		} else if len(before) == 0 {
			g.since = now // while nobody was listed there was no grace
		}
	}
	for _, e := range before {
		if _, listed := there[e.addr]; !listed {
			if l.went == nil {
				l.went = make(map[unique.Handle[addr]]*gone)
			}
			l.went[e.addr] = &gone{entry: e, since: now, state: left}
		}
	}
	if len(l.listed) >= enough {
		l.settle(now)
		return false
	}
	if !l.suspicious() || !l.doubt(now) {
		return false
	}
	l.enough = enough
	return true
}

// settle ends all doubts: there are as many nodes as before.
func (l *ledger) settle(now time.Time) {
	l.enough = 0
	for _, g := range l.went {
		if g.state != left {
			g.state, g.since = left, now
		}
	}
}

// suspicious tells whether too many went.
func (l *ledger) suspicious() bool {
	threshold := l.rule.Threshold
	if threshold == 0 {
		threshold = defaultThreshold
	}
	all := len(l.went) + len(l.listed)
	return len(l.went) > 0 && (len(l.listed) == 0 || 100*len(l.went) > threshold*all)
}

// doubt keeps who went just now, and recalls who went before. It reports whether there was anybody.
func (l *ledger) doubt(now time.Time) bool {
	more := false
	for _, g := range l.went {
		if g.state != left {
			continue
		}
		more = true
		g.state = recalled
		if l.blind || g.since.Equal(now) {
			g.state = kept
		}
		g.since = now
	}
	return more
}

// sweep drops who is kept for longer than the grace. It reports whether that changed who is in use.
func (l *ledger) sweep(now time.Time) bool {
	grace := l.rule.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	if len(l.listed) == 0 {
		return false
	}
	changed := false
	for addr, g := range l.went {
		if g.state != left && now.Sub(g.since) >= grace {
			changed = changed || g.state == kept
			delete(l.went, addr)
		}
	}
	return changed
}

// judge takes what became of an attempt to reach at. A time-out may be a pause of the provider's: it is believed when it
// happens twice. It reports whether that changed who is in use.
func (l *ledger) judge(at unique.Handle[addr], answers, timeout bool) bool {
	g := l.went[at]
	if g == nil || g.state == left {
		return false
	}
	if answers {
		changed := g.state == recalled
		g.state, g.strikes = kept, 0
		return changed
	}
	if g.strikes++; timeout && g.strikes < 2 {
		return false
	}
	delete(l.went, at)
	return g.state == kept
}

// nodes returns who is in use, in order of address.
func (l *ledger) nodes() packed {
	n, _ := l.protected()
	if n == 0 {
		return l.listed
	}
	nodes := append(make(packed, 0, len(l.listed)+n), l.listed...)
	for _, g := range l.went {
		if g.state == kept {
			nodes = append(nodes, g.entry)
		}
	}
	return nodes.sorted()
}

// doubted returns the addresses of the nodes of which it matters whether they answer.
func (l *ledger) doubted() []unique.Handle[addr] {
	var addrs []unique.Handle[addr]
	for addr, g := range l.went {
		if g.state != left {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// protected returns how many nodes are kept and since when the first of them is.
func (l *ledger) protected() (n int, since time.Time) {
	for _, g := range l.went {
		if g.state == kept {
			if n++; since.IsZero() || g.since.Before(since) {
				since = g.since
			}
		}
	}
	return n, since
}
