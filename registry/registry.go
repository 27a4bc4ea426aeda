// Package registry says who serves a Motan service, and tells others what we serve.
//
// It holds the interface that the agent is built on, the URL text that Motan registries keep, the on-disk cache, and
// the registries that need no server: Static, Direct, File and Local. Registries that do are packages beside it.
// A registry of another kind is a package beside it. Its Watch and Announce check their arguments, note what is wanted and
// return; goroutines that end with Close bring it about and begin again whatever happens. Feeds hand out the lists, so that a
// slow receiver delays only itself; ParseNode and Node.Text read and write what is stored. Closer, Stater and Browser are
// abilities to add where they make sense. Cached does the remembering. Its tests run registrytest.Run.
//
// It does not connect to providers, choose between them, or check that they are alive.
//
// The failure it prevents: a caller that knows nobody because the registry is slow, gone, or has told nonsense.
package registry

import (
	"context"
	"strconv"
	"strings"
)

// Service names what is looked for or offered. Version and Protocol may be empty, which means any.
type Service struct {
	Group    string
	Path     string
	Version  string
	Protocol string
}

// Node is one provider of a service as the registry tells it. It is a value: neither it nor its Params are changed
// after it was handed over.
type Node struct {
	Service
	Host      string            // an IP (v6 without brackets), a name, or "unix:///path"
	Port      int               // 0 for a unix socket
	Params    map[string]string // nil when there are none; all parameters of the URL except group
	Available bool              // listed under server (true) or unavailableServer (false)
}

// Addr returns the address that n is dialled at: "host:port", "[v6]:port", or the host alone when it is "unix:///path".
func (n Node) Addr() string {
	if strings.HasPrefix(n.Host, unixScheme) {
		return n.Host
	}
	return string(n.AppendAddr(make([]byte, 0, len(n.Host)+8)))
}

// AppendAddr appends what Addr returns to dst and returns the extended slice.
func (n Node) AppendAddr(dst []byte) []byte {
	switch {
	case strings.HasPrefix(n.Host, unixScheme):
		return append(dst, n.Host...)
	case strings.Contains(n.Host, ":"):
		dst = append(append(append(dst, '['), n.Host...), ']')
	default:
		dst = append(dst, n.Host...)
	}
	return strconv.AppendInt(append(dst, ':'), int64(n.Port), 10)
}

// NodeKey tells nodes apart: what is announced again under the same key replaces what was announced before.
type NodeKey struct {
	Group string
	Path  string
	Host  string
	Port  int
}

// Key returns what tells n apart from other nodes.
func (n Node) Key() NodeKey {
	return NodeKey{Group: n.Group, Path: n.Path, Host: n.Host, Port: n.Port}
}

// Registry tells who serves a service, and says that we do. Its methods may be called at once from any goroutine.
type Registry interface {
	// Watch calls update with the full list of available nodes whenever it changes, first as soon as it is known, until
	// ctx ends. It returns at once; updates come one at a time from a goroutine of the registry's; the slice is the
	// receiver's to keep. A registry that cannot be reached is not an error: update is simply not called. An error says
	// that the watch can never work.
	Watch(ctx context.Context, s Service, update func([]Node)) error

	// Announce says that n is served (n.Available: for callers to see; else registered but not available) until ctx
	// ends, then withdraws it. It returns at once. Announcing the same node (same Service.Group, Path, Host, Port) again
	// replaces what was said, and the older ctx no longer matters.
	Announce(ctx context.Context, n Node) error
}

// Closer is an optional ability of a Registry: to end its session.
type Closer interface {
	// Close ends the registry's session, so that everything announced vanishes at once, and waits for that until ctx
	// ends. Watches learn nothing new afterwards, except that an update already on its way may still come. Announce and
	// Watch return ErrClosed.
	Close(ctx context.Context) error
}

// Yielder is an optional ability of a Registry with a session: to let another process take over what it has announced,
// without its ever being gone.
type Yielder interface {
	// Yield leaves what was announced as it is: from its return on nothing of it is written, repaired or withdrawn before
	// Keep. Another process may announce the same, with a session of its own; then Close takes away only what it has not
	// announced. Yield returns ctx's error where a writing under way did not end before ctx did.
	Yield(ctx context.Context) error

	// Keep looks after what was announced as before, and at all of it at once.
	Keep()
}

// Inheritor is an optional ability of a Registry with a session: to come after another process.
type Inheritor interface {
	// Inherit has what was announced in a session of another process, as State has named it, taken for what an older session
	// of this registry has announced: copies take the place of its copies. It is called before anything is announced.
	Inherit(session string) error
}

// Unwrapper is an optional ability of a Registry that stands in front of another: to give the one behind it.
type Unwrapper interface {
	Unwrap() Registry
}

// As returns the ability T of reg, or of the first registry behind it that has it.
func As[T any](reg Registry) (T, bool) {
	for reg != nil {
		if t, ok := reg.(T); ok {
			return t, true
		}
		u, ok := reg.(Unwrapper)
		if !ok {
			break
		}
		reg = u.Unwrap()
	}
	var none T
	return none, false
}
