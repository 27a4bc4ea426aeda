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
	Strategy Strategy
	Retries  int     // further attempts when one has failed that may have been executed; all before it count
	Once     bool    // calls that may have been executed are not sent again, whatever Retries says
	Backup   *Backup // where Strategy is BackupRequest; nil is never
	Methods  map[string]Method
	Budget   Budget
	Balance  Balance // nil means Random; not shared with another cluster
	Health   Health
	Weights  Weights
	// Placement says which nodes are used, and which first; nil is all alike.
	Placement *Placement
	// SlowStart is how long a node that comes, or comes back after it was left out, gets fewer calls than the others: their
	// number grows from a tenth. 0 is not.
	SlowStart time.Duration

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
	Once     bool
	Backup   *Backup
}

// Cluster is the nodes of one service in one group as a Handler.
type Cluster struct {
	settings Settings
	attempt  motan.Handler // the filters around each attempt, then Call.Target
	measured bool          // the balance needs latencies and calls in flight
	picker   atomic.Pointer[picker]
	ward     ward
	nurses   nurse
	budget   *purse                      // nil where nothing is sent again, or without a bound
	races    *races                      // nil where no backup requests are made
	weigher  *weigher                    // nil where nobody is asked for weights
	counts   atomic.Pointer[counts]      // nil while there is nothing to count
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
	k := &Cluster{settings: s, measured: measured(s.Balance) || s.Placement != nil && s.Placement.Full > 0}
	again := k.whole().repeats()
	for _, m := range s.Methods {
		again = again || m.repeats()
	}
	if again && s.Budget != (Budget{}) && s.Strategy != FailFast {
		k.budget = newPurse(s.Budget)
	}
	if again && s.Strategy == BackupRequest {
		k.races = newRaces(k)
	}
	if weighs(s.Balance) && s.Weights.Every > 0 {
		k.weigher = &weigher{cluster: k, weights: s.Weights}
	}
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
	if k.races != nil {
		k.races.close()
	}
	if k.weigher != nil {
		k.weigher.close()
	}
	k.nurses.close()
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

// Handle decides the call's deadline and makes the first attempt. A call whose time is over already is refused.
func (k *Cluster) Handle(c *motan.Call) {
	if err := k.refusal.Load(); err != nil {
		c.Fail(err)
		return
	}
	m := k.method(c)
	deadline := c.Start + int64(m.Timeouts.of(c))
	if c.Deadline == 0 || deadline < c.Deadline {
		c.Deadline = deadline
	}
	if c.Now() >= c.Deadline {
		k.count().expired.Add(1)
		c.Fail(errExpired)
		return
	}
	k.prepare(c)
	if k.budget != nil {
		k.budget.deposit(c.Now())
	}
	if k.races != nil && m.repeats() {
		k.races.begin(c, m)
		return
	}
	k.try(c, 1)
}

var errExpired = motan.Errorf(motan.KindTimeout, motan.CodeDefault, "the time for the call was over before it was sent")

// prepare completes the request's metadata as providers expect it of an agent.
func (k *Cluster) prepare(c *motan.Call) {
	if v := k.settings.Version; v != "" && v != "1.0" && c.Request.Version() == nil {
		c.Request.Set("M_v", v)
	}
	if k.settings.GzipOver > 0 {
		_ = c.Request.Deflate(k.settings.GzipOver) // on failure the plain body goes out
	}
}

// method returns the settings of the call's method.
func (k *Cluster) method(c *motan.Call) Method {
	if own := k.settings.Methods; len(own) > 0 {
		if m, ok := own[string(appendMethod(make([]byte, 0, 128), &c.Request))]; ok {
			return m
		}
	}
	return k.whole()
}

// whole returns the settings of methods that have none of their own.
func (k *Cluster) whole() Method {
	s := &k.settings
	return Method{Timeouts: s.Timeouts, Retries: s.Retries, Once: s.Once, Backup: s.Backup}
}

// appendMethod appends the name under which the method of q has settings.
func appendMethod(dst []byte, q *motan.Frame) []byte {
	dst = append(dst, q.Method()...)
	dst = append(dst, '(')
	dst = append(dst, q.MethodDesc()...)
	return append(dst, ')')
}

// of is how long the call may take.
func (t Timeouts) of(c *motan.Call) time.Duration {
	if asked := time.Duration(c.Request.TimeoutMillis()) * time.Millisecond; asked > 0 && asked >= t.Min && asked <= t.Max {
		return asked
	}
	return t.Request
}

// try makes attempt n, the first being 1. It is counted here and not by who sends: a filter may
// end an attempt before.
func (k *Cluster) try(c *motan.Call, n int) {
	e, err := k.aim(c, n)
	if err != nil {
		c.Fail(err)
		return
	}
	c.Target = e
	c.Push(k, n)
	k.attempt.Handle(c)
}

// aim chooses the endpoint for attempt n and completes the call for it.
func (k *Cluster) aim(c *motan.Call, n int) (*Endpoint, *motan.Error) {
	p := k.picker.Load()
	if len(p.endpoints) == 0 {
		return nil, motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "No refers for request, service: %s, group: %s", k.settings.Service, k.settings.Group)
	}
	passOn(c)
	e := k.choose(p, c, n)
	c.Endpoint = e.Addr()
	if !k.settings.Local {
		d := e.Node()
		c.Group = d.Group
		c.Request.Set("M_g", d.called())
	}
	if k.measured {
		e.remember().inFlight.Add(1)
	}
	return e, nil
}

// passOn begins an attempt: where the caller has told how long it waits, the next hop is told how much of that is left.
func passOn(c *motan.Call) {
	now, before := c.Now(), c.AttemptStart
	c.AttemptStart = now
	asked := int64(c.Request.TimeoutMillis())
	if asked == 0 {
		return
	}
	const ms = int64(time.Millisecond)
	left := max(min(asked-(now-before)/ms, (c.Deadline-now+ms-1)/ms), 1)
	if left != asked {
		c.Request.SetInt("M_tmo", left)
	}
}

// choose returns the endpoint for attempt n. The first goes where the balance says; where it
// says one that cannot be used, or that the call is at already, it is asked again, so that the neighbours of that endpoint
// do not get its share. Further attempts go on in order from the last one, so that no endpoint is tried twice
// before all were. Where there is no other, one is taken that is left out, or else one that is
// down: the call tells why it is.
func (k *Cluster) choose(p *picker, c *motan.Call, n int) *Endpoint {
	all, now := p.endpoints, c.AttemptStart
	panics := k.ward.panics.Load()
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
			e := &all[from]
			if e.Addr() != c.Endpoint && (k.settings.SlowStart == 0 || try == picks-1 || k.warm(e, now)) && e.admit(now, panics) {
				return e
			}
		}
		if all[from].Addr() == c.Endpoint {
			from++
		}
	}
	for i := range all {
		if e := &all[(from+i)%len(all)]; e.admit(now, panics) {
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
	if e, ok := c.Target.(*Endpoint); ok {
		k.learn(c, e)
	}
	if k.again(c, n) {
		forget(c)
		k.try(c, n+1)
		return false
	}
	k.finish(c)
	return true
}

// forget has c ready for another attempt.
func forget(c *motan.Call) {
	c.Reached = c.Reached || c.Err == nil || c.Err.Kind != motan.KindNotSent
	c.Retry()
}

// finish completes the reply, or what there is instead of one.
func (k *Cluster) finish(c *motan.Call) {
	if c.Endpoint != "" && !k.settings.Local {
		c.Reply.Set("x-forwarded-for", c.Endpoint)
	}
	if c.Err == nil && c.Reply.ProcessTime() == nil {
		c.Reply.SetInt("M_pt", (c.Now()-c.Start)/int64(time.Millisecond))
	}
}

// learn notes what the end of an attempt on e shows of it.
func (k *Cluster) learn(c *motan.Call, e *Endpoint) {
	if k.measured {
		k.measure(c, e.remember())
	}
	if len(k.picker.Load().endpoints) > 1 {
		k.examine(c, e)
	}
}
