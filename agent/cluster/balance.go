package cluster

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Balance decides how the calls of a cluster are spread over its endpoints.
type Balance interface {
	// Over returns the choice among endpoints, which are at least one and are not changed while the choice is in use. It is
	// called once for each list.
	Over(endpoints []Endpoint) Choice
}

// Choice is a balance over one list of endpoints. It is used by many goroutines at once.
type Choice interface {
	// Pick returns the index of the endpoint that an attempt of c should go to. How often the same attempt was told one that
	// cannot be used now is try: 0 at first.
	Pick(c *motan.Call, try int) int
}

// Balances are those that the key loadbalance names.
func Balances() []string {
	return []string{"random", "roundrobin", "wrr", "consistentHashKey", "leastActive", "p2c"}
}

// NewBalance returns the balance of that name, of which the empty one is random; hash says how one by hash is built. Ok is
// false for a name that is not known.
func NewBalance(name string, hash HashSettings) (b Balance, ok bool) {
	switch name {
	case "", "random":
		return Random{}, true
	case "roundrobin":
		return RoundRobin{}, true
	case "wrr":
		return WeightedRoundRobin{}, true
	case "consistentHashKey":
		return &ConsistentHash{Settings: hash}, true
	case "leastActive", "activeWeight":
		return LeastActive{}, true
	case "p2c":
		return P2C{}, true
	}
	return nil, false
}

// Dice is where a balance takes its chances from: the process's own source, or R. A simulation gives one, so that it runs the
// same again; it sees to it that R is used by one goroutine at a time.
type Dice struct{ R *rand.Rand }

func (d Dice) intN(n int) int {
	if d.R != nil {
		return d.R.IntN(n)
	}
	return rand.IntN(n)
}

func (d Dice) float() float64 {
	if d.R != nil {
		return d.R.Float64()
	}
	return rand.Float64()
}

// RoundRobin takes turns.
type RoundRobin struct{}

// Over implements Balance. The turns begin anywhere, so that many agents do not walk in step.
func (RoundRobin) Over(endpoints []Endpoint) Choice {
	t := &turns{n: uint32(len(endpoints))}
	t.turn.Store(rand.Uint32N(t.n))
	return t
}

type turns struct {
	n    uint32
	turn atomic.Uint32
}

// Pick implements Choice.
func (t *turns) Pick(*motan.Call, int) int { return int(t.turn.Add(1) % t.n) }

// Random leaves it to chance.
type Random struct{ Dice Dice }

// Over implements Balance.
func (b Random) Over(endpoints []Endpoint) Choice { return chance{len(endpoints), b.Dice} }

type chance struct {
	n    int
	dice Dice
}

// Pick implements Choice.
func (p chance) Pick(*motan.Call, int) int { return p.dice.intN(p.n) }
