package load

import (
	"context"
	"sync"
	"time"
)

// sparseCallers is how many calls may be in flight at once; a target that needs more is measured as late as it is.
const sparseCallers = 64

// Sparse is few calls over many connections: Rate of them each second at even distances, in turn over the connections.
// Latencies count from the moment at which a call should have begun.
type Sparse struct {
	Idle     *Idle
	Request  Request
	Conns    int     // of those that Idle has, the first ones
	Rate     float64 // calls each second
	Duration time.Duration
}

// Run makes the calls and returns when all are answered. The error is that of the first that is not answered well.
func (s Sparse) Run(ctx context.Context) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type call struct {
		conn int
		due  time.Time
	}
	calls := make(chan call, sparseCallers)
	results, errs := make([]*Result, sparseCallers), make([]error, sparseCallers)
	var wait sync.WaitGroup
	for i := range sparseCallers {
		results[i] = newResult()
		wait.Go(func() { // ends with the last call, or with ctx
			for c := range calls {
				if err := s.Idle.Call(ctx, c.conn, s.Request); err != nil {
					if errs[i] == nil {
						errs[i] = failed(ctx, "sparse calls", err)
						cancel()
					}
					continue
				}
				results[i].Calls++
				results[i].Latency.Add(time.Since(c.due))
			}
		})
	}
	start := time.Now()
	gap := time.Duration(float64(time.Second) / s.Rate)
	for n := 0; ctx.Err() == nil; n++ {
		due := start.Add(time.Duration(n) * gap)
		if due.Sub(start) >= s.Duration {
			break
		}
		if d := time.Until(due); d > 0 {
			sleep(d)
		}
		calls <- call{n % s.Conns, due}
	}
	close(calls)
	wait.Wait()
	all := newResult()
	all.Elapsed = time.Since(start)
	for _, r := range results {
		all.add(r)
	}
	return all, first(errs)
}
