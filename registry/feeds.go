package registry

import (
	"context"
	"sync"
	"time"
)

// patience is how long a receiver may take before the others do not wait for it any more.
const patience = 10 * time.Millisecond

// Feeds are the feeds of one registry. An agent may watch ten thousand services and mostly nothing changes, so they have no
// goroutine each: one serves all that have something to hand over, and lives as long as there is any. A receiver that takes
// longer than 10 ms keeps that goroutine, and another one goes on with the others. The zero value is ready.
type Feeds struct {
	mu     sync.Mutex
	queue  []*Feed // guarded by mu: those that have something to hand over, the longest waiting first
	server *server // guarded by mu: the goroutine that takes from the queue; nil when there is none
	closed bool    // guarded by mu
	wg     sync.WaitGroup
}

// server is a goroutine that serves feeds.
type server struct {
	feeds  *Feeds
	relief *time.Timer // fires when a receiver takes too long
}

// Watch adds a feed for who looks for s until ctx ends. left, which may be nil, is called on a goroutine of its own then.
func (d *Feeds) Watch(ctx context.Context, s Service, update func([]Node), left func()) *Feed {
	return d.watch(ctx, s, unpacking(update), left)
}

// watch is Watch for a receiver that takes lists as they are kept.
func (d *Feeds) watch(ctx context.Context, s Service, update func(packed), left func()) *Feed {
	if left != nil {
		context.AfterFunc(ctx, left)
	}
	return &Feed{feeds: d, ctx: ctx, service: s, update: update}
}

// Close has nothing handed over any more, and waits for the receivers that are being told something.
func (d *Feeds) Close() {
	d.mu.Lock()
	d.closed, d.queue = true, nil
	d.mu.Unlock()
	d.wg.Wait()
}

// queueUp gives f a place in the queue unless it has one; a feed that has its turn gets one after that. Caller holds mu.
func (d *Feeds) queueUp(f *Feed) {
	if f.queued || d.closed {
		return
	}
	f.queued = true
	d.queue = append(d.queue, f)
	d.serve()
}

// serve starts a goroutine for the queue unless there is one. Caller holds mu.
func (d *Feeds) serve() {
	if d.server != nil {
		return
	}
	w := &server{feeds: d}
	d.server = w
	d.wg.Go(w.run) // ends when the queue is empty, or after the receiver that took too long
}

// run serves the queue until it is empty, or somebody else does.
func (w *server) run() {
	w.relief = time.AfterFunc(patience, w.relieve)
	for f := w.next(nil); f != nil; f = w.next(f) {
		w.relief.Reset(patience)
		f.turn()
		w.relief.Stop()
	}
	w.relief.Stop()
}

// next ends the turn of done, unless that is nil, and returns whose turn it is; nil means that w has to end.
func (w *server) next(done *Feed) *Feed {
	d := w.feeds
	d.mu.Lock()
	defer d.mu.Unlock()
	if done != nil {
		done.queued = false
		if done.fresh { // a newer list came meanwhile
			d.queueUp(done)
		}
	}
	if d.server != w {
		return nil
	}
	if len(d.queue) == 0 {
		d.server, d.queue = nil, nil
		return nil
	}
	f := d.queue[0]
	d.queue = d.queue[1:]
	return f
}

// relieve lets another goroutine go on with the queue, now or when there is something in it.
func (w *server) relieve() {
	d := w.feeds
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != w {
		return
	}
	d.server = nil
	if len(d.queue) > 0 {
		d.serve()
	}
}
