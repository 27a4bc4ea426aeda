package etcd

import (
	"math/rand/v2"
	"time"
)

const (
	burstPause    = 75 * time.Millisecond  // between the first and the second reading of a burst
	maxBurstPause = 500 * time.Millisecond // between readings of a burst that goes on
	burstOver     = time.Second            // so long without a reading, and the next notice starts a new burst
	retryPause    = 200 * time.Millisecond // after a first failure
	maxRetryPause = 30 * time.Second
)

// pace says when something may be done again: at once after a rest, ever more slowly in a burst and after failures.
type pace struct {
	notBefore time.Time
	last      time.Time     // when it was last done without failure
	burst     time.Duration // the pause after the last time
	failures  int           // in a row
}

// succeeded notes that it was done at now.
func (p *pace) succeeded(now time.Time) {
	p.failures = 0
	if p.burst == 0 || now.Sub(p.last) > burstOver {
		p.burst = burstPause
	} else {
		p.burst = min(2*p.burst, maxBurstPause)
	}
	p.last = now
	p.notBefore = now.Add(p.burst)
}

// failed notes that it could not be done at now.
func (p *pace) failed(now time.Time) {
	pause := min(retryPause<<min(p.failures, 10), maxRetryPause)
	p.failures++
	p.notBefore = now.Add(pause/2 + rand.N(pause/2+1))
}

// reset allows it at once: what stood in the way is gone.
func (p *pace) reset() {
	p.failures = 0
	p.notBefore = time.Time{}
}

// about returns d, up to a tenth shorter, so that many agents do not do the same at the same moment.
func about(d time.Duration) time.Duration {
	return d - rand.N(d/10+1)
}
