package cluster

import (
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// nearEvery is how often is looked how many nodes of each level can be used.
const nearEvery = int64(100 * time.Millisecond)

const nearPicks = 8

// near is a choice among levels, the nearest first, then within one.
type near struct {
	placement *Placement
	endpoints []Endpoint
	levels    []span
	sizes     []int

	due    atomic.Int64
	shares atomic.Pointer[[]float64] // of the calls, by level
}

// nearest returns the choice among endpoints, which are in the order of their levels.
func (k *Cluster) nearest(endpoints []Endpoint) Choice {
	p := k.settings.Placement
	x := &near{placement: p, endpoints: endpoints}
	for from := 0; from < len(endpoints); {
		level, to := k.levelOf(&endpoints[from]), from+1
		for to < len(endpoints) && k.levelOf(&endpoints[to]) == level {
			to++
		}
		x.levels = append(x.levels, span{from, k.settings.Balance.Over(endpoints[from:to:to])})
		x.sizes = append(x.sizes, to-from)
		from = to
	}
	if len(x.levels) == 1 {
		return x.levels[0].choice
	}
	x.weigh()
	return x
}

func (k *Cluster) levelOf(e *Endpoint) int {
	host, _, err := net.SplitHostPort(e.Addr())
	if err != nil { // a unix socket
		host = e.Addr()
	}
	return k.settings.Placement.level(host, e.Node().Params)
}

// Pick implements Choice.
func (x *near) Pick(c *motan.Call, try int) int {
	if now, due := c.Now(), x.due.Load(); now >= due && x.due.CompareAndSwap(due, now+nearEvery) {
		x.weigh()
	}
	level, dice := 0, rand.Float64()
	for shares := *x.shares.Load(); level < len(shares)-1 && dice >= shares[level]; level++ {
		dice -= shares[level]
	}
	at := x.within(level, c, try)
	for full := x.placement.Full; full > 0 && level+1 < len(x.levels) && int(x.endpoints[at].waiting()) >= full; {
		level++
		at = x.within(level, c, try)
	}
	return at
}

// within picks in a level, one that can be used if it is found soon: the share of those that cannot stays in the level.
func (x *near) within(level int, c *motan.Call, try int) int {
	at := x.levels[level].Pick(c, try)
	for more := 1; more < nearPicks && !x.endpoints[at].able(); more++ {
		at = x.levels[level].Pick(c, try+more)
	}
	return at
}

// weigh gives each level as many of the calls as its nodes that can be used may take, the nearest first. Where all levels
// together cannot take them, each gets its part.
func (x *near) weigh() {
	able, total := make([]float64, len(x.levels)), 0.0
	for i, l := range x.levels {
		usable := 0
		for j := range x.sizes[i] {
			if x.endpoints[l.from+j].able() {
				usable++
			}
		}
		able[i] = min(float64(usable)/float64(x.sizes[i])*float64(x.placement.Spill)/100, 1)
		total += able[i]
	}
	total = min(total, 1)
	left := 1.0
	for i := range able {
		if total > 0 {
			able[i] = min(able[i]/total, left)
		} else {
			able[i] = left // nobody can: the nearest are asked
		}
		left -= able[i]
	}
	x.shares.Store(&able)
}

// able tells whether e can be reached, as far as is known, and is not left out.
func (e *Endpoint) able() bool {
	v := e.vitals()
	return e.Usable() && (v == nil || v.until.Load() == 0)
}
