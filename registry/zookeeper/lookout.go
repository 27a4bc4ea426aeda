package zookeeper

import (
	"log/slog"
	"time"

	"github.com/motand/motand/registry"
)

// fullEvery is how many readings without notice go by until one reads every entry again, to see what was written in place.
const fullEvery = 10

// lookout is one provider list that somebody watches. Its fields are guarded by Registry.mu.
type lookout struct {
	vigil

	place place
	dir   string
	feeds map[*registry.Feed]struct{}

	list   listing
	audits int
}

// begin returns how the list is to be read now, and notes that it is being read.
func (o *lookout) begin(now time.Time) reading {
	r := reading{
		service: registry.Service{Group: o.place.group, Path: o.place.path},
		dir:     o.dir,
		watch:   !o.armed,
		before:  o.list,
	}
	if !now.Before(o.auditAt) && !o.again {
		o.audits++
		r.full = o.audits%fullEvery == 0
	}
	o.dirty, o.busy = false, true
	return r
}

// finish takes what reading r brought, and hands it on. It reports whether a notice was lost.
func (o *lookout) finish(now time.Time, r reading, fired int, relist time.Duration, l listing, err error, log *slog.Logger) (lost bool) {
	if err != nil {
		o.failed(now, l.watched, fired, err)
		o.complain(log, err.Error())
		return false
	}
	changed := o.list.known && (l.created != o.list.created || l.cversion != o.list.cversion)
	lost = o.vigil.finish(now, fired, r.watch, changed, relist)
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
