package zookeeper

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
)

// order is the command of one scope that somebody watches (motan protocol, section 5.6). Its fields are guarded by
// Registry.mu.
type order struct {
	vigil

	scope registry.Scope
	path  string
	feeds map[*registry.TextFeed]struct{}
	last  value
}

// value is the data of a node as it was read last. It is a value: each reading makes a new one.
type value struct {
	known   bool
	created int64 // the transaction that created the node; 0 while it does not exist
	version int32 // how often it was written since
	text    string
	problem string // why the data is no text; text is empty then
	watched bool   // the server will tell of the next change
}

// orderOf returns the path of scope's command below chroot.
func orderOf(chroot string, scope registry.Scope) (string, error) {
	if err := scope.Check(); err != nil {
		return "", err
	}
	name, above, node := scope.Group, chroot+root, commandNode
	switch {
	case scope.Application != "":
		name, above = scope.Application, chroot+root+"/"+agentTree
	case scope.Config != "":
		name, above, node = scope.Config, chroot+root+"/"+agentTree, configNode
	}
	if err := checkSegment(name); err != nil {
		return "", fmt.Errorf("registry/zookeeper: watch command: %w", err)
	}
	return above + "/" + name + "/" + node, nil
}

// finish takes what a reading brought, and hands it on. It reports whether a notice was lost.
func (o *order) finish(now time.Time, watch bool, fired int, every time.Duration, v value, err error, log *slog.Logger) (lost bool) {
	if err != nil {
		o.failed(now, v.watched, fired, err)
		o.complain(log, err.Error())
		return false
	}
	changed := o.last.known && (v.created != o.last.created || v.version != o.last.version)
	lost = o.vigil.finish(now, fired, watch, changed, every)
	o.last = v
	o.complain(log, v.problem)
	for f := range o.feeds {
		f.Put(v.text)
	}
	return lost
}

// complain remembers what is wrong, and logs it unless it was wrong before.
func (o *order) complain(log *slog.Logger, problem string) {
	if problem != "" && problem != o.problem {
		log.Warn("registry/zookeeper: command", "path", o.path, "problem", problem)
	}
	o.problem = problem
}

// add has the feed served; it gets what is known at once.
func (o *order) add(f *registry.TextFeed) {
	o.feeds[f] = struct{}{}
	if o.last.known {
		f.Put(o.last.text)
	}
}

// value reads the node at path; with watch the server tells of the next change, also when that is the node's creation.
// Nothing is created: a command node that appears is noticed wherever its parents are (motan-go creates an empty one, and
// is blind where it cannot).
func (c client) value(path string, watch bool) (v value, err error) {
	data, stat, err := c.data(path, watch)
	v.watched = watch && err == nil
	if errors.Is(err, zk.ErrNoNode) && watch {
		var exists bool
		if exists, err = c.await(path); err != nil {
			return v, err
		}
		v.watched = true
		if !exists {
			return value{known: true, watched: true}, nil
		}
		data, stat, err = c.data(path, false) // it was created meanwhile; the watch is set already
	}
	if errors.Is(err, zk.ErrNoNode) {
		return value{known: true, watched: v.watched}, nil
	}
	if err != nil {
		return v, err
	}
	v.known, v.created, v.version = true, stat.Czxid, stat.Version
	v.text, v.problem = commandText(data)
	return v, nil
}

// commandText returns what data says, or why it says nothing.
func commandText(data []byte) (text, problem string) {
	if len(data) > registry.MaxCommandBytes {
		return "", fmt.Sprintf("it has %d bytes, more than the %d allowed, and counts as none", len(data), registry.MaxCommandBytes)
	}
	text, err := registry.DecodeText(data)
	if err != nil {
		return "", err.Error()
	}
	if !utf8.ValidString(text) {
		return "", "it is not UTF-8 and counts as none"
	}
	return text, ""
}
