// Package cluster turns the nodes of a service into one Handler: it chooses the node, tries
// another one where that is safe, and keeps the deadline. Retry and deadline live here and
// nowhere else.
//
// It does not find nodes (package registry does), and it does not know what happens to a call
// before it comes here or between two hosts. It prevents the failures of callers that keep
// using a dead node, that send a call twice which was not meant to be, and that wait longer
// than their caller does.
package cluster

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

const (
	safeTries = 4  // how many nodes a call is tried on when nothing of it was sent
	maxTries  = 16 // bounds the attempts of one call whatever is configured
	picks     = 3  // how often the balance is asked before the nodes are gone through in order
)

// Settings are what a cluster is built from.
type Settings struct {
	Service     string // M_p
	Group       string
	Version     string // told to providers where the caller names none; empty or 1.0: not told
	Application string // who calls, where the caller does not say

	Timeouts Timeouts
	Retries  int // further attempts when one has failed that may have been executed; all before it count
	Methods  map[string]Method
	Balance  Balance // nil means Random; not shared with another cluster
	Health   Health

	Connections      int // to each node
	MaxContentLength int
	ConnectTimeout   time.Duration
	GzipOver         int // mingzSize: request bodies of more bytes are compressed; 0 is never

	// Local means that the nodes are providers on this host: replies do not tell their address,
	// and requests carry M_g as the caller sent it.
	Local bool

	Pool     *Pool
	Attempts []motan.Filter // around each attempt
}

// Timeouts say how long a call may take. M_tmo of the caller counts between Min and Max.
type Timeouts struct{ Request, Min, Max time.Duration }

// Method is what a method has of its own, by "name(desc)".
type Method struct {
	Timeouts Timeouts
	Retries  int
}

// Cluster is the nodes of one service in one group as a Handler.
type Cluster struct {
	settings Settings
	attempt  motan.Handler // the filters around each attempt, then Call.Target
	measured bool          // the balance needs latencies and calls in flight
	picker   atomic.Pointer[picker]
	ward     ward
	refusal  atomic.Pointer[motan.Error] // see Refuse

	mu     sync.Mutex     // one update at a time
	gone   bool           // guarded by mu
	shares map[string]int // guarded by mu; see Share
}

// picker is the endpoints to choose from. It is never changed: an update makes another one.
type picker struct {
	endpoints []Endpoint
	choice    Choice // nil without endpoints
}

var (
	_ motan.Handler  = (*Cluster)(nil)
	_ motan.Returner = (*Cluster)(nil)
)

// New returns a cluster without nodes: calls fail until the first Update.
func New(s Settings) *Cluster {
	if s.Balance == nil {
		s.Balance = Random{}
	}
	k := &Cluster{settings: s, measured: measured(s.Balance)}
	k.attempt = motan.NewChain(motan.HandlerFunc(func(c *motan.Call) { c.Target.Handle(c) }), s.Attempts...)
	k.picker.Store(&picker{})
	return k
}

// key is under what the pool has the connections to addr.
func (k *Cluster) key(addr string) ClientKey {
	return ClientKey{
		Addr: addr, Connections: k.settings.Connections,
		MaxContentLength: k.settings.MaxContentLength, ConnectTimeout: k.settings.ConnectTimeout,
	}
}

// Close lets go of the nodes. Calls that still come in find none.
func (k *Cluster) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.gone {
		k.gone = true
		k.replace(nil)
	}
}

// Endpoints are the nodes of the moment.
func (k *Cluster) Endpoints() []*Endpoint {
	endpoints := k.picker.Load().endpoints
	all := make([]*Endpoint, len(endpoints))
	for i := range endpoints {
		all[i] = &endpoints[i]
	}
	return all
}

// Settings are what the cluster was built from.
func (k *Cluster) Settings() *Settings { return &k.settings }

// Refuse has every call end with err from now on; nil lets calls through again. It tells whether that is a change.
func (k *Cluster) Refuse(err *motan.Error) (changed bool) {
	return (k.refusal.Swap(err) == nil) != (err == nil)
}

// Refused tells whether calls are refused.
func (k *Cluster) Refused() bool { return k.refusal.Load() != nil }

// Handle decides the call's deadline and makes the first attempt.
func (k *Cluster) Handle(c *motan.Call) {
	if err := k.refusal.Load(); err != nil {
		c.Fail(err)
		return
	}
	deadline := c.Start + int64(k.timeout(c))
	if c.Deadline == 0 || deadline < c.Deadline {
		c.Deadline = deadline
	}
	k.prepare(c)
	k.try(c, 1)
}

// prepare completes the request's metadata as providers expect it of an agent.
func (k *Cluster) prepare(c *motan.Call) {
	if v := k.settings.Version; v != "" && v != "1.0" && c.Request.Version() == nil {
		c.Request.Set("M_v", v)
	}
	if k.settings.GzipOver > 0 {
		_ = c.Request.Deflate(k.settings.GzipOver) // on failure the plain body goes out
	}
}

// method returns the settings of the call's method, where it has any of its own.
func (k *Cluster) method(c *motan.Call) (Method, bool) {
	if len(k.settings.Methods) == 0 {
		return Method{}, false
	}
	name := make([]byte, 0, 128)
	name = append(name, c.Request.Method()...)
	name = append(name, '(')
	name = append(name, c.Request.MethodDesc()...)
	name = append(name, ')')
	m, ok := k.settings.Methods[string(name)]
	return m, ok
}

func (k *Cluster) timeout(c *motan.Call) time.Duration {
	t := k.settings.Timeouts
	if m, ok := k.method(c); ok {
		t = m.Timeouts
	}
	if asked := time.Duration(c.Request.TimeoutMillis()) * time.Millisecond; asked > 0 && asked >= t.Min && asked <= t.Max {
		return asked
	}
	return t.Request
}

// try makes attempt n, the first being 1. It is counted here and not by who sends: a filter may
// end an attempt before.
func (k *Cluster) try(c *motan.Call, n int) {
	p := k.picker.Load()
	if len(p.endpoints) == 0 {
		c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "No refers for request, service: %s, group: %s", k.settings.Service, k.settings.Group))
		return
	}
	c.AttemptStart = c.Now()
	e := p.choose(c, n)
	c.Endpoint, c.Target = e.Addr(), e
	if !k.settings.Local {
		d := e.Node()
		c.Group = d.Group
		c.Request.Set("M_g", d.called())
	}
	if k.measured {
		e.remember().inFlight.Add(1)
	}
	c.Push(k, n)
	k.attempt.Handle(c)
}

// choose returns the endpoint for attempt n. The first goes where the balance says; where it
// says one that cannot be used it is asked again, so that the neighbours of that endpoint do not get
// its share. Further attempts go on in order from the last one, so that no endpoint is tried twice
// before all were. Where there is no other, one is taken that is left out, or else one that is
// down: the call tells why it is.
func (p *picker) choose(c *motan.Call, n int) *Endpoint {
	all, now := p.endpoints, c.AttemptStart
	if len(all) == 1 {
		return &all[0]
	}
	from := 0
	if n > 1 {
		for i := range all {
			if all[i].Addr() == c.Endpoint {
				from = i + 1
			}
		}
	} else {
		for try := range picks {
			from = p.choice.Pick(c, try)
			if e := &all[from]; e.admit(now) {
				return e
			}
		}
	}
	for i := range all {
		if e := &all[(from+i)%len(all)]; e.admit(now) {
			return e
		}
	}
	for i := range all {
		if e := &all[(from+i)%len(all)]; e.Usable() {
			return e
		}
	}
	return &all[from%len(all)]
}

// Return ends the call, or tries again where that is safe and there is time.
func (k *Cluster) Return(c *motan.Call, n int) bool {
	k.learn(c)
	if k.again(c, n) {
		c.Retry()
		k.try(c, n+1)
		return false
	}
	if c.Endpoint != "" && !k.settings.Local {
		c.Reply.Set("x-forwarded-for", c.Endpoint)
	}
	if c.Err == nil && c.Reply.ProcessTime() == nil {
		c.Reply.SetInt("M_pt", (c.Now()-c.Start)/int64(time.Millisecond))
	}
	return true
}

// learn notes what the end of an attempt shows of the endpoint.
func (k *Cluster) learn(c *motan.Call) {
	e, ok := c.Target.(*Endpoint)
	if !ok {
		return
	}
	if k.measured {
		k.measure(c, e.remember())
	}
	if len(k.picker.Load().endpoints) > 1 {
		k.examine(c, e)
	}
}

// again decides whether the outcome of attempt n allows another one: always where nothing was
// sent or the node does not host the service, else as often as retries says, and never after
// an exception of the implementation's own.
func (k *Cluster) again(c *motan.Call, n int) bool {
	if n >= maxTries || c.Now() >= c.Deadline {
		return false
	}
	unsent := c.Err != nil && c.Err.Kind == motan.KindNotSent
	if c.Err == nil {
		if !c.Reply.Failed() {
			return false
		}
		x, _ := c.Reply.Exception()
		if x.Type == motan.TypeBiz {
			return false
		}
		unsent = x.Code == motan.CodeNotFound && strings.Contains(x.Message, motan.ProviderNotExist)
	}
	retries := k.settings.Retries
	if m, ok := k.method(c); ok {
		retries = m.Retries
	}
	if unsent {
		return n < min(len(k.picker.Load().endpoints), safeTries)+retries
	}
	retriable := c.Err == nil || c.Err.Kind == motan.KindBroken || c.Err.Kind == motan.KindTimeout
	return retriable && n <= retries
}
