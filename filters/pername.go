package filters

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// perName is a T for each of a bounded set of names: nodes, callers. Names that came when it
// was full share one T. It grows by copying, so that reading takes no lock.
type perName[T any] struct {
	all   atomic.Pointer[map[string]*T]
	other T

	mu     sync.Mutex // one change at a time
	pruned int64      // guarded by mu; when room was last looked for
}

const (
	maxNames     = 2000
	maxNameBytes = 256
	prunePause   = 1e9 // at most once a second
)

// of returns the T of a name. Where there is no room, those that are idle, which must be as
// good as new, make place.
func of[T any, N string | []byte](p *perName[T], name N, idle func(*T) bool) *T {
	if all := p.all.Load(); all != nil {
		if t := (*all)[string(name)]; t != nil {
			return t
		}
	}
	if len(name) > maxNameBytes {
		return &p.other
	}
	return p.add(string(name), idle)
}

func (p *perName[T]) add(name string, idle func(*T) bool) *T {
	p.mu.Lock()
	defer p.mu.Unlock()
	var old map[string]*T
	if all := p.all.Load(); all != nil {
		old = *all
	}
	if t := old[name]; t != nil {
		return t
	}
	next := old
	if len(old) >= maxNames {
		now := motan.Now()
		if p.pruned != 0 && now-p.pruned < prunePause || !idle(&p.other) {
			return &p.other
		}
		p.pruned = now
		next = make(map[string]*T, len(old))
		for name, t := range old {
			if !idle(t) {
				next[name] = t
			}
		}
		if len(next) >= maxNames {
			return &p.other
		}
	} else if next = maps.Clone(old); next == nil {
		next = make(map[string]*T)
	}
	t := new(T)
	next[name] = t
	p.all.Store(&next)
	return t
}

// each calls f with the name and the T of all; the shared one has no name.
func (p *perName[T]) each(f func(name string, t *T)) {
	f("", &p.other)
	if all := p.all.Load(); all != nil {
		for name, t := range *all {
			f(name, t)
		}
	}
}
