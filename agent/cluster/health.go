package cluster

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Health says when an endpoint that can be reached is left out nevertheless, and for how long. It is judged by calls
// alone: a provider that hangs or fails, and one that a caller's own mistakes do not make look so.
type Health struct {
	// Failures is how many calls in a row must get no answer (not sent, broken, timed out) or a "not available" (503); 0 is
	// never. An answer of any other kind shows that the endpoint lives.
	Failures int
	// Pause is for how long it is left out the first time; each further time takes as much longer, up to maxPause. Then one
	// call decides whether it is back.
	Pause time.Duration
	// Ping asks the provider at an address whether it answers, until ctx ends; nil is nobody. While it does not, no call decides,
	// for mostPings pauses.
	Ping func(ctx context.Context, addr string) error
	// Panic is the share of endpoints, in percent, below which being left out does not count any more: when fewer can be used
	// than that, calls to the others alone would be too many for these. 0 is never.
	Panic int
}

// The rules beside what is configured.
const (
	maxPause  = 30 * time.Second
	goodWhile = time.Minute // after so long without being left out, the pauses are short again
	// An endpoint is left out too when, between two surveys, at least half of at least surveyCalls calls failed, exceptions
	// of the framework included, and the share is above the other endpoints' by surveyGap: an error that callers cause
	// shows at all of them.
	surveyEvery = time.Second
	surveyCalls = 5
	surveyShare = 0.5
	surveyGap   = 0.3
	// mostOut is the largest share of the endpoints that is left out, in percent: if more seem to fail, it is better to try.
	mostOut = 50
)

// ward is what a cluster knows of its endpoints' health as a whole.
type ward struct {
	troubled atomic.Bool  // something has failed since the survey before the last: calls are counted
	surveyAt atomic.Int64 // when the next survey is due
	out      atomic.Int32 // endpoints that are left out
	ousted   atomic.Int64 // how often one was
	panics   atomic.Bool  // too few endpoints can be used: those that are left out get calls, too
}

// admit tells whether e may get a call at now. Where it returns true for one that is left out, that call decides.
// While the cluster panics, those that are left out get calls, too.
func (e *Endpoint) admit(now int64, panics bool) bool {
	if !e.client.Usable() {
		return false
	}
	v := e.vitals()
	if v == nil {
		return true
	}
	until := v.until.Load()
	if until == 0 {
		return true
	}
	return now >= until && !v.nursed.Load() && v.trial.CompareAndSwap(0, now) || panics
}

// sign is what the end of an attempt says of the endpoint.
type sign int

const (
	nothing sign = iota // it was refused here, or nobody can tell
	alive               // an answer
	unwell              // an exception that is not the implementation's own
	dead                // no answer
)

// signOf reads the end of an attempt. A time-out counts only where the caller had patience.
func (k *Cluster) signOf(c *motan.Call) sign {
	if c.Err != nil {
		switch c.Err.Kind {
		case motan.KindBroken:
			return dead
		case motan.KindNotSent:
			if c.Err.Cause != nil { // else a filter here has refused the node, as an open circuit breaker does
				return dead
			}
		case motan.KindTimeout:
			if c.Now()-c.AttemptStart >= int64(k.settings.Timeouts.Request)/2 {
				return dead
			}
		}
		return nothing
	}
	if !c.Reply.Failed() {
		return alive
	}
	x, _ := c.Reply.Exception()
	switch {
	case x.Type == motan.TypeBiz:
		return alive
	case x.Code == motan.CodeUnavailable:
		return dead
	}
	return unwell
}

// examine takes the end of an attempt on e, which is one of several.
func (k *Cluster) examine(c *motan.Call, e *Endpoint) {
	s := k.signOf(c)
	bad := s == unwell || s == dead
	if !bad && !k.ward.troubled.Load() {
		return
	}
	v := e.vitals()
	now := c.Now()
	if bad {
		v = e.remember()
		if !k.ward.troubled.Swap(true) {
			k.ward.surveyAt.Store(now + int64(surveyEvery))
		}
	}
	if s == nothing {
		if v != nil {
			v.trial.CompareAndSwap(c.AttemptStart, 0) // somebody else has to decide
		}
		return
	}
	if v == nil {
		v = e.remember() // how the others do is compared with
	}
	v.count(bad)
	if s == dead {
		k.failed(v, v.failures.Add(1), c.AttemptStart, now)
	} else {
		v.failures.Store(0)
		k.answered(v, s, c.AttemptStart, now)
	}
	if at := k.ward.surveyAt.Load(); now >= at && k.ward.surveyAt.CompareAndSwap(at, now+int64(surveyEvery)) {
		k.survey(now)
	}
}

// failed takes a call without answer, which began at began.
func (k *Cluster) failed(v *vitals, inARow int32, began, now int64) {
	if v.until.Load() != 0 {
		if v.trial.Load() == began {
			k.stay(v, now)
		}
		return
	}
	if most := k.settings.Health.Failures; most > 0 && int(inARow) >= most {
		k.oust(v, now)
	}
}

// answered takes an answer to a call that began at began: one that decides brings the endpoint back if it is a good one.
func (k *Cluster) answered(v *vitals, s sign, began, now int64) {
	if v.until.Load() == 0 || v.trial.Load() != began {
		return
	}
	if s == unwell {
		k.stay(v, now)
		return
	}
	v.healed.Store(now)
	k.bear(v, now)
	v.window.Store(0)
	v.until.Store(0)
	k.ward.out.Add(-1)
	v.trial.Store(0)
}

// stay leaves an endpoint out for longer, on which a call has just been tried.
func (k *Cluster) stay(v *vitals, now int64) {
	pause := k.pause(v)
	v.until.Store(now + int64(pause))
	k.nurse(v, pause)
	v.trial.Store(0)
}

// oust leaves an endpoint out, unless too many are.
func (k *Cluster) oust(v *vitals, now int64) {
	all := int32(len(k.picker.Load().endpoints))
	if k.ward.out.Add(1)*100 > mostOut*all {
		k.ward.out.Add(-1)
		return
	}
	if now-v.healed.Load() > int64(goodWhile) {
		v.times.Store(0)
	}
	v.trial.Store(0)
	pause := k.pause(v)
	if !v.until.CompareAndSwap(0, now+int64(pause)) { // another call's end was faster
		k.ward.out.Add(-1)
		return
	}
	k.ward.ousted.Add(1)
	k.nurse(v, pause)
}

// pause is for how long an endpoint is left out this time.
func (k *Cluster) pause(v *vitals) time.Duration {
	return min(time.Duration(v.times.Add(1))*k.settings.Health.Pause, maxPause)
}

// survey compares how the endpoints did since the last one, and leaves out those that stand out. It is made at most once in
// surveyEvery, and only while something fails.
func (k *Cluster) survey(now int64) {
	type record struct {
		v          *vitals
		calls, bad uint64
	}
	var records []record
	var calls, bad uint64
	out := int32(0)
	endpoints := k.picker.Load().endpoints
	for i := range endpoints {
		v := endpoints[i].vitals()
		if v == nil {
			continue
		}
		n := v.window.Swap(0)
		r := record{v, n >> 32, n & 0xffffffff}
		calls, bad = calls+r.calls, bad+r.bad
		if v.until.Load() != 0 {
			out++
		} else if r.calls >= surveyCalls {
			records = append(records, r)
		}
	}
	k.ward.out.Store(out)
	for _, r := range records {
		others := 0.0
		if n := calls - r.calls; n > 0 {
			others = float64(bad-r.bad) / float64(n)
		}
		if own := float64(r.bad) / float64(r.calls); own >= surveyShare && own >= others+surveyGap && calls > r.calls {
			k.oust(r.v, now)
		}
	}
	usable := 0
	for i := range endpoints {
		if endpoints[i].able() {
			usable++
		}
	}
	k.ward.panics.Store(usable*100 < k.settings.Health.Panic*len(endpoints))
	if bad == 0 && out == 0 {
		k.ward.troubled.Store(false)
	}
}

// Out is how many endpoints are left out now, and how often one was.
func (k *Cluster) Out() (now int, ever int64) {
	return int(k.ward.out.Load()), k.ward.ousted.Load()
}
