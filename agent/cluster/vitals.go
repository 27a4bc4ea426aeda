package cluster

import "sync/atomic"

// vitals are what calls of one cluster have shown of an endpoint. Most of a large mesh's endpoints never have any: they
// are made when there is something to remember.
type vitals struct {
	serves string // the group that the provider knows, of a copy in another one; here because few nodes have it, and not changed

	peak     atomic.Uint64 // latency in ns, a float64; 0 before the first
	measured atomic.Int64  // when that was
	inFlight atomic.Int32  // calls; counted where the balance needs it
	weight   atomic.Int32  // as the node has told; 0 for not
	born     atomic.Int64  // when it came or came back; 0 where its calls do not grow slowly

	failures atomic.Int32  // in a row
	window   atomic.Uint64 // calls that ended since the last survey: all of them in the upper half, failed ones in the lower
	until    atomic.Int64  // left out until then; 0 for not
	trial    atomic.Int64  // when the call was let through that decides whether that goes on; 0 for none
	nursed   atomic.Bool   // heartbeats are sent to it, no call decides
	times    atomic.Int32  // how often it was left out without a good while between
	healed   atomic.Int64  // when that last ended
}

// vitals is what is known of e, nil for nothing.
func (e *Endpoint) vitals() *vitals { return e.node.Load().vitals }

// remember returns what is known of e, and has it known from now on.
func (e *Endpoint) remember() *vitals {
	for {
		d := e.node.Load()
		if d.vitals != nil {
			return d.vitals
		}
		next := &Node{Group: d.Group, Params: d.Params, vitals: new(vitals)}
		if e.node.CompareAndSwap(d, next) {
			return next.vitals
		}
	}
}

// count notes a call that has ended.
func (v *vitals) count(failed bool) {
	n := uint64(1) << 32
	if failed {
		n++
	}
	v.window.Add(n)
}

// State tells how an endpoint fares, for operators.
type State struct {
	Reachable bool  // as far as is known
	Out       bool  // left out although it may be reached
	Until     int64 // when it gets a call again that decides, see motan.Now; 0 unless Out
	Failures  int   // in a row
	InFlight  int   // calls; 0 where the balance does not count them
	Latency   int64 // ns, of the last calls; 0 where the balance does not measure it
}

// State returns how e fares at now.
func (e *Endpoint) State(now int64) State {
	s := State{Reachable: e.client.Usable()}
	if v := e.vitals(); v != nil {
		s.Until = v.until.Load()
		s.Out = s.Until != 0
		s.Failures = int(v.failures.Load())
		s.InFlight = int(v.inFlight.Load())
		s.Latency = int64(v.latency(now))
	}
	return s
}
