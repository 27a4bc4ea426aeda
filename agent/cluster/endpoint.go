package cluster

import (
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// Endpoint is a node of a service and our connections to it.
type Endpoint struct {
	Node   registry.Node
	addr   string
	key    ClientKey
	client *motan.Client
}

var _ motan.Handler = (*Endpoint)(nil)

// Addr is host:port as callers are told it in x-forwarded-for.
func (e *Endpoint) Addr() string { return e.addr }

// Handle sends c to the node.
func (e *Endpoint) Handle(c *motan.Call) { e.client.Handle(c) }

// Usable tells whether the node can be reached as far as is known.
func (e *Endpoint) Usable() bool { return e.client.Usable() }
