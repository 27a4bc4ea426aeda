package cluster

import (
	"container/heap"
	"math/rand/v2"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Weights of nodes, as Motan has them (motan protocol, section 6.5).
const (
	weightParam   = "META_WEIGHT"
	defaultWeight = 10
	maxWeight     = 500
)

// maxRing bounds the turns of a round of a weighted choice; from there on weights are told apart less finely.
const maxRing = 8192

// WeightedRoundRobin takes turns in proportion to the nodes' weights, evenly interleaved. The weight is what the
// node tells when it is asked (see Weights), else its parameter META_WEIGHT, from 1 to 500; 10 where there is none.
type WeightedRoundRobin struct{}

// Over implements Balance.
func (WeightedRoundRobin) Over(endpoints []Endpoint) Choice {
	weights := make([]int, len(endpoints))
	for i := range endpoints {
		weights[i] = endpoints[i].weight()
	}
	ring := interleave(weights)
	if ring == nil {
		return RoundRobin{}.Over(endpoints)
	}
	return newRing(ring)
}

// weight is what the node has told, else what the registry says.
func (e *Endpoint) weight() int {
	if v := e.vitals(); v != nil {
		if n := v.weight.Load(); n > 0 {
			return int(n)
		}
	}
	if n := weightOf(e.Node().Params[weightParam]); n > 0 {
		return n
	}
	return defaultWeight
}

// ring is a round of turns.
type ring struct {
	indexes []int32
	turn    atomic.Uint32
}

func newRing(indexes []int32) *ring {
	r := &ring{indexes: indexes}
	r.turn.Store(rand.Uint32N(uint32(len(indexes))))
	return r
}

// Pick implements Choice.
func (r *ring) Pick(*motan.Call, int) int {
	return int(r.indexes[r.turn.Add(1)%uint32(len(r.indexes))])
}

// interleave returns a round in which index i has weights[i] turns, or a share as large of maxRing turns, as evenly spread as
// can be. It returns nil where all weights are equal. Weights are at least 1.
func interleave(weights []int) []int32 {
	divisor, total, equal := 0, 0, true
	for _, w := range weights {
		divisor = gcd(divisor, w)
		total += w
		equal = equal && w == weights[0]
	}
	if equal {
		return nil
	}
	scale := 1.0
	if most := max(maxRing, 4*len(weights)); total/divisor > most {
		scale = float64(most) / float64(total/divisor)
	}
	turns := make(schedule, len(weights))
	count := 0
	for i, w := range weights {
		n := max(int(float64(w/divisor)*scale+0.5), 1)
		turns[i] = turn{index: int32(i), every: 1 / float64(n), at: rand.Float64() / float64(n)}
		count += n
	}
	heap.Init(&turns)
	round := make([]int32, count)
	for i := range round {
		round[i] = turns[0].index
		turns[0].at += turns[0].every
		heap.Fix(&turns, 0)
	}
	return round
}

// turn is when an index is next in a round that takes from 0 to 1.
type turn struct {
	index     int32
	every, at float64
}

// schedule is turns as a heap, the next one first.
type schedule []turn

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at < s[j].at }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push is not used: turns neither come nor go.
func (s schedule) Push(any) {}

// Pop is not used, likewise.
func (s schedule) Pop() any { return nil }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
