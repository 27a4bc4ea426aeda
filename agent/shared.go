package agent

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// shared keeps what snapshots have in common: one value for each key, made for the first
// snapshot that asks and freed after the last one that holds it. The zero shared is ready.
type shared[T any] struct {
	mu    sync.Mutex
	items map[fingerprint]*item[T] // guarded by mu
}

// item is a value of a shared. Who has it from get or hold releases it once.
type item[T any] struct {
	value T
	owner *shared[T]
	key   fingerprint
	free  func() // nil: nothing to free
	users int    // guarded by owner.mu
}

// get returns the item of key and counts the caller as a user. The first user makes it: build
// returns the value and how to free it.
func (s *shared[T]) get(key fingerprint, build func() (T, func(), error)) (*item[T], error) {
	s.mu.Lock()
	x := s.items[key]
	if x != nil {
		x.users++
	}
	s.mu.Unlock()
	if x != nil {
		return x, nil
	}
	value, free, err := build() // not under the lock; only one snapshot is compiled at a time
	if err != nil {
		return nil, err
	}
	x = &item[T]{value: value, owner: s, key: key, free: free, users: 1}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = map[fingerprint]*item[T]{}
	}
	s.items[key] = x
	return x, nil
}

// hold counts another user of x, whom release takes away.
func (x *item[T]) hold() *item[T] {
	x.owner.mu.Lock()
	defer x.owner.mu.Unlock()
	x.users++
	return x
}

// release ends one use; the last one frees the value.
func (x *item[T]) release() {
	x.owner.mu.Lock()
	x.users--
	last := x.users == 0
	if last {
		delete(x.owner.items, x.key)
	}
	x.owner.mu.Unlock()
	if last && x.free != nil {
		x.free()
	}
}

// fingerprint is equal for what is configured equally.
type fingerprint [sha256.Size]byte

// fingerprintOf reads everything of the values that encoding/json sees.
func fingerprintOf(values ...any) (f fingerprint) {
	h := sha256.New()
	encoder := json.NewEncoder(h)
	for _, v := range values {
		if err := encoder.Encode(v); err != nil {
			panic(fmt.Sprintf("agent: %T has no fingerprint: %v", v, err)) // a programming error: its type cannot be encoded
		}
	}
	h.Sum(f[:0])
	return f
}

// attic keeps what was taken out of use for as long as calls may still go through it. The zero
// attic is ready.
type attic struct {
	mu      sync.Mutex
	waiting map[*time.Timer]func() // guarded by mu
	closed  bool                   // guarded by mu
}

// put calls free after the time, or when the attic is closed. After that it calls it at once.
func (a *attic) put(after time.Duration, free func()) {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		free()
		return
	}
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[*time.Timer]func(){}
	}
	var t *time.Timer
	t = time.AfterFunc(after, func() {
		a.mu.Lock()
		_, ok := a.waiting[t]
		delete(a.waiting, t)
		a.mu.Unlock()
		if ok {
			free()
		}
	})
	a.waiting[t] = free
}

// close frees everything at once.
func (a *attic) close() {
	a.mu.Lock()
	waiting := a.waiting
	a.waiting, a.closed = nil, true
	a.mu.Unlock()
	for t, free := range waiting {
		t.Stop()
		free()
	}
}
