package cluster

import (
	"math"
	"math/rand/v2"

	"github.com/motand/motand/motan"
)

const (
	// memory is how long it takes until a latency has lost two thirds of its weight, and how soon an endpoint that was slow
	// is tried again.
	memory = 10e9 // ns
	// unknownCost is what each call in flight to an endpoint counts whose latency is not known yet, so that a new one is not
	// flooded before its first answer.
	unknownCost = 1e9 // ns
	// candidates is how many endpoints LeastActive compares, as Motan Java does.
	candidates = 10
)

// P2C compares two endpoints taken at random and prefers the one that is likely to answer first: by its latency, of which a
// peak counts at once and is forgotten slowly, and by the calls that wait for it. A failed call counts as a slow one. So a
// slow or failing endpoint gets few calls, without waiting until it is left out, and many agents do not all turn to the same.
// One that takes twice as long gets half as many: it is not left without calls that would show that it is well again.
type P2C struct{ Dice Dice }

// Over implements Balance.
func (b P2C) Over(endpoints []Endpoint) Choice { return &twoChoices{endpoints, b.Dice} }

type twoChoices struct {
	endpoints []Endpoint
	dice      Dice
}

// Pick implements Choice.
func (p *twoChoices) Pick(c *motan.Call, _ int) int {
	n := len(p.endpoints)
	if n == 1 {
		return 0
	}
	a, b := p.dice.intN(n), p.dice.intN(n-1)
	if b >= a {
		b++
	}
	now := c.Now()
	costA, costB := p.endpoints[a].cost(now), p.endpoints[b].cost(now)
	if p.dice.float()*(costA+costB) < costA {
		return b
	}
	return a
}

// LeastActive chooses the endpoint for which the fewest calls wait, among ten in a row from a random one on.
type LeastActive struct{}

// Over implements Balance.
func (LeastActive) Over(endpoints []Endpoint) Choice { return leastActive(endpoints) }

type leastActive []Endpoint

// Pick implements Choice.
func (p leastActive) Pick(*motan.Call, int) int {
	n := len(p)
	best, least := 0, int32(math.MaxInt32)
	from := rand.IntN(n)
	for i := range min(n, candidates) {
		at := (from + i) % n
		if waiting := p[at].waiting(); waiting < least {
			best, least = at, waiting
		}
	}
	return best
}

// measured tells whether a balance needs latencies and calls in flight of its endpoints.
func measured(b Balance) bool {
	switch b.(type) {
	case P2C, LeastActive:
		return true
	}
	return false
}

// waiting is how many calls of this cluster wait for e.
func (e *Endpoint) waiting() int32 {
	if v := e.vitals(); v != nil {
		return v.inFlight.Load()
	}
	return 0
}

// cost is how long a further call would take, by what is known: 0 for an endpoint that was not called yet.
func (e *Endpoint) cost(now int64) float64 {
	v := e.vitals()
	if v == nil {
		return 0
	}
	waiting := float64(v.inFlight.Load())
	latency := v.latency(now)
	if latency == 0 {
		return waiting * unknownCost
	}
	return latency * (waiting + 1)
}

// latency is that of the last calls at now, ns.
func (v *vitals) latency(now int64) float64 {
	past := float64(max(now-v.measured.Load(), 0))
	return math.Float64frombits(v.peak.Load()) * math.Exp(-past/memory)
}

// observe takes the latency of a call that has ended at now. Of two that end at once one may be lost, which does no harm.
func (v *vitals) observe(took, now int64) {
	sample := float64(took)
	if old := math.Float64frombits(v.peak.Load()); sample < old {
		share := math.Exp(-float64(max(now-v.measured.Load(), 0)) / memory)
		sample = old*share + sample*(1-share)
	}
	v.peak.Store(math.Float64bits(sample))
	v.measured.Store(now)
}

// measure takes the end of an attempt. One that failed counts as one that took all of its time, however fast it failed; one
// that was refused here says nothing.
func (k *Cluster) measure(c *motan.Call, v *vitals) {
	v.inFlight.Add(-1)
	now := c.Now()
	switch k.signOf(c) {
	case alive:
		v.observe(max(now-c.AttemptStart, 1), now)
	case unwell, dead:
		v.observe(max(now-c.AttemptStart, int64(k.settings.Timeouts.Request)), now)
	case nothing:
		if took := now - c.AttemptStart; c.Err.Kind == motan.KindDropped && float64(took) > v.latency(now) {
			v.observe(took, now) // it would have taken longer still
		}
	}
}
