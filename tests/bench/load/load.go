// Package load makes calls and measures how they are answered: Motan and HTTP, in a closed loop (the next call when one
// is answered) or in an open one (calls at a rate, whatever the answers do). It is made to cost little: requests are
// prepared bytes, everything that one read allows is written at once, and nothing is allocated for a call.
//
// Every answer is checked: whom it answers, its length, its first bytes.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/motand/motand/tests/bench/latency"
)

// grace is how long calls in flight may take when the time of a load is over, and how long a dial may take.
const grace = 15 * time.Second

// Target is where to connect to: the network tcp or unix, and the address as net.Dial takes it.
type Target struct{ Network, Address string }

// String is the address in the form of a message.
func (t Target) String() string { return t.Network + " " + t.Address }

// Result is what a load has seen.
type Result struct {
	Calls   uint64             // answered as they should be
	Errors  uint64             // answered with an exception or a status other than 200
	Elapsed time.Duration      // from the first dial to the last answer
	Latency *latency.Histogram // of the calls answered as they should be
}

// Rate is how many calls were answered each second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Calls) / r.Elapsed.Seconds()
}

// add adds what one connection has seen.
func (r *Result) add(o *Result) {
	r.Calls += o.Calls
	r.Errors += o.Errors
	r.Latency.Merge(o.Latency)
}

func newResult() *Result { return &Result{Latency: new(latency.Histogram)} }

// tooManyErrors ends a load: a target that only fails would otherwise be asked as fast as it can say so.
const tooManyErrors = 10_000

// parallel runs work n times at once and joins what each has seen. The first error ends all, as the end of ctx does.
// Each run gets a context that ends grace after the time d.
func parallel(ctx context.Context, n int, d time.Duration, work func(ctx context.Context, i int, r *Result) error) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d+grace)
	defer cancel()
	start := time.Now()
	results := make([]*Result, n)
	errs := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		results[i] = newResult()
		wait.Go(func() { // ends with work, which ends with ctx
			if errs[i] = work(ctx, i, results[i]); errs[i] != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	all := newResult()
	all.Elapsed = time.Since(start)
	for _, r := range results {
		all.add(r)
	}
	return all, first(errs)
}

// first is the error that says most: not one that only tells that another run has failed.
func first(errs []error) error {
	var other error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		if other == nil {
			other = err
		}
	}
	return other
}

// dial connects; the end of ctx closes the connection. Who calls dial calls done when the connection is no longer needed.
func dial(ctx context.Context, t Target) (conn net.Conn, done func(), err error) {
	conn, err = new(net.Dialer).DialContext(ctx, t.Network, t.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("load: connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() {
		stop()
		conn.Close()
	}, nil
}

// failed makes an error of a connection one that says when it was because ctx has ended.
func failed(ctx context.Context, what string, err error) error {
	if cause := ctx.Err(); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return fmt.Errorf("load: %s: no answer within %s after the end of the load", what, grace)
		}
		return cause
	}
	return fmt.Errorf("load: %s: %w", what, err)
}
