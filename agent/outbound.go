package agent

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// routes finds the cluster for a call of a program on this host (Motan protocol, section 1.10).
// It is never changed once it is in use.
type routes struct {
	byService map[string][]*route
	described map[string]*httpbridge.Service // what HTTP in is told of each; see describe
	domains   map[string]*domain             // of http-client, by name in lower case
	web       *httpbridge.Domains            // the same for the HTTP server
	strict    bool                           // the group that a call names must be the refer's even when there is only one
}

// route is one refer.
type route struct {
	refer    *conf.Refer
	source   registry.Registry // of the nodes
	steering steering          // of the nodes to the cluster
	cluster  *cluster.Cluster
	crossing crossing       // to the cluster or elsewhere
	handler  motan.Handler  // the filters around the call, then crossing
	filters  []placedFilter // those of them that the configuration names
	fleet    *fleetWatch    // of all agents that refer to the service
	used     atomic.Int64   // when the last call came, give or take a second; see [motan.Now]
	heard    atomic.Bool    // something is known about the nodes
	first    chan struct{}  // closed with the first list of nodes
	cancel   func()         // ends the watch; nil before it began
}

// watch follows the nodes of the refer until ctx or cancel ends it. Once is enough.
func (r *route) watch(ctx context.Context) error {
	if r.cancel != nil {
		return nil
	}
	ctx, r.cancel = context.WithCancel(ctx)
	err := r.steering.start(ctx)
	if err == nil {
		err = r.crossing.start(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: refer %s: %w", r.refer.Position, r.refer.ID, err)
	}
	return nil
}

// find returns the route for the request, or why there is none. What the caller has written is
// cut short in the message.
func (r *routes) find(q *motan.Frame) (*route, *motan.Error) {
	service := q.Service()
	list := r.byService[string(service)]
	switch len(list) {
	case 0:
		return nil, notFound("cluster not found. cluster: cluster not found. service: %.256s", service)
	case 1:
		if r.strict && len(q.Group()) > 0 && !list[0].in(q.Group()) {
			return nil, notFound("cluster not found. cluster: service %.256s is referred to in group %s, not in %.256s", service, list[0].refer.Group, q.Group())
		}
		return list[0], nil
	}
	group := q.Group()
	if len(group) == 0 {
		return nil, motan.Errorf(motan.KindBadRequest, motan.CodeDefault, "cluster not found. cluster: service %.256s is referred to in several groups or versions, name the group (M_g)", service)
	}
	for _, x := range list {
		if x.in(group) && matches(q.Version(), x.refer.Version) && sameProtocol(q.Protocol(), x.refer.Protocol) {
			return x, nil
		}
	}
	return nil, notFound("cluster not found. cluster: no refer of service %.256s has group %.256s, version %.256s, protocol %.256s", service, group, q.Version(), q.Protocol())
}

// in tells whether the calls of a group are for r.
func (r *route) in(group []byte) bool {
	return string(group) == r.refer.Group ||
		r.refer.Spellings != nil && slices.ContainsFunc(r.refer.Spellings, func(s string) bool { return s == string(group) })
}

func notFound(format string, args ...any) *motan.Error {
	return motan.Errorf(motan.KindNotFound, motan.CodeDefault, format, args...)
}

// matches compares only what both sides name.
func matches(asked []byte, has string) bool {
	return len(asked) == 0 || has == "" || string(asked) == has
}

// sameProtocol tells whether a refer's protocol serves what the call wants: a motan2 refer
// takes motan as well.
func sameProtocol(asked []byte, has string) bool {
	return matches(asked, has) || has == "motan2" && string(asked) == "motan"
}

// outbound leads calls of programs on this host through the routes of the snapshot in use.
type outbound struct {
	routes *atomic.Pointer[routes]
	motan  bool // the calls come over Motan: peers expect host and M_rid of them
}

var _ motan.Handler = (*outbound)(nil)

// Handle completes the metadata as motan-go's agent does and hands the call to its route.
func (o *outbound) Handle(c *motan.Call) {
	q := &c.Request
	r, err := o.routes.Load().find(q)
	var d *domain
	if err != nil {
		if d = o.routes.Load().domainOf(q); d == nil {
			c.Fail(err)
			return
		}
	}
	if o.motan {
		if c.Remote != "" {
			q.Set("host", c.Remote)
		}
		if q.RequestID() == nil {
			q.SetInt("M_rid", int64(q.ID)) // signed, as the peers write it
		}
	}
	if d != nil {
		d.lead(c)
		return
	}
	if q.Source() == nil {
		if application := q.Get("application"); application != nil {
			q.SetBytes("M_s", application)
		} else {
			q.Set("M_s", r.refer.Application)
		}
	}
	r.lead(c)
}

// newRequestIDs returns a source of request ids in motan-go's form: the time of the start in
// the high bits, a count below. They are unique on a host as long as it makes less than a
// billion calls a second.
func newRequestIDs() func() int64 {
	var last atomic.Int64
	last.Store(time.Now().UnixNano() &^ (1<<20 - 1))
	return func() int64 { return last.Add(1) }
}
