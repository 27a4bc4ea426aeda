package cluster

import (
	"math/rand/v2"

	"github.com/motand/motand/motan"
)

// coldest is the share of its calls that a node gets at first.
const coldest = 0.1

// warm tells whether a call that the balance has given to e may go there: always for one that has been there for SlowStart,
// with the probability of its age for one that is new. The balance is asked again for those that may not, so the calls go
// to the others in its own way; where all are new they are told apart by nothing but chance.
func (k *Cluster) warm(e *Endpoint, now int64) bool {
	v := e.vitals()
	if v == nil {
		return true
	}
	born := v.born.Load()
	if born == 0 {
		return true
	}
	age := float64(now-born) / float64(k.settings.SlowStart)
	if age >= 1 {
		v.born.Store(0)
		return true
	}
	return rand.Float64() < max(age, coldest)
}

// bear notes that e begins its slow start.
func (k *Cluster) bear(v *vitals, now int64) {
	if k.settings.SlowStart > 0 {
		v.born.Store(max(now, 1))
	}
}

// greet has those of endpoints that were not among old ones begin slowly. Those of a first list do not: all calls are theirs.
func (k *Cluster) greet(old, endpoints []Endpoint) {
	if k.settings.SlowStart == 0 || len(old) == 0 {
		return
	}
	were := make(map[*motan.Client]struct{}, len(old))
	for i := range old {
		were[old[i].client] = struct{}{}
	}
	now := motan.Now()
	for i := range endpoints {
		if _, ok := were[endpoints[i].client]; !ok {
			k.bear(endpoints[i].remember(), now)
		}
	}
}
