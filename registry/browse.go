package registry

import (
	"context"
	"time"
)

// Browser is an optional ability of a Registry: to let an operator look through what it holds. Each method asks the
// registry, waits until it can be reached, and gives up when ctx ends.
type Browser interface {
	// Groups returns the names of all groups, in order.
	Groups(ctx context.Context) ([]string, error)
	// Services returns the names of the services of a group, in order.
	Services(ctx context.Context, group string) ([]string, error)
	// Entries returns everything that is registered for a service, whether callers see it or not, by kind and name.
	Entries(ctx context.Context, group, service string) ([]Entry, error)
}

// Entry is one entry of a service as the registry holds it. It is a value.
type Entry struct {
	Kind     string    `json:"kind"`              // "server" (callers see it), "unavailableServer", "client"
	Name     string    `json:"name"`              // usually host:port
	Text     string    `json:"text,omitempty"`    // the node's URL, read from whatever form it is stored in
	Node     Node      `json:"-"`                 // what the text says; Available as Kind says
	Problem  string    `json:"problem,omitempty"` // why callers cannot use it; empty when they can
	Session  string    `json:"session,omitempty"` // with whose end it vanishes; empty when it stays
	Modified time.Time `json:"modified,omitzero"` // when it was last written
}

// CallerCounter is an optional ability of a Registry: to tell how many call a service.
type CallerCounter interface {
	// Callers returns how many show themselves as callers of the service in the group, this process included where it watches
	// the service. It asks the registry, waits until that can be reached, and gives up when ctx ends.
	Callers(ctx context.Context, group, service string) (int, error)
}
