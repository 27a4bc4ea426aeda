package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/motand/motand/motan"
)

// checkService is a service that nobody has.
const checkService = "motand.SelfCheck"

// alive goes the way of a call and is nil where it comes back before ctx ends: over a connection of its own to each Motan
// listener, and through the routes. An error that comes at once, such as for too many connections, is an answer as well:
// an agent that is busy is not to be ended.
func (a *Agent) alive(ctx context.Context) error {
	back := make(chan error, 2)
	go func() { back <- a.route(ctx) }() // ends when the routes answer
	go func() { back <- a.ping(ctx) }()  // ends with ctx
	for range cap(back) {
		select {
		case err := <-back:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("agent: self-check: the routes do not answer: %w", ctx.Err())
		}
	}
	return nil
}

// ping sends a heartbeat to each Motan listener.
func (a *Agent) ping(ctx context.Context) error {
	for _, x := range a.listeners.all() {
		if server := serverOf(x.Name); server == "http" || server == "management" {
			continue
		}
		if err := motan.Ping(ctx, dialable(x.listener), motan.ConnOptions{}); err != nil && ctx.Err() != nil {
			return fmt.Errorf("agent: self-check: listener %s: %w", x.Name, errors.Join(ctx.Err(), err))
		}
	}
	return nil
}

// route leads a call through the routes, which have no such service.
func (a *Agent) route(ctx context.Context) error {
	c := motan.NewCall()
	c.Request.Set("M_p", checkService)
	ended := make(edge, 1)
	c.Push(ended, 0)
	(&outbound{routes: &a.routes}).Handle(c)
	select {
	case <-ended:
		c.Release()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("agent: self-check: the routes do not answer: %w", ctx.Err())
	}
}

// edge is told of the end of its call.
type edge chan struct{}

// Return implements motan.Returner.
func (e edge) Return(*motan.Call, int) bool {
	e <- struct{}{}
	return false
}

var _ motan.Returner = edge(nil)
