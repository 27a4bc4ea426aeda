package zookeeper

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// claimTries bounds how often one attempt begins again because somebody else changed the same node.
const claimTries = 4

// maxRepairPause is the longest that we look away after we made again what somebody deleted or changed. Two who fight over
// one address would otherwise make it vanish and appear for all its callers as often as they look.
const maxRepairPause = 10 * time.Minute

// errContended is returned when others kept changing a node while it was claimed.
var errContended = errors.New("others keep changing it; is the same address announced twice?")

// claim is an ephemeral node that we want to be there, or to be gone. Its fields are guarded by Registry.mu.
type claim struct {
	place      place
	want       wish
	withdrawn  bool        // it is to be gone
	generation int         // counts the changes of want and withdrawn
	stop       func() bool // ends the watch on the context of the announcement; nil for none

	busy    bool
	done    int   // the generation that the tree was last seen to agree with
	session int64 // the session in which that was
	checkAt time.Time
	pace    pace

	repairs     int           // in a row, each found at the check after the one before
	repairPause time.Duration // beyond the usual time until the next check

	checked time.Time // when the tree was last seen to agree
	problem string
}

// wish is what a claim wants in the tree. It is a value.
type wish struct {
	path      string // where the node has to be
	instead   string // where it must not be; empty for nowhere
	data      []byte
	addr      string
	available bool
	yield     bool   // somebody else's node in that place is as good
	unless    string // it must not be there while somebody has this node; empty for none
	silent    bool   // nobody is told of it
	goneFirst bool   // remove instead before making path
}

// due returns when the claim has to be looked at in session, false while it is being looked at.
func (m *claim) due(session int64) (time.Time, bool) {
	if m.done != m.generation || m.session != session {
		return m.pace.notBefore, !m.busy
	}
	return later(m.checkAt, m.pace.notBefore), !m.busy
}

// change makes w what is wanted.
func (m *claim) change(w wish) {
	m.want, m.withdrawn = w, false
	m.generation++
	m.pace.reset()
}

// withdraw makes the node's absence what is wanted.
func (m *claim) withdraw() {
	m.withdrawn = true
	m.generation++
	m.pace.reset()
}

// arrive takes a new connection. In the same session a check is enough, and it need not be at once.
func (m *claim) arrive(now time.Time) {
	m.pace.reset()
	m.checkAt = now.Add(rand.N(spread))
}

// finish takes the outcome of an attempt that began at generation in session; changed says that the tree was not as wanted.
// It reports whether that was a repair: the tree had been as wanted before.
func (m *claim) finish(now time.Time, generation int, session int64, every time.Duration, changed bool, err error, log *slog.Logger) (repaired bool) {
	if err != nil {
		m.pace.failed(now)
		if text := err.Error(); text != m.problem && !isLost(err) {
			m.problem = text
			log.Warn("registry/zookeeper: announce", "service", m.place.path, "group", m.place.group,
				"address", m.want.addr, "error", err)
		}
		return false
	}
	repaired = changed && m.done == generation && m.session == session && !m.withdrawn && !m.want.yield // whose turn comes so
	m.pace.reset()
	m.problem = ""
	m.repaired(repaired, every, log)
	m.done, m.session = generation, session
	m.checked = now
	m.checkAt = now.Add(about(every + m.repairPause))
	return repaired
}

// repaired has the pause between checks grow with each repair that follows on another, and end with a check that finds all
// well.
func (m *claim) repaired(again bool, every time.Duration, log *slog.Logger) {
	if !again {
		m.repairs, m.repairPause = 0, 0
		return
	}
	m.repairs++
	if m.repairs > 1 {
		m.repairPause = min(max(2*m.repairPause, every), maxRepairPause)
	}
	m.problem = fmt.Sprintf("somebody else deleted or changed the node; it was made again (%d in a row); is the address announced twice?", m.repairs)
	log.Warn("registry/zookeeper: announce", "service", m.place.path, "group", m.place.group, "address", m.want.addr,
		"problem", m.problem, "next_check", every+m.repairPause)
}

// hold makes the tree agree with w, and reports whether it did not before. A node that is right already is left alone, so
// that its readers see no change. One that belongs to another session (ours of before, or that of a process that had the same
// address) is replaced, unless w yields to those that are not ours.
func (c client) hold(w wish, ours []int64) (changed bool, err error) {
	if w.unless != "" {
		if stat, err := c.stat(w.unless); err != nil || stat != nil {
			return false, errors.Join(err, c.release(w, ours))
		}
	}
	if w.goneFirst {
		if changed, err = c.clear(w.instead); err != nil {
			return false, err
		}
	}
	claimed, err := c.claim(w, ours)
	if err != nil {
		return false, err
	}
	if !w.goneFirst {
		if changed, err = c.clear(w.instead); err != nil {
			return false, err
		}
	}
	return changed || claimed, nil
}

// claim makes the node of w, and reports whether it was not there.
func (c client) claim(w wish, ours []int64) (changed bool, err error) {
	for range claimTries {
		data, stat, err := c.get(w.path)
		switch {
		case errors.Is(err, zk.ErrNoNode):
			err = c.create(w.path, w.data)
		case err != nil:
		case stat.EphemeralOwner == c.id && bytes.Equal(data, w.data):
			return false, nil
		case w.yield && !slices.Contains(ours, stat.EphemeralOwner):
			return false, nil
		default:
			err = c.replace(w.path, stat.Version, w.data)
		}
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, zk.ErrNodeExists) && !errors.Is(err, zk.ErrNoNode) && !errors.Is(err, zk.ErrBadVersion) {
			return false, err
		}
	}
	return false, errContended
}

// clear removes the node at path, whoever made it, and reports whether there was one: its name is our address.
func (c client) clear(path string) (changed bool, err error) {
	if path == "" {
		return false, nil
	}
	stat, err := c.stat(path)
	if err != nil || stat == nil {
		return false, err
	}
	return true, c.remove(path, -1)
}

// release removes the nodes of w that belong to the present session or to one of ours before it. Those of others stay: after
// an upgrade the new process has the same address.
func (c client) release(w wish, ours []int64) error {
	for _, path := range []string{w.path, w.instead} {
		if path == "" {
			continue
		}
		stat, err := c.stat(path)
		if err != nil {
			return err
		}
		if stat == nil || !slices.Contains(ours, stat.EphemeralOwner) {
			continue
		}
		if err := c.remove(path, stat.Version); err != nil && !errors.Is(err, zk.ErrBadVersion) {
			return err
		}
	}
	return nil
}
