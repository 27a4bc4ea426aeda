package cluster

import (
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

const (
	lastCalls = 30 * time.Second       // how long a client that nobody refers to any more may take to finish its calls
	quietTime = 200 * time.Millisecond // how long it must be without one: a call may just have chosen it
	quietTick = 20 * time.Millisecond
)

// retirement is the clients that nobody refers to any more: each is closed when its last calls have
// ended. One goroutine looks after all of them, since a registry may take away thousands at once.
// The zero value is ready; it is not used after close.
type retirement struct {
	mu     sync.Mutex
	coming []retired     // guarded by mu; not yet seen by the goroutine
	closed chan struct{} // guarded by mu; closed by close; nil while there was no goroutine
	runs   bool          // guarded by mu; the goroutine
	done   sync.WaitGroup
}

type retired struct {
	client       *motan.Client
	begin, quiet time.Time // when it retired, and since when it has been without calls
}

// add has client closed when it was without calls for quietTime, but not beyond lastCalls or close.
func (r *retirement) add(client *motan.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.coming = append(r.coming, retired{client, now, now})
	if r.runs {
		return
	}
	r.runs = true
	if r.closed == nil {
		r.closed = make(chan struct{})
	}
	closed := r.closed
	r.done.Go(func() { r.run(closed) }) // ends with the last client, or by close
}

// close closes all clients at once and waits for that.
func (r *retirement) close() {
	r.mu.Lock()
	if r.closed != nil {
		close(r.closed)
		r.closed = nil
	}
	r.mu.Unlock()
	r.done.Wait()
}

func (r *retirement) run(closed <-chan struct{}) {
	tick := time.NewTicker(quietTick)
	defer tick.Stop()
	over := false
	for all := r.take(nil); len(all) > 0; all = r.take(all) {
		select {
		case <-tick.C:
		case <-closed:
			over = true
		}
		now, left := time.Now(), all[:0]
		for _, c := range all {
			if c.client.InFlight() > 0 {
				c.quiet = now
			}
			if over || now.Sub(c.quiet) >= quietTime || now.Sub(c.begin) >= lastCalls {
				c.client.Close()
			} else {
				left = append(left, c)
			}
		}
		clear(all[len(left):])
		all = left
	}
}

// take returns all with those that have come meanwhile; with none at all the goroutine has to end.
func (r *retirement) take(all []retired) []retired {
	r.mu.Lock()
	defer r.mu.Unlock()
	all = append(all, r.coming...)
	r.coming = nil
	r.runs = len(all) > 0
	return all
}
