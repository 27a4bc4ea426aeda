package cluster

import (
	"math/rand/v2"

	"github.com/buraksezer/consistent"
	"github.com/cespare/xxhash/v2"

	"github.com/motand/motand/motan"
)

// hashKey is the metadata key whose value chooses the node.
const hashKey = "consistentHashKey"

// What a ring is built with where nothing is configured (spec of motan-go's agent; both must agree, for callers behind either
// to meet at the same node).
const (
	partsPerNode   = 5
	partsMore      = 271
	defaultLoad    = 1.1
	replicasOfFew  = 20
	replicasOfMany = 10
	many           = 100
	moreLoad       = 0.1 // is added where the nodes cannot take all parts
	maxLoad        = 100
)

// HashSettings say how the ring of a ConsistentHash is built. Zero values mean what motan-go takes.
type HashSettings struct {
	Parts    int     // of the ring
	Load     float64 // how much more than the mean a node may get, at least 1.1
	Replicas int     // points of a node on the ring
}

// ConsistentHash sends calls with the same value of the metadata key consistentHashKey to the same node, and moves few of them
// when nodes come and go; no node gets more than Load times its share of the ring. The node is the one that motan-go takes,
// too. Calls without the key go anywhere.
type ConsistentHash struct {
	Settings HashSettings

	parts int // of the ring that was built last: keys would move with their number
}

// Over implements Balance. It is called by one goroutine at a time.
func (b *ConsistentHash) Over(endpoints []Endpoint) Choice {
	n := len(endpoints)
	if n == 1 {
		return chance{n: 1}
	}
	s := b.Settings
	if b.parts != 0 {
		s.Parts = b.parts
	}
	if s.Parts < 2*n {
		s.Parts = partsPerNode*n + partsMore
	}
	b.parts = s.Parts
	s.Load = min(max(s.Load, defaultLoad), maxLoad)
	if s.Replicas <= 0 {
		s.Replicas = replicasOfFew
		if n >= many {
			s.Replicas = replicasOfMany
		}
	}
	members := make([]consistent.Member, n)
	for i := range endpoints {
		members[i] = member{endpoints[i].Addr(), int32(i)}
	}
	for ; s.Load <= maxLoad; s.Load += moreLoad {
		if built := build(members, s); built != nil {
			// The owners are all that is needed of it, and asking them takes neither a lock nor a map.
			r := &hashRing{owners: make([]int32, s.Parts), n: n}
			for part := range r.owners {
				r.owners[part] = built.GetPartitionOwner(part).(member).index
			}
			return r
		}
	}
	return Random{}.Over(endpoints)
}

// build returns nil where the nodes cannot take all parts with that load, which the library tells by a panic. It is so only
// with very few replicas.
func build(members []consistent.Member, s HashSettings) (built *consistent.Consistent) {
	defer func() {
		if recover() != nil {
			built = nil
		}
	}()
	return consistent.New(members, consistent.Config{
		Hasher: hasher{}, PartitionCount: s.Parts, ReplicationFactor: s.Replicas, Load: s.Load,
	})
}

// hashRing is a ring that was built: which index owns each part.
type hashRing struct {
	owners []int32
	n      int
}

// Pick implements Choice. Where the owner of a key cannot be used, the owner of another part takes its calls, the same for
// each key.
func (r *hashRing) Pick(c *motan.Call, try int) int {
	key := c.Request.Get(hashKey)
	if len(key) == 0 {
		return rand.IntN(r.n)
	}
	h := xxhash.Sum64(key)
	for range try {
		h = h*0x9e3779b97f4a7c15 + 1 // another number, always the same: Knuth's multiplier
	}
	return int(r.owners[h%uint64(len(r.owners))])
}

// member is a node as the library wants it.
type member struct {
	addr  string
	index int32
}

// String is what the member's points on the ring are computed from.
func (m member) String() string { return m.addr }

type hasher struct{}

// Sum64 implements consistent.Hasher.
func (hasher) Sum64(data []byte) uint64 { return xxhash.Sum64(data) }
