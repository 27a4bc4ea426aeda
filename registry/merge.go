package registry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"unique"
)

// Merged is several registries as one: who is listed by any of them is listed; an address listed by several is taken from
// the one that was named first. A registry that has not told anything yet holds nobody up, and one that is lost takes only
// its own nodes with it, if any (see Cache). Changes that follow each other are handed on at most twice a second.
type Merged struct {
	registries []Registry
	feeds      Feeds
}

var (
	_ Registry = (*Merged)(nil)
	_ Stater   = (*Merged)(nil)
	_ Closer   = (*Merged)(nil)
)

// Merge returns registries as one, in order of precedence.
func Merge(registries ...Registry) *Merged {
	return &Merged{registries: registries}
}

// Watch implements Registry. When one of the registries refuses, all watches end and its error is returned.
func (m *Merged) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := m.feeds.Watch(ctx, s, update, nil)
	var mu sync.Mutex // guards lists
	lists := make([]packed, len(m.registries))
	// Each may tell at once what it remembers, and then what is so.
	p := &pace{burst: 2 * len(m.registries), pass: func() {
		mu.Lock()
		defer mu.Unlock()
		f.put(union(lists))
	}}
	context.AfterFunc(ctx, func() {
		cancel() // ctx, of which only its parent's end was known
		p.close()
	})
	for i, reg := range m.registries {
		err := watchPacked(ctx, reg, s, func(l packed) {
			mu.Lock()
			lists[i] = l
			mu.Unlock()
			p.poke()
		})
		if err != nil {
			cancel()
			return err
		}
	}
	return nil
}

// union returns the nodes of all lists, each address once, in order of address.
func union(lists []packed) packed {
	nodes := packed{}
	seen := make(map[unique.Handle[addr]]struct{})
	for _, list := range lists {
		for _, e := range list {
			if _, twice := seen[e.addr]; !twice {
				seen[e.addr] = struct{}{}
				nodes = append(nodes, e)
			}
		}
	}
	return nodes.sorted()
}

// Announce implements Registry: n is announced to all. The errors of those that refuse are joined.
func (m *Merged) Announce(ctx context.Context, n Node) error {
	var errs []error
	for _, reg := range m.registries {
		errs = append(errs, reg.Announce(ctx, n))
	}
	return errors.Join(errs...)
}

// Close implements Closer: all that can be closed are, at once.
func (m *Merged) Close(ctx context.Context) error {
	errs := make([]error, len(m.registries))
	var wg sync.WaitGroup
	for i, reg := range m.registries {
		if c, ok := As[Closer](reg); ok {
			wg.Go(func() { errs[i] = c.Close(ctx) }) // ends with ctx at the latest
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// State implements Stater: connected when all are, with the watches and announcements of all. LastError is the first
// registry's that has one.
func (m *Merged) State() State {
	all := State{Kind: "merged", Connected: true, Idle: true}
	for _, reg := range m.registries {
		r, ok := As[Stater](reg)
		if !ok {
			continue
		}
		s := r.State()
		all.Connected = all.Connected && s.Connected
		all.Idle = all.Idle && s.Idle
		all.Latency = max(all.Latency, s.Latency)
		all.Sessions += s.Sessions
		if all.LastError == "" {
			all.LastError = s.LastError
		}
		if s.Since.After(all.Since) {
			all.Since = s.Since
		}
		all.Watches = slices.Concat(all.Watches, s.Watches)
		all.Announced = slices.Concat(all.Announced, s.Announced)
	}
	all.Sort()
	return all
}
