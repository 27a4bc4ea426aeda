package zookeeper

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// client makes requests in one session. The library's requests have neither context nor timeout; here each has one, at the
// cost of the connection when it passes.
type client struct {
	link    *link
	id      int64 // the session
	acl     []zk.ACL
	timeout time.Duration
	counts  *counts
	polite  bool // requests wait for their turn: what they ask for is known, if perhaps not up to date
}

// do runs one request.
func (c client) do(what, path string, request func() error) error {
	if c.polite {
		if err := c.counts.limit.wait(c.link.ctx); err != nil {
			return fmt.Errorf("%s %s: %w", what, path, err)
		}
	}
	c.counts.requests.Add(1)
	t := time.AfterFunc(c.timeout, func() { c.link.kick(fmt.Sprintf("no answer to %s %s within %v", what, path, c.timeout)) })
	defer t.Stop()
	from := time.Now()
	err := request()
	if !isLost(err) {
		c.counts.latency.Note(time.Since(from))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, path, err)
	}
	return nil
}

// children lists the names below path; with watch the server tells when they change or path is deleted.
func (c client) children(path string, watch bool) (names []string, stat *zk.Stat, err error) {
	err = c.do("list", path, func() (err error) {
		if watch {
			names, stat, _, err = c.link.conn.ChildrenW(path) // the notice comes to the mailbox
		} else {
			names, stat, err = c.link.conn.Children(path)
		}
		return err
	})
	return names, stat, err
}

// await has the server tell when path is created. It reports whether path exists already.
func (c client) await(path string) (exists bool, err error) {
	err = c.do("watch", path, func() (err error) {
		exists, _, _, err = c.link.conn.ExistsW(path)
		return err
	})
	return exists, err
}

func (c client) get(path string) (data []byte, stat *zk.Stat, err error) { return c.data(path, false) }

// data reads what is stored at path; with watch the server tells when that changes or path is deleted.
func (c client) data(path string, watch bool) (data []byte, stat *zk.Stat, err error) {
	err = c.do("read", path, func() (err error) {
		if watch {
			data, stat, _, err = c.link.conn.GetW(path) // the notice comes to the mailbox
		} else {
			data, stat, err = c.link.conn.Get(path)
		}
		return err
	})
	return data, stat, err
}

// stat returns what is known about path, nil when it does not exist.
func (c client) stat(path string) (stat *zk.Stat, err error) {
	err = c.do("look at", path, func() error {
		exists, st, err := c.link.conn.Exists(path)
		if err == nil && exists {
			stat = st
		}
		return err
	})
	return stat, err
}

// create makes an ephemeral node, and what is missing above it.
func (c client) create(path string, data []byte) error {
	create := func() error {
		return c.do("create", path, func() error {
			_, err := c.link.conn.Create(path, data, zk.FlagEphemeral, c.acl)
			return err
		})
	}
	err := create()
	if errors.Is(err, zk.ErrNoNode) {
		if err = c.makeParents(path); err == nil {
			err = create()
		}
	}
	return err
}

// makeParents makes the persistent, empty nodes above path that are missing.
func (c client) makeParents(path string) error {
	above := parents(path)
	// From below: usually only the last one or two are missing.
	missing := 0
	for i, p := range slices.Backward(above) {
		err := c.makePersistent(p)
		if errors.Is(err, zk.ErrNoNode) {
			missing = i
			continue
		}
		if err != nil {
			return err
		}
		missing = i + 1
		break
	}
	for _, p := range above[missing:] {
		if err := c.makePersistent(p); err != nil {
			return err
		}
	}
	return nil
}

// makePersistent makes one persistent, empty node; that it exists is no error.
func (c client) makePersistent(path string) error {
	return c.do("create", path, func() error {
		_, err := c.link.conn.Create(path, []byte{}, 0, c.acl)
		if errors.Is(err, zk.ErrNodeExists) {
			return nil
		}
		return err
	})
}

// replace makes an ephemeral node of ours in the place of the one that has that version, in one step: nobody sees the list
// without it.
func (c client) replace(path string, version int32, data []byte) error {
	return c.do("replace", path, func() error {
		results, err := c.link.conn.Multi(
			&zk.DeleteRequest{Path: path, Version: version},
			&zk.CreateRequest{Path: path, Data: data, Acl: c.acl, Flags: zk.FlagEphemeral},
		)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Error != nil {
				return r.Error
			}
		}
		return nil
	})
}

// remove deletes path in that version (-1: in any); that it does not exist is no error.
func (c client) remove(path string, version int32) error {
	return c.do("delete", path, func() error {
		err := c.link.conn.Delete(path, version)
		if errors.Is(err, zk.ErrNoNode) {
			return nil
		}
		return err
	})
}

// isLost reports whether err says that the connection or the session went away, which the next one will mend.
func isLost(err error) bool {
	for _, lost := range []error{
		zk.ErrConnectionClosed, zk.ErrNoServer, zk.ErrClosing, zk.ErrSessionExpired, zk.ErrSessionMoved,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}
