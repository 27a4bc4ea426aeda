package zookeeper

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
)

const (
	// readers is how many nodes of one list are read at once.
	readers = 8
	// maxChildren bounds the nodes of one service; the largest seen has a few thousand.
	maxChildren = 20000
	// maxListBytes bounds the text of all nodes of one service together.
	maxListBytes = 32 << 20
)

// listing is the provider list of a service as it was read last. It is a value: each reading makes a new one.
type listing struct {
	known    bool
	created  int64 // the transaction that created the folder
	cversion int32 // how many children were ever created and deleted in it
	children map[string]child
	problem  string // what is wrong with the list as a whole
	watched  bool   // the server will tell of the next change; set also where the reading failed after that
}

// child is one entry of a list.
type child struct {
	node    registry.Node
	bytes   int
	problem string // why the entry cannot be used; empty when it can
}

// reading says how a list is to be read.
type reading struct {
	service registry.Service // group and path
	dir     string
	watch   bool    // have the server tell of the next change
	full    bool    // read every entry, also those that cannot have changed
	before  listing // what was read before
}

// read lists dir and reads the entries that may have changed. A folder that does not exist is created, because motan-go
// consumers never find one that appears after they asked (motan protocol, section 9.4); where that is forbidden, its
// creation is awaited.
func (c client) read(r reading) (listing, error) {
	names, stat, err := c.children(r.dir, r.watch)
	if errors.Is(err, zk.ErrNoNode) {
		names, stat, err = c.readMissing(r)
	}
	if err != nil {
		return listing{}, err
	}
	l := listing{
		known: true, created: stat.Czxid, cversion: stat.Cversion, children: make(map[string]child, len(names)), watched: r.watch,
	}
	slices.Sort(names)
	if len(names) > maxChildren {
		l.problem = fmt.Sprintf("%d entries are more than the %d allowed; the rest is ignored", len(names), maxChildren)
		names = names[:maxChildren]
	}
	wanted := names
	if !r.full && r.before.covers(stat, names) {
		wanted = nil
		for _, name := range names {
			if old, ok := r.before.children[name]; ok {
				l.children[name] = old
			} else {
				wanted = append(wanted, name)
			}
		}
	}
	if err := c.readEntries(r, wanted, l.children); err != nil {
		return listing{watched: r.watch}, err
	}
	l.limit(names)
	return l, nil
}

// readMissing makes the folder and lists it, or awaits its creation.
func (c client) readMissing(r reading) ([]string, *zk.Stat, error) {
	err := c.makeParents(r.dir + "/")
	if err == nil {
		return c.children(r.dir, r.watch)
	}
	if !r.watch && r.before.known && r.before.created == 0 && !isLost(err) {
		return nil, &zk.Stat{}, nil // its creation is awaited already
	}
	if isLost(err) || !r.watch {
		return nil, nil, err
	}
	if exists, waitErr := c.await(r.dir); waitErr != nil || exists {
		return nil, nil, errors.Join(err, waitErr)
	}
	return nil, &zk.Stat{}, nil
}

// covers reports that a child of the same name as before is the same node: the folder is the same, and the names that came
// and went account for all that was created and deleted in it. (Entries are replaced by deleting and creating them; who
// writes into one in place is noticed at the next full reading.)
func (l listing) covers(stat *zk.Stat, names []string) bool {
	if !l.known || l.created != stat.Czxid || len(l.children) > maxChildren {
		return false
	}
	stayed := int32(0)
	for _, name := range names {
		if _, ok := l.children[name]; ok {
			stayed++
		}
	}
	came, went := int32(len(names))-stayed, int32(len(l.children))-stayed
	return stat.Cversion-l.cversion == came+went
}

// readEntries reads names into children, several at once. One that vanished meanwhile is left out: the notice of that is
// on its way.
func (c client) readEntries(r reading, names []string, children map[string]child) error {
	var (
		mu    sync.Mutex // guards children, fail and next
		fail  error
		next  int
		group sync.WaitGroup
	)
	for range min(readers, len(names)) {
		group.Go(func() { // ends when all names are taken, or one request fails
			for {
				mu.Lock()
				if fail != nil || next == len(names) {
					mu.Unlock()
					return
				}
				name := names[next]
				next++
				mu.Unlock()
				entry, there, err := c.readEntry(r, name)
				mu.Lock()
				switch {
				case err != nil:
					fail = err
				case there:
					children[name] = entry
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return fail
}

// readEntry reads one entry. An error means that the list cannot be read now; what is wrong with the entry alone is told in
// it.
func (c client) readEntry(r reading, name string) (entry child, there bool, err error) {
	data, _, err := c.get(r.dir + "/" + name)
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return child{}, false, nil
	case err != nil && isLost(err):
		return child{}, false, err
	case err != nil:
		return child{problem: err.Error()}, true, nil
	}
	text, err := registry.DecodeText(data)
	if err == nil {
		entry.node, err = registry.ParseNode(r.service, name, text)
	}
	if err != nil {
		return child{problem: err.Error()}, true, nil
	}
	entry.node.Available = true
	entry.bytes = len(data)
	return entry, true, nil
}

// limit drops what is beyond maxListBytes.
func (l *listing) limit(names []string) {
	sum := 0
	for _, name := range names {
		entry, ok := l.children[name]
		if !ok {
			continue
		}
		if sum += entry.bytes; sum > maxListBytes {
			l.problem = fmt.Sprintf("the entries have more than %d bytes together; the rest is ignored", maxListBytes)
			l.children[name] = child{problem: "beyond the limit of the list"}
		}
	}
}

// nodes returns the usable nodes, each address once, in order of their names, and what is wrong with the others.
func (l listing) nodes() (nodes []registry.Node, problem string) {
	names := make([]string, 0, len(l.children))
	for name := range l.children {
		names = append(names, name)
	}
	slices.Sort(names)
	seen := make(map[string]bool, len(names))
	bad, first := 0, ""
	for _, name := range names {
		entry := l.children[name]
		if entry.problem != "" {
			if bad++; first == "" {
				first = fmt.Sprintf("%.100q: %s", name, entry.problem)
			}
			continue
		}
		if addr := entry.node.Addr(); !seen[addr] {
			seen[addr] = true
			nodes = append(nodes, entry.node)
		}
	}
	problem = l.problem
	if bad > 0 {
		problem = fmt.Sprintf("%d of %d entries ignored, the first being %s", bad, len(names), first)
	}
	return nodes, problem
}
