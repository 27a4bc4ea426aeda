package registry

import (
	"context"
	"maps"
	"reflect"
)

// Feed hands the lists of one watch to its receiver: one at a time, the latest only, and only those that differ from the
// one before. It is made by Feeds.Watch and ends with its context.
type Feed struct {
	feeds   *Feeds
	ctx     context.Context // ends the feed
	service Service
	update  func(packed)

	// Guarded by Feeds.mu:
	next   packed // what is handed over next
	last   packed // what was handed over last
	fresh  bool   // next is new
	queued bool   // it has its place in the queue, or its turn
	given  bool   // something was handed over, if only an empty list
}

// Put replaces the list. Nodes that the service does not accept are left out. It never blocks; nodes is not kept.
func (f *Feed) Put(nodes []Node) { f.put(pack(nodes)) }

// put is Put for a list that is packed already.
func (f *Feed) put(l packed) {
	l = l.accepted(f.service)
	f.feeds.mu.Lock()
	defer f.feeds.mu.Unlock()
	if f.given && !f.fresh && f.last.equal(l) {
		return
	}
	f.next, f.fresh = l, true
	f.feeds.queueUp(f)
}

// Len returns the length of the list that was handed over last.
func (f *Feed) Len() int {
	f.feeds.mu.Lock()
	defer f.feeds.mu.Unlock()
	return len(f.last)
}

// turn hands over what there is. It is called without Feeds.mu, by one goroutine at a time.
func (f *Feed) turn() {
	f.feeds.mu.Lock()
	l, news := f.next, f.fresh && !(f.given && f.last.equal(f.next))
	f.next, f.fresh = nil, false
	if news && f.ctx.Err() == nil {
		f.last, f.given = l, true
	} else {
		news = false
	}
	f.feeds.mu.Unlock()
	if news {
		f.update(l)
	}
}

// sameNode reports whether a and b say the same.
func sameNode(a, b Node) bool {
	return a.Service == b.Service && a.Host == b.Host && a.Port == b.Port && a.Available == b.Available &&
		SameParams(a.Params, b.Params)
}

// SameParams reports whether a and b hold the same, at once where they are the same map, as those of neighbours are that
// were handed over.
func SameParams(a, b map[string]string) bool {
	return len(a) == len(b) && (reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() || maps.Equal(a, b))
}
