package traffic

import (
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// share chooses a part of the calls that fit a rule: by chance, or by the hash of a key, so that the same key is always on
// the same side while the share only grows, here, on other hosts and after a restart.
type share struct {
	percent float64 // where there is no ramp
	state   *State  // of the ramp; nil for none
	sticky  *subject
	salt    uint64 // of the rule's name: two rules choose different keys
}

func newShare(x *conf.TrafficRule, state *State) share {
	s := share{percent: x.Percent, salt: xxhash.Sum64String(x.Name)}
	if x.Ramp != nil {
		s.state = state
	}
	switch {
	case x.Sticky.Argument:
		s.sticky = &subject{kind: argument, key: x.Sticky.Key, place: parsePlace(x.Sticky.Key)}
	case x.Sticky.Key != "":
		s.sticky = &subject{kind: metadata, key: x.Sticky.Key}
	}
	return s
}

// parts is how finely calls are told apart: into millionths.
const parts = 1_000_000

// luck is a number by chance, drawn when it is needed and then the same for a call.
type luck uint64

func (l *luck) draw() uint64 {
	if *l == 0 {
		*l = luck(rand.Uint64() | 1)
	}
	return uint64(*l)
}

// takes tells whether c is in the share. The hash is that of its key, or chance where it has none.
func (s *share) takes(c *motan.Call, chance *luck, room *desk) (hash uint64, in bool) {
	percent := s.percent
	if s.state != nil {
		percent = s.state.percent()
	}
	if percent <= 0 {
		return 0, false
	}
	hash = s.hash(c, chance, room)
	return hash, hash%parts < uint64(percent*(parts/100))
}

func (s *share) hash(c *motan.Call, chance *luck, room *desk) uint64 {
	if s.sticky != nil {
		if key, ok := s.sticky.value(c, room.forRule()); ok {
			return mix(xxhash.Sum64(key) ^ s.salt)
		}
	}
	return mix(chance.draw() ^ s.salt)
}

// mix makes another number of x, the same always (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
