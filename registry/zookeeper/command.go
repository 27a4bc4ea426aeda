package zookeeper

import (
	"context"
	"errors"
	"time"

	"github.com/motand/motand/registry"
)

// WatchCommand implements registry.Commander for the nodes /motan/<group>/command and /motan/agent/<application>/command.
// Nothing is created there: it works wherever the parents are missing, deleted, or made again.
func (r *Registry) WatchCommand(ctx context.Context, scope registry.Scope, update func(text string)) error {
	path, err := orderOf(r.address.chroot, scope)
	if err != nil {
		return err
	}
	if update == nil {
		return errors.New("registry/zookeeper: watch command: no receiver for updates")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return err
	}
	o := r.orders[path]
	if o == nil {
		o = &order{scope: scope, path: path, feeds: make(map[*registry.TextFeed]struct{}), vigil: r.newVigil(path)}
		r.orders[path] = o
	}
	f := registry.NewTextFeed(update)
	o.add(f)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.ctx, cancel)
	r.wg.Go(func() { // ends with the caller's ctx or with Close
		defer stop()
		defer cancel()
		f.Run(ctx)
		r.leaveOrder(o, f)
	})
	poke(r.wake)
	return nil
}

// leaveOrder ends the watch of a command; the text is forgotten with the last.
func (r *Registry) leaveOrder(o *order, f *registry.TextFeed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(o.feeds, f)
	if len(o.feeds) > 0 || r.orders[o.path] != o {
		return
	}
	delete(r.orders, o.path)
	r.keepWatch(o.path, &o.vigil)
}

// orderJob reads a command. The caller holds mu.
func (r *Registry) orderJob(c client, o *order) job {
	watch, fired := !o.armed, o.fired
	o.dirty, o.busy = false, true
	r.counts.readings++
	return func() func(time.Time) {
		v, err := c.value(o.path, watch)
		return func(now time.Time) {
			o.busy = false
			if c.id != r.session || c.link != r.link { // what it says of the watch is about another session
				o.dirty, o.armed = true, false
				return
			}
			if o.finish(now, watch, fired, r.options.Relist, v, err, r.options.Log) {
				r.counts.lost++
			}
			if r.orders[o.path] != o {
				r.keepWatch(o.path, &o.vigil)
			}
		}
	}
}
