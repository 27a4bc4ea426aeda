package filters

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// Fleet is how many agents serve a service together, or call it, for limits that they share. It may be used by many goroutines at once.
type Fleet struct {
	// Demand is called when a filter wants the number, from then on again and again; nil where nobody can tell it.
	Demand func()

	size atomic.Pointer[fleetSize] // nil while nobody has told it
}

// fleetSize moves from one number to another.
type fleetSize struct {
	from, to float64
	since    int64
}

// fleetCalm is how long it takes until the others' share is taken over when agents go: lists of a registry get short for a
// moment more easily than they get long.
const fleetCalm = int64(10 * time.Second)

// Tell sets the number. None is not believed: whoever asks is there.
func (f *Fleet) Tell(agents int) {
	if agents < 1 {
		return
	}
	now := motan.Now()
	f.size.Store(&fleetSize{from: max(f.at(now), 1), to: float64(agents), since: now})
}

// Agents is the number at the moment, in whole ones; 1 while it is not known.
func (f *Fleet) Agents() int { return int(f.at(motan.Now())) }

// at is the number at a time: 1 while it is not known. More agents count at once, fewer after a while.
func (f *Fleet) at(now int64) float64 {
	s := f.size.Load()
	switch {
	case s == nil:
		return 1
	case s.to >= s.from || now-s.since >= fleetCalm:
		return s.to
	}
	return s.from + (s.to-s.from)*float64(now-s.since)/float64(fleetCalm)
}

// over is r for one of so many agents.
func (r rate) over(agents float64) rate {
	r.interval = int64(float64(r.interval) * agents)
	r.burst = max(r.burst, r.interval) // as long as before, with fewer tokens in it, but at least one
	return r
}
