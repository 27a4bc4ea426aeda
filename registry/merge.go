package registry

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Merged is several registries as one: who is listed by any of them is listed; an address listed by several is taken from
// the one that was named first. A registry that has not told anything yet holds nobody up.
type Merged struct {
	registries []Registry
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
	f := NewFeed(s, update)
	var mu sync.Mutex // guards lists
	lists := make([][]Node, len(m.registries))
	for i, reg := range m.registries {
		err := reg.Watch(ctx, s, func(nodes []Node) {
			mu.Lock()
			defer mu.Unlock()
			lists[i] = nodes
			f.Put(union(lists))
		})
		if err != nil {
			cancel()
			return err
		}
	}
	go func() { // ends with the caller's ctx
		defer cancel()
		f.Run(ctx)
	}()
	return nil
}

// union returns the nodes of all lists, each address once, in order of address.
func union(lists [][]Node) []Node {
	var nodes []Node
	seen := make(map[string]bool)
	for _, list := range lists {
		for _, n := range list {
			if addr := n.Addr(); !seen[addr] {
				seen[addr] = true
				nodes = append(nodes, n)
			}
		}
	}
	return sortNodes(nodes)
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
	all := State{Kind: "merged", Connected: true}
	for _, reg := range m.registries {
		r, ok := As[Stater](reg)
		if !ok {
			continue
		}
		s := r.State()
		all.Connected = all.Connected && s.Connected
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
