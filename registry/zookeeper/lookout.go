package zookeeper

import (
	"log/slog"
	"time"

	"github.com/motand/motand/registry"
)

// fullEvery is how many readings without notice go by until one reads every entry again, to see what was written in place.
const fullEvery = 10

// afterArrival is when a list is read once more after a reconnect: the library restores the watches then, and one that
// fired in the meantime could be lost.
const afterArrival = 5 * time.Second

// lookout is one provider list that somebody watches. Its fields are guarded by Registry.mu.
type lookout struct {
	place place
	dir   string
	feeds map[*registry.Feed]struct{}

	list    listing
	dirty   bool // it has to be read
	busy    bool // it is being read
	armed   bool // the server will tell of the next change
	fired   int  // how often the server told
	pace    pace
	auditAt time.Time // when to read it without being told
	audits  int

	updated time.Time // when it was last read
	problem string
}

// begin returns how the list is to be read now, and notes that it is being read.
func (o *lookout) begin(now time.Time) reading {
	r := reading{
		service: registry.Service{Group: o.place.group, Path: o.place.path},
		dir:     o.dir,
		watch:   !o.armed,
		before:  o.list,
	}
	if !now.Before(o.auditAt) {
		o.audits++
		r.full = o.audits%fullEvery == 0
	}
	o.dirty, o.busy = false, true
	return r
}

// due returns when the list has to be read next, false while it is being read.
func (o *lookout) due() (time.Time, bool) {
	if o.dirty {
		return o.pace.notBefore, !o.busy
	}
	return later(o.auditAt, o.pace.notBefore), !o.busy
}

// notice takes the server's word that the list has changed. The watch is used up by that.
func (o *lookout) notice() {
	o.armed, o.dirty = false, true
	o.fired++
}

// arrive takes a new connection: in the same session watches live on, in a new one they do not.
func (o *lookout) arrive(now time.Time, newSession bool) {
	o.dirty = true
	o.pace.reset()
	if newSession {
		o.armed = false
	}
	o.auditAt = now.Add(about(afterArrival))
}

// finish takes what reading r brought, and hands it on. It reports whether a notice was lost.
func (o *lookout) finish(now time.Time, r reading, fired int, relist time.Duration, l listing, err error, log *slog.Logger) (lost bool) {
	if err != nil {
		o.dirty, o.armed = true, false
		o.pace.failed(now)
		o.complain(log, err.Error())
		return false
	}
	quiet := o.fired == fired
	switch {
	case r.watch:
		o.armed = quiet // a notice during the reading was this watch's
	case quiet && o.list.known && (l.created != o.list.created || l.cversion != o.list.cversion):
		// The server tells of a change before it shows it. It did not, so there is no watch any more.
		lost = true
		o.armed, o.dirty = false, true
	}
	o.pace.succeeded(now)
	o.auditAt = now.Add(about(relist))
	o.updated = now
	o.list = l
	nodes, problem := l.nodes()
	o.complain(log, problem)
	for f := range o.feeds {
		f.Put(nodes)
	}
	return lost
}

// complain remembers what is wrong, and logs it unless it was wrong before.
func (o *lookout) complain(log *slog.Logger, problem string) {
	if problem != "" && problem != o.problem {
		log.Warn("registry/zookeeper: provider list", "service", o.place.path, "group", o.place.group, "problem", problem)
	}
	o.problem = problem
}

// add has the feed served; it gets what is known at once.
func (o *lookout) add(f *registry.Feed) {
	o.feeds[f] = struct{}{}
	if o.list.known {
		nodes, _ := o.list.nodes()
		f.Put(nodes)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
