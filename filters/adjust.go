package filters

import (
	"maps"
	"sync/atomic"
)

// Adjustable is a filter whose settings can be changed while calls pass it.
type Adjustable interface {
	// Adjust lays keys over those of the configuration, or takes back what was laid over them
	// where keys is empty. On an error, which is that of the constructor, nothing has changed.
	// What was laid over stays when a filter with the same state takes this one's place.
	Adjust(keys map[string]string) error
	// Adjusted are the keys that are laid over the configuration; nil where there are none. The
	// map is read only.
	Adjusted() map[string]string
}

// override is settings that were changed at run time. It is part of a filter's state.
type override[T any] struct{ now atomic.Pointer[overlay[T]] }

type overlay[T any] struct {
	keys     map[string]string
	settings *T
}

// knobs is the settings of a filter: immutable values, of which calls load the one in force.
type knobs[T any] struct {
	base map[string]string // of the configuration
	read func(*params) *T
	own  *T
	over *override[T]
}

// newKnobs reads the settings of a filter from its parameters.
func newKnobs[T any](s Settings, over *override[T], read func(*params) *T) (knobs[T], error) {
	p := params{text: s.Params}
	k := knobs[T]{base: s.Params, read: read, own: read(&p), over: over}
	return k, p.err()
}

// get is the settings in force.
func (k *knobs[T]) get() *T {
	if o := k.over.now.Load(); o != nil {
		return o.settings
	}
	return k.own
}

// Adjust is that of [Adjustable].
func (k *knobs[T]) Adjust(keys map[string]string) error {
	if len(keys) == 0 {
		k.over.now.Store(nil)
		return nil
	}
	text := make(map[string]string, len(k.base)+len(keys))
	maps.Copy(text, k.base)
	maps.Copy(text, keys)
	p := params{text: text}
	settings := k.read(&p)
	if err := p.err(); err != nil {
		return err
	}
	k.over.now.Store(&overlay[T]{keys: maps.Clone(keys), settings: settings})
	return nil
}

// Adjusted is that of [Adjustable].
func (k *knobs[T]) Adjusted() map[string]string {
	if o := k.over.now.Load(); o != nil {
		return o.keys
	}
	return nil
}
