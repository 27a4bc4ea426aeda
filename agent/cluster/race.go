package cluster

import (
	"sync"

	"github.com/motand/motand/motan"
)

// race is a call that may be sent a second time while its first answer is awaited. The caller's own call makes the first
// attempt, and retries where that fails before a backup request is sent; each backup request is a call of its own with a
// copy of the request. The first good answer decides: what is still on its way then is taken back from its connection and
// dropped. If there is none, the caller gets what the first attempt has ended with, or, where that was a time-out, the reason
// of another one.
//
// Who owns what: the caller's call and each backup request are owned as any call is, until they come back to Return. There
// the race's lock makes one of them the one that decides. A call that has come back while others are on their way waits in
// the race (home) and belongs to whoever of them comes back last. A call that is in the race's hands is not released, so
// that under the lock it can be looked for in its connection.
type race struct {
	owner *races
	plan  Method
	pace  *pace
	call  *motan.Call // the caller's
	first *Endpoint   // where call was sent last; written by the owner of call

	// Guarded by owner.mu.
	due    int64
	at     int         // index among those that wait; -1 for none
	out    []outCall   // backup requests on their way
	sent   int         // backup requests
	users  int         // calls that will come back
	home   bool        // call has come back and waits
	over   bool        // it is decided
	answer *motan.Call // the backup request that decided it
	reason *motan.Call // one that failed and tells why
}

// outCall is a backup request and where it went, nil while that is not known.
type outCall struct {
	call *motan.Call
	to   *Endpoint
}

var (
	_ motan.Handler  = (*race)(nil)
	_ motan.Returner = (*race)(nil)
)

var spareRaces = sync.Pool{New: func() any { return new(race) }}

// begin makes the first attempt of a call of a method whose settings are m.
func (x *races) begin(c *motan.Call, m Method) {
	r := spareRaces.Get().(*race)
	out := r.out[:0]
	*r = race{owner: x, plan: m, pace: x.paces.of(c, m), call: c, at: -1, users: 1, out: out}
	r.pace.earn()
	r.try(1)
}

// try makes attempt n of the caller's call, which nobody else is on the way for.
func (r *race) try(n int) {
	c := r.call
	e, err := r.owner.cluster.aim(c, n)
	if err != nil {
		c.Err = err
		r.finish()
		c.End()
		return
	}
	r.first = e
	c.Target = r
	c.Push(r, n)
	r.owner.cluster.attempt.Handle(c)
}

// Handle sends the caller's call, which has passed its filters: from now on the request is not changed, so that it can be
// copied.
func (r *race) Handle(c *motan.Call) {
	e := r.first
	if delay, ok := r.pace.delay(); ok && len(c.Request.Body()) <= mostBackupBytes {
		r.owner.mu.Lock()
		r.owner.wait(r, c.AttemptStart+delay)
		r.owner.mu.Unlock()
	}
	e.Handle(c)
}

// backup makes a backup request, nil where none is allowed. Caller holds mu.
func (r *race) backup(now int64) *motan.Call {
	k, c := r.owner.cluster, r.call
	if r.sent >= r.plan.Retries || r.sent+1 >= len(k.picker.Load().endpoints) || now >= c.Deadline {
		return nil
	}
	if !r.pace.spend() || !k.afford(now) {
		return nil
	}
	b := motan.NewCall()
	b.Request.CopyFrom(&c.Request)
	b.Service, b.Group, b.Application, b.Remote = c.Service, c.Group, c.Application, c.Remote
	b.Start, b.AttemptStart, b.Deadline, b.Endpoint = c.Start, c.AttemptStart, c.Deadline, c.Endpoint
	b.Push(r, 0)
	r.out = append(r.out, outCall{call: b})
	r.sent++
	r.users++
	k.count().backups.Add(1)
	if delay, ok := r.pace.delay(); ok && r.sent < r.plan.Retries {
		r.owner.wait(r, now+delay)
	}
	return b
}

// Return takes the caller's call, of which it was attempt n, or a backup request on its way back.
func (r *race) Return(c *motan.Call, n int) bool {
	if c == r.call {
		return r.returned(c, n)
	}
	if e, ok := c.Target.(*Endpoint); ok {
		r.owner.cluster.learn(c, e)
	}
	r.backupReturned(c)
	return false
}

// launch sends a backup request, to another endpoint than the call is at where there is one that can be used.
func (r *race) launch(b *motan.Call) {
	e, err := r.owner.cluster.aim(b, 1)
	if err != nil {
		b.Fail(err)
		return
	}
	b.Target = e
	r.owner.mu.Lock()
	for i := range r.out {
		if r.out[i].call == b {
			r.out[i].to = e
		}
	}
	over := r.over
	r.owner.mu.Unlock()
	if over {
		b.Fail(errDropped)
		return
	}
	r.owner.cluster.attempt.Handle(b)
}

// returned takes the caller's call.
func (r *race) returned(c *motan.Call, n int) bool {
	k := r.owner.cluster
	k.learn(c, r.first)
	won := good(c)
	if won || c.Err != nil && (c.Err.Kind == motan.KindDropped || c.Err.Kind == motan.KindTimeout) {
		r.pace.note(c.Now() - c.AttemptStart)
	}
	r.owner.mu.Lock()
	r.owner.forget(r)
	var dropped []*motan.Call
	switch {
	case r.over:
	case won:
		r.over = true
		dropped = r.drop(nil)
	case len(r.out) > 0:
		r.home = true
		r.owner.mu.Unlock()
		return false
	}
	over, sent := r.over, r.sent
	r.owner.mu.Unlock()
	end(dropped, c.Batch)
	if !over && k.again(c, n+sent) {
		forget(c)
		r.try(n + 1)
		return false
	}
	r.finish()
	return true
}

// backupReturned takes a backup request, of which it is the end.
func (r *race) backupReturned(b *motan.Call) {
	batch := b.Batch
	r.owner.mu.Lock()
	r.leave(b)
	won := !r.over && good(b)
	var dropped []*motan.Call
	if won {
		r.over, r.answer = true, b
		r.owner.forget(r)
		r.owner.cluster.count().won.Add(1)
		dropped = r.drop(b)
	} else if !r.over && r.reason == nil && tells(b) {
		r.reason = b
	}
	kept := r.answer == b || r.reason == b
	r.users--
	last := r.users == 0
	ours := r.home && (won || !r.over && len(r.out) == 0)
	if ours {
		r.home, r.over = false, true
	}
	r.owner.mu.Unlock()
	if !kept {
		b.Release()
	}
	switch {
	case ours:
		c := r.call
		c.Batch = batch
		end(dropped, batch)
		r.finish()
		c.End()
	case last:
		spareRaces.Put(r)
	default:
		end(dropped, batch)
	}
}

// leave takes b out of those on their way. Caller holds mu.
func (r *race) leave(b *motan.Call) {
	for i, x := range r.out {
		if x.call == b {
			last := len(r.out) - 1
			r.out[i], r.out[last] = r.out[last], outCall{}
			r.out = r.out[:last]
			return
		}
	}
}

// drop takes back all that is still on its way but for b and returns what it could get hold of, which the caller has to end.
// What it could not comes back by itself. Caller holds mu.
func (r *race) drop(b *motan.Call) []*motan.Call {
	var all []*motan.Call
	for _, x := range r.out {
		if x.call != b && x.to != nil && x.to.client.Withdraw(x.call) {
			all = append(all, x.call)
		}
	}
	if b != nil && !r.home && r.first.client.Withdraw(r.call) {
		all = append(all, r.call)
	}
	return all
}

var errDropped = motan.Errorf(motan.KindDropped, motan.CodeDefault, "another attempt of the call was answered first")

// end ends attempts that were taken back.
func end(dropped []*motan.Call, batch *motan.Batch) {
	for _, c := range dropped {
		c.Batch = batch
		c.Fail(errDropped)
	}
}

// tells tells whether the end of a failed attempt says why, which a time-out does not.
func tells(c *motan.Call) bool {
	return c.Err == nil || c.Err.Kind != motan.KindTimeout && c.Err.Kind != motan.KindDropped
}

// finish gives the caller's call, which has come back, what the race has brought.
func (r *race) finish() {
	c, k := r.call, r.owner.cluster
	r.owner.mu.Lock()
	r.over = true // nobody keeps anything any more
	answer, reason, sent := r.answer, r.reason, r.sent
	r.answer, r.reason = nil, nil
	r.users--
	last := r.users == 0
	r.owner.mu.Unlock()
	c.Attempts += sent
	c.Reached = c.Reached || sent > 0 // where to does not matter
	from := answer
	if from == nil && !good(c) && !tells(c) {
		from = reason
	}
	if from != nil {
		c.Err = from.Err
		c.Reply.CopyFrom(&from.Reply)
		c.Endpoint, c.Group, c.AttemptStart = from.Endpoint, from.Group, from.AttemptStart
	}
	if answer != nil {
		answer.Release()
	}
	if reason != nil {
		reason.Release()
	}
	k.finish(c)
	if last {
		spareRaces.Put(r)
	}
}
