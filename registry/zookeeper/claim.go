package zookeeper

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// claimTries bounds how often one attempt begins again because somebody else changed the same node.
const claimTries = 4

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
	yield     bool // somebody else's node in that place is as good
	goneFirst bool // remove instead before making path
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

// finish takes the outcome of an attempt that began at generation in session.
func (m *claim) finish(now time.Time, generation int, session int64, every time.Duration, err error, log *slog.Logger) {
	if err != nil {
		m.pace.failed(now)
		if text := err.Error(); text != m.problem && !isLost(err) {
			m.problem = text
			log.Warn("registry/zookeeper: announce", "service", m.place.path, "group", m.place.group,
				"address", m.want.addr, "error", err)
		}
		return
	}
	m.pace.reset()
	m.problem = ""
	m.done, m.session = generation, session
	m.checked = now
	m.checkAt = now.Add(about(every))
}

// hold makes the tree agree with w. A node that is right already is left alone, so that its readers see no change. One that
// belongs to another session (ours of before, or that of a process that had the same address) is replaced.
func (c client) hold(w wish) error {
	if w.goneFirst {
		if err := c.clear(w.instead); err != nil {
			return err
		}
	}
	if err := c.claim(w); err != nil {
		return err
	}
	if w.goneFirst {
		return nil
	}
	return c.clear(w.instead)
}

// claim makes the node of w.
func (c client) claim(w wish) error {
	for range claimTries {
		data, stat, err := c.get(w.path)
		switch {
		case errors.Is(err, zk.ErrNoNode):
			err = c.create(w.path, w.data)
		case err != nil:
		case stat.EphemeralOwner == c.id && bytes.Equal(data, w.data):
			return nil
		case stat.EphemeralOwner != c.id && w.yield:
			return nil
		default:
			err = c.replace(w.path, stat.Version, w.data)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, zk.ErrNodeExists) && !errors.Is(err, zk.ErrNoNode) && !errors.Is(err, zk.ErrBadVersion) {
			return err
		}
	}
	return errContended
}

// clear removes the node at path, whoever made it: its name is our address.
func (c client) clear(path string) error {
	if path == "" {
		return nil
	}
	stat, err := c.stat(path)
	if err != nil || stat == nil {
		return err
	}
	return c.remove(path, -1)
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
