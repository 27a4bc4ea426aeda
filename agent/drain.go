package agent

import (
	"context"
	"sync"
	"time"
)

// drain ends service without losing a call: first nobody finds us, then nobody new gets in,
// then what is in flight is finished. Meanwhile calls to other hosts go to the nodes that were
// known when the registries were left.
func (a *Agent) drain(force <-chan struct{}) {
	a.changing.Lock()
	a.stopping.Store(true)
	a.changing.Unlock()
	c := &a.snapshot.Load().config.Agent
	a.notifier.say("STOPPING=1", "STATUS=stopping")
	a.log.Info("agent: stopping", "grace", c.GracePeriod)
	ctx, cancel := context.WithTimeout(context.Background(), c.PropagationDelay+c.GracePeriod)
	defer cancel()
	stopped := make(chan struct{})
	go func() { // ends with this drain
		select {
		case <-force:
			cancel()
		case <-stopped:
		}
	}()
	a.snapshot.Load().withdrawCopies()
	if a.announcer.withdraw(ctx) {
		select {
		case <-time.After(c.PropagationDelay): //nolint:forbidigo // once, at the end
		case <-ctx.Done():
		}
	}
	var wait sync.WaitGroup
	stop := func(name string, shutdown func(context.Context) error) {
		wait.Go(func() {
			if err := shutdown(ctx); err != nil {
				a.log.Warn("agent: calls were cut off at the end of the grace period", "listener", name, "err", err)
			}
		})
	}
	stop("motan", a.motanIn.Shutdown)
	stop("http", a.httpIn.Shutdown)
	// Programs here may call services here: their calls come in on the export ports, which
	// therefore stay until those calls have ended.
	wait.Wait()
	a.demands.close()
	stop("export", a.exportIn.Shutdown)
	wait.Wait()
	words, done := context.WithTimeout(context.Background(), lastWords)
	defer done()
	leave(words, a.snapshot.Load().registries, a.log)
	a.management.close()
	close(stopped)
	a.serving.Wait()
	a.log.Info("agent: stopped", "after", time.Since(a.started).Round(time.Millisecond))
}

// retire ends what is left when another process has everything: sessions whose nodes are its by now, connections that
// could not be handed over.
func (a *Agent) retire() {
	a.changing.Lock()
	a.stopping.Store(true)
	a.changing.Unlock()
	words, done := context.WithTimeout(context.Background(), lastWords)
	defer done()
	leave(words, a.snapshot.Load().registries, a.log)
	_ = a.motanIn.Close() // waits, and has no other error
	_ = a.exportIn.Close()
	now, cancel := context.WithCancel(words)
	cancel()
	_ = a.httpIn.Shutdown(now) // those that are left were told of
	a.management.finish(words)
	a.serving.Wait()
	a.log.Info("agent: stopped, another process has taken over", "after", time.Since(a.started).Round(time.Millisecond))
}

// free gives back everything that New and Run have taken.
func (a *Agent) free() {
	if a.cancel != nil {
		a.cancel()
	}
	if a.listeners != nil {
		a.listeners.close()
	}
	if s := a.snapshot.Load(); s != nil {
		s.close()
	}
	if a.compiler != nil {
		a.compiler.close()
	}
	a.locks.release()
	a.given.close()
	if a.logs != nil {
		a.logs.end()
	}
}
