package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
)

// The watchdog is fed while calls are answered, and no longer once they hang; the status line is renewed all the same.
func TestNotifierWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive, fed, said atomic.Int64
		var hangs atomic.Bool
		n := notifier{
			every: 6 * time.Second, status: func() string { return "all well" }, log: slog.New(slog.DiscardHandler),
			tell: func(lines ...string) error {
				switch strings.Join(lines, "\n") {
				case "WATCHDOG=1":
					fed.Add(1)
				case "STATUS=all well":
					said.Add(1)
				}
				return errors.New("no systemd here")
			},
			alive: func(ctx context.Context) error {
				if hangs.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				alive.Add(1)
				return nil
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { n.run(ctx); close(done) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if fed.Load() != alive.Load() || alive.Load() < 20 || said.Load() < 20 {
			t.Errorf("fed %d times, status told %d times, after %d checks", fed.Load(), said.Load(), alive.Load())
		}
		hangs.Store(true)
		before, told := fed.Load(), said.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		if fed.Load() != before || said.Load() < told+10 {
			t.Errorf("while calls hang: fed %d times, status told %d times, before it %d and %d", fed.Load(), said.Load(), before, told)
		}
		cancel()
		<-done
	})
}

// An agent that answers is alive, also where a listener turns connections away; one whose routes hang is not.
func TestAlive(t *testing.T) {
	c := parse(t, Default(), "", directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct}\n")
	c.Agent.MaxConnections = 1
	a := start(t, c, Default())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := a.alive(ctx); err != nil {
		t.Errorf("got %v, want that it lives", err)
	}
	a.dial()
	if err := a.alive(ctx); err != nil {
		t.Errorf("with all connections taken: got %v, want that it lives", err)
	}
	hangs := &route{refer: c.Refers[0], cluster: new(cluster.Cluster), handler: motan.HandlerFunc(func(*motan.Call) {})}
	r := &routes{byService: map[string][]*route{checkService: {hangs}}}
	a.routes.Store(r)
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if err := a.alive(short); err == nil || !strings.Contains(err.Error(), "routes do not answer") {
		t.Errorf("with routes that hang: got %v", err)
	}
}
