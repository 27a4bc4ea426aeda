package agent

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/meta"
)

// exports finds the provider on this host for a call from another one. It is never changed
// once it is in use. Several ports share it: which port a call came in by does not matter.
type exports struct {
	byService map[string][]*export
}

// export is one service in one group.
type export struct {
	service *conf.Service
	handler motan.Handler  // the filters, then the provider
	filters []placedFilter // those of them that the configuration names
	health  *health        // nil: the provider is not checked
	fleet   *fleetWatch    // of all agents that export the service
	used    bool           // calls may have come through it; set and read by whoever changes the configuration
	free    func()         // frees the provider; may be nil
}

func (e *export) close() {
	e.fleet.close()
	if e.free != nil {
		e.free()
	}
}

var _ motan.Returner = (*export)(nil)

// Return completes the reply: how long it took, and compressed where the service wants that.
func (e *export) Return(c *motan.Call, _ int) bool {
	if c.Err != nil {
		return true
	}
	if c.Reply.ProcessTime() == nil {
		c.Reply.SetInt("M_pt", (c.Now()-c.Start)/int64(time.Millisecond))
	}
	_ = c.Reply.Deflate(e.service.MingzSize) // on failure the plain body goes out
	return true
}

// with returns x and those of leaving whose service it does not have.
func (x *exports) with(leaving []leaver) *exports {
	if len(leaving) == 0 {
		return x
	}
	all := &exports{byService: maps.Clone(x.byService)}
	for _, l := range leaving {
		service := l.export.service
		same := func(e *export) bool { return e.service.Group == service.Group }
		if list := all.byService[service.Path]; !slices.ContainsFunc(list, same) {
			all.byService[service.Path] = append(slices.Clip(list), l.export)
		}
	}
	return all
}

func (x *exports) find(q *motan.Frame) *export {
	group := q.Group()
	if group == nil {
		group = q.Get("group") // as Java clients and Motan1 name it
	}
	for _, e := range x.byService[string(q.Service())] {
		if e.service.Group == string(group) {
			return e
		}
	}
	return nil
}

// inbound leads calls from other hosts to the providers here.
type inbound struct {
	exports  *atomic.Pointer[exports]
	metadata motan.Handler // of the agent: the one framework service; nil is none
	missing  atomic.Int64  // calls of services that are not here
}

var _ motan.Handler = (*inbound)(nil)

// Handle hands the call to the service's provider. The error for an absent service makes
// callers turn away from this node, so it is sent for nothing else.
func (i *inbound) Handle(c *motan.Call) {
	q := &c.Request
	if i.metadata != nil && meta.Asked(q) {
		i.metadata.Handle(c)
		return
	}
	if q.Framework() {
		c.Fail(motan.Errorf(motan.KindNotFound, motan.CodeUnsupported, meta.NotSupported))
		return
	}
	e := i.exports.Load().find(q)
	if e == nil {
		i.missing.Add(1)
		c.Fail(motan.Errorf(motan.KindNotFound, motan.CodeNotFound, "%s%.256s_%.256s", motan.ProviderNotExist, q.Group(), q.Service()))
		return
	}
	if c.Remote != "" {
		q.Set("host", c.Remote)
	}
	if q.RequestID() == nil {
		q.SetInt("M_rid", int64(q.ID)) // signed, as the peers write it
	}
	c.Service, c.Group = e.service.Path, e.service.Group
	c.Application = e.service.Application
	c.Push(e, 0)
	e.handler.Handle(c)
}
