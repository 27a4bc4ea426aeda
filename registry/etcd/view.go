package etcd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry"
)

const (
	// pageSize is how many entries are read with one request.
	pageSize = 500
	// maxEntries bounds the nodes of one service; the largest seen has a few thousand.
	maxEntries = 20000
	// maxListBytes bounds the text of all nodes of one service together.
	maxListBytes = 32 << 20
)

// view is a provider list as it stands at a revision. It belongs to the goroutine that follows the list.
type view struct {
	service  registry.Service // group and path
	prefix   string
	epoch    int // of the link that it was read from
	revision int64
	entries  map[string]entry // by the key without prefix
	bytes    int
	over     int64 // how many entries are beyond the limits
}

// entry is one entry of a list.
type entry struct {
	node     registry.Node
	problem  string // why it cannot be used; empty when it can
	bytes    int
	modified int64 // the revision
}

// readView reads a list as it is at one revision, page by page.
func readView(ctx context.Context, l *link, o *list, r *Options) (*view, error) {
	v := &view{
		service: registry.Service{Group: o.place.group, Path: o.place.path}, prefix: o.prefix,
		epoch: l.epoch, entries: make(map[string]entry),
	}
	from, end := o.prefix, clientv3.GetPrefixRangeEnd(o.prefix)
	for {
		options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(v.revision)}
		call, cancel := context.WithTimeout(ctx, r.CallTimeout)
		answer, err := l.client.Get(call, from, options...)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("read the list: %w", err)
		}
		if v.revision == 0 {
			v.revision = answer.Header.Revision
		}
		for _, kv := range answer.Kvs {
			v.put(kv)
		}
		if !answer.More || len(answer.Kvs) == 0 {
			return v, nil
		}
		if v.over > 0 {
			v.over += answer.Count - int64(len(answer.Kvs))
			return v, nil
		}
		from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
	}
}

// apply takes changes in the order in which they were made, and reports whether there was one that v did not have.
func (v *view) apply(events []*clientv3.Event) (changed bool) {
	since := v.revision
	for _, e := range events {
		if e.Kv.ModRevision <= since {
			continue
		}
		if e.Type == clientv3.EventTypeDelete {
			v.remove(strings.TrimPrefix(string(e.Kv.Key), v.prefix))
		} else {
			v.put(e.Kv)
		}
		v.revision, changed = e.Kv.ModRevision, true
	}
	return changed
}

func (v *view) remove(name string) {
	v.bytes -= v.entries[name].bytes
	delete(v.entries, name)
}

// put takes an entry, which spoils nothing but itself.
func (v *view) put(kv *mvccpb.KeyValue) {
	name := strings.TrimPrefix(string(kv.Key), v.prefix)
	v.remove(name)
	if len(v.entries) >= maxEntries || v.bytes+len(kv.Value) > maxListBytes {
		v.over++
		return
	}
	e := entry{bytes: len(kv.Value), modified: kv.ModRevision}
	text, err := registry.DecodeText(kv.Value)
	if err == nil {
		e.node, err = registry.ParseNode(v.service, name, text)
	}
	if err != nil {
		e.node, e.problem = registry.Node{}, err.Error()
	}
	e.node.Available = true
	v.entries[name] = e
	v.bytes += e.bytes
}

// holds reports whether count entries, the newest written at revision modified, can be those of v: whatever else changed
// would have changed one of the two.
func (v *view) holds(count, modified int64) bool {
	newest := int64(0)
	for _, e := range v.entries {
		newest = max(newest, e.modified)
	}
	return v.over == 0 && count == int64(len(v.entries)) && modified == newest
}

// nodes returns the usable nodes, each address once, in order of their names, and what is wrong with the others.
func (v *view) nodes() (nodes []registry.Node, problem string) {
	names := make([]string, 0, len(v.entries))
	for name := range v.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	seen := make(map[string]bool, len(names))
	bad, first := 0, ""
	for _, name := range names {
		e := v.entries[name]
		if e.problem != "" {
			if bad++; first == "" {
				first = fmt.Sprintf("%.100q: %s", name, e.problem)
			}
			continue
		}
		if addr := e.node.Addr(); !seen[addr] {
			seen[addr] = true
			nodes = append(nodes, e.node)
		}
	}
	switch {
	case v.over > 0:
		problem = fmt.Sprintf("%d entries are beyond the %d entries or %d bytes allowed, and ignored", v.over, maxEntries, maxListBytes)
	case bad > 0:
		problem = fmt.Sprintf("%d of %d entries ignored, the first being %s", bad, len(names), first)
	}
	return nodes, problem
}
