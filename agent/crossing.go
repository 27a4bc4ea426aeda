package agent

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/agent/traffic"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// crossing is where the calls of a refer part: to its own nodes, or by the rules of motan-traffic to other groups or to some of
// the nodes. Calls of a refer without rules pay for it with one load of a pointer.
type crossing struct {
	route  *route
	course atomic.Pointer[course] // nil without rules
	screen atomic.Pointer[screen] // of the refers filter

	mu       sync.Mutex
	ctx      context.Context    // guarded by mu; nil before start
	branches map[string]*branch // guarded by mu; by key of the target
	pins     map[string]*pin    // guarded by mu; by group
}

// pin is a way to a group that a filter asked for. It stays as long as the route.
type pin struct{ branch atomic.Pointer[branch] } // nil before the route is in use

// course is rules in use, and where their targets are. It is never changed once it is in use.
type course struct {
	rules    *traffic.Rules
	branches []*branch // by index of the target; nil for the refer's own nodes
}

// branch is a way of a refer's calls to other nodes than its own: another group, or nodes with certain parameters.
type branch struct {
	target  traffic.Target
	cluster *cluster.Cluster
	cancel  func()        // ends the watch
	some    atomic.Bool   // there are nodes
	heard   sync.Once     // closes first
	first   chan struct{} // closed with the first list of nodes
}

var (
	_ motan.Handler = (*crossing)(nil)
	_ motan.Handler = (*pin)(nil)
)

// Handle leads c to where the rules say, or to the refer's own nodes.
func (x *crossing) Handle(c *motan.Call) {
	u := x.course.Load()
	if u == nil || x.route.cluster.Refused() { // a command that degrades the service is about all of it
		x.route.cluster.Handle(c)
		return
	}
	target, state := u.rules.Pick(c)
	switch {
	case state == nil:
		x.route.cluster.Handle(c)
	case target == traffic.None || u.branches[target] == nil:
		state.Follow(c)
		x.route.cluster.Handle(c)
	default:
		b := u.branches[target]
		if !b.some.Load() && b.target.Fallback {
			state.FellBack()
			x.route.cluster.Handle(c)
			return
		}
		state.Follow(c)
		b.cluster.Handle(c)
	}
}

// start begins to watch what filters asked for; the branches of rules begin as these want them. All end with ctx.
func (x *crossing) start(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ctx = ctx
	for group, p := range x.pins {
		if err := x.fasten(p, group); err != nil {
			return err
		}
	}
	return nil
}

// pin returns a way to a group of this service, for filters.
func (x *crossing) pin(group string) motan.Handler {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.pins[group]
	if p != nil {
		return p
	}
	p = new(pin)
	if x.ctx != nil && x.fasten(p, group) != nil {
		return p // it is asked for at run time, of a registry that takes no such watch: calls find no nodes
	}
	if x.pins == nil {
		x.pins = make(map[string]*pin)
	}
	x.pins[group] = p
	return p
}

// fasten leads p to the nodes of the group. The caller holds mu.
func (x *crossing) fasten(p *pin, group string) error {
	b, err := x.open(traffic.Target{Group: group})
	p.branch.Store(b)
	return err
}

// Handle leads c to the group.
func (p *pin) Handle(c *motan.Call) {
	b := p.branch.Load()
	if b == nil {
		c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "the group is not watched yet"))
		return
	}
	b.cluster.Handle(c)
}

// prepare begins to watch the nodes that rules want, and returns their course. Start was called before, and take is called
// after.
func (x *crossing) prepare(rules *traffic.Rules) (*course, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := &course{rules: rules}
	for _, t := range rules.Targets() {
		if x.own(&t) {
			u.branches = append(u.branches, nil)
			continue
		}
		b, err := x.open(t)
		if err != nil {
			return nil, err
		}
		u.branches = append(u.branches, b)
	}
	return u, nil
}

// take puts rules into use, nil for none. Branches that nothing leads to any more are handed to retire. On an error calls take
// the refer's own nodes.
func (x *crossing) take(rules *traffic.Rules, retire func(*branch)) error {
	var u *course
	var err error
	if rules != nil {
		if u, err = x.prepare(rules); err == nil {
			rules.Begin()
		}
	}
	x.course.Store(u)
	x.mu.Lock()
	defer x.mu.Unlock()
	used := make(map[*branch]bool)
	for _, p := range x.pins {
		used[p.branch.Load()] = true
	}
	if u != nil {
		for _, b := range u.branches {
			used[b] = true
		}
	}
	for key, b := range x.branches {
		if !used[b] {
			delete(x.branches, key)
			retire(b)
		}
	}
	return err
}

// own tells whether t is what the calls take without rules.
func (x *crossing) own(t *traffic.Target) bool {
	return t.Params == nil && (t.Group == "" || t.Group == x.route.refer.Group)
}

// open finds or makes the branch to a target. The caller holds mu.
func (x *crossing) open(t traffic.Target) (*branch, error) {
	key := branchKey(&t)
	if b := x.branches[key]; b != nil {
		return b, nil
	}
	settings := *x.route.cluster.Settings()
	if t.Group != "" {
		settings.Group = t.Group
	}
	settings.Balance = newBalance(x.route.refer)
	b := &branch{target: t, cluster: cluster.New(settings), first: make(chan struct{})}
	if err := x.look(b); err != nil {
		return nil, err
	}
	if x.branches == nil {
		x.branches = make(map[string]*branch)
	}
	x.branches[key] = b
	return b, nil
}

// branchKey tells branches apart: with the same nodes there may be two ways to treat that there are none.
func branchKey(t *traffic.Target) string {
	return strconv.FormatBool(t.Fallback) + "\x00" + t.Key()
}

// sift has only nodes used that s lets through.
func (x *crossing) sift(s *screen) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.screen.Swap(s) == nil && s == nil || x.ctx == nil {
		return nil
	}
	for _, b := range x.branches { // a new watch tells all nodes again
		end := b.cancel
		if err := x.look(b); err != nil {
			return err
		}
		end()
	}
	return nil
}

// look begins to watch the nodes of b. The caller holds mu.
func (x *crossing) look(b *branch) error {
	ctx, cancel := context.WithCancel(x.ctx)
	r := x.route.refer
	s := registry.Service{Group: b.cluster.Settings().Group, Path: r.Path, Version: r.Version, Protocol: r.Protocol}
	if err := x.route.source.Watch(ctx, s, func(nodes []registry.Node) { b.update(x.screen.Load().through(nodes)) }); err != nil {
		cancel()
		return err
	}
	b.cancel = cancel
	return nil
}

// update takes the nodes of the group.
func (b *branch) update(nodes []registry.Node) {
	if b.target.Params != nil {
		fit := nodes[:0] // the slice is ours
		for _, n := range nodes {
			if hasParams(n.Params, b.target.Params) {
				fit = append(fit, n)
			}
		}
		nodes = fit
	}
	b.cluster.Update(nodes)
	b.some.Store(len(nodes) > 0)
	b.heard.Do(func() { close(b.first) })
}

// await waits until something is known about the nodes of all branches. It tells whether that came before ctx's end.
func (x *crossing) await(ctx context.Context) bool {
	x.mu.Lock()
	branches := slices.Collect(maps.Values(x.branches))
	x.mu.Unlock()
	for _, b := range branches {
		select {
		case <-b.first:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// hasParams tells whether a node's parameters are those that are wanted.
func hasParams(has, wanted map[string]string) bool {
	for k, v := range wanted {
		if has[k] != v {
			return false
		}
	}
	return true
}

// counts calls yield with the branches and how many nodes they have.
func (x *crossing) counts() iter.Seq2[*traffic.Target, int] {
	return func(yield func(*traffic.Target, int) bool) {
		x.mu.Lock()
		keys := slices.Sorted(maps.Keys(x.branches))
		branches := make([]*branch, len(keys))
		for i, key := range keys {
			branches[i] = x.branches[key]
		}
		x.mu.Unlock()
		for _, b := range branches {
			if !yield(&b.target, len(b.cluster.Endpoints())) {
				return
			}
		}
	}
}

// close ends all branches: of a route that no call has seen, or can see any more.
func (x *crossing) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, b := range x.branches {
		b.cluster.Close()
	}
}
