package cluster

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Balance chooses the endpoint that an attempt begins its search with: an index below n,
// which is at least 1. It is called by many goroutines at once.
type Balance interface {
	Pick(c *motan.Call, n int) int
}

// RoundRobin takes turns.
type RoundRobin struct{ turn atomic.Uint32 }

// Pick returns the next index.
func (b *RoundRobin) Pick(_ *motan.Call, n int) int { return int(b.turn.Add(1) % uint32(n)) }

// Random leaves it to chance, so that many agents do not walk in step.
type Random struct{}

// Pick returns any index.
func (Random) Pick(_ *motan.Call, n int) int { return rand.IntN(n) }

// NewBalance returns the balance of that name, as the key loadbalance has it; ok is false for
// a name that is not known, for which RoundRobin stands in.
func NewBalance(name string) (b Balance, ok bool) {
	switch name {
	case "", "random":
		return Random{}, true
	case "roundrobin":
		return &RoundRobin{}, true
	}
	return &RoundRobin{}, false
}
