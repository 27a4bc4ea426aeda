package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/motand/motand/agent/handover"
	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/registry"
)

// How long each step of an upgrade may take. Whatever takes longer is given up, and this process goes on.
const (
	helloTime   = 20 * time.Second // the new process to start
	tellTime    = 10 * time.Second // what is under way for the registries and the disk to end
	serveTime   = 20 * time.Second // it to be announced in the registries and to accept
	stepTime    = 5 * time.Second  // it to take one thing
	defaultWait = time.Minute      // it to be ready: to read its configuration, to know the nodes of every refer
)

// upgradeTime is longer than all of them take that do not depend on the new process's being ready, with a grace period.
const upgradeTime = 10 * time.Minute

// ackWindow is how many connections may be under way to the new process.
const ackWindow = 64

// upgrades counts the attempts to hand over to another process that came to nothing; of one that did not, nobody can ask.
type upgrades struct{ failed atomic.Int64 }

func (u *upgrades) figure() metrics.Figure {
	return counter("motand_upgrades_failed_total", "Upgrades after which this process went on.", func() float64 { return float64(u.failed.Load()) })
}

// errUpgrading is the answer to changes, and to further upgrades, while one is under way.
var errUpgrading = errors.New("agent: an upgrade is under way; try again when it has ended")

// upgradeRequest is what motand upgrade asks for.
type upgradeRequest struct {
	Binary string        `json:"binary,omitempty"` // empty: the file that this process was started from
	Wait   time.Duration `json:"wait,omitempty"`   // for the new process to be ready; 0 means a minute
}

// succession is an upgrade: this process hands over to a new one what it has, step by step.
type succession struct {
	agent   *Agent
	log     *slog.Logger
	heir    *heir
	paused  *inheritance // the listening sockets, once nothing is accepted any more
	yielded []registry.Yielder

	mu    sync.Mutex
	given []givenConn // guarded by mu; in case that they come back
	open  int         // guarded by mu; connections sent whose arrival was not told yet
}

// givenConn is a connection that the new process has. It stays open here, so that it outlives that.
type givenConn struct {
	server string
	conn   net.Conn
	unread []byte
}

// upgrade starts a new process and hands everything over to it. Without an error this process has nothing left, and Run
// ends; else it goes on as before. One upgrade happens at a time.
func (a *Agent) upgrade(ctx context.Context, r upgradeRequest) (pid int, err error) {
	if !a.succeeding.TryLock() {
		return 0, errUpgrading
	}
	defer a.succeeding.Unlock()
	if !a.freeze() {
		return 0, errUpgrading
	}
	began := time.Now()
	x := &succession{agent: a, log: a.log}
	if err := x.run(ctx, r); err != nil {
		x.takeBack()
		a.thaw()
		a.upgrades.failed.Add(1)
		a.log.Error("agent: upgrade failed, this process goes on", "err", err, "after", time.Since(began).Round(time.Millisecond))
		return 0, err
	}
	a.notifier.say("MAINPID=" + strconv.Itoa(x.heir.pid()))
	a.log.Info("agent: upgraded, the new process serves", "pid", x.heir.pid(), "connections", len(x.given), "after", time.Since(began).Round(time.Millisecond))
	close(a.succeeded)
	return x.heir.pid(), nil
}

// freeze has nothing changed any more; false where that is so already, or the agent stops.
func (a *Agent) freeze() bool {
	a.altering.Lock() // waits for changes under way
	defer a.altering.Unlock()
	a.changing.Lock()
	defer a.changing.Unlock()
	return !a.stopping.Load() && a.life != nil && a.upgrading.CompareAndSwap(false, true)
}

func (a *Agent) thaw() { a.upgrading.Store(false) }

// run takes the steps in their order.
func (x *succession) run(ctx context.Context, r upgradeRequest) error {
	if r.Wait <= 0 {
		r.Wait = defaultWait
	}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"start the new process", func(ctx context.Context) error { return x.start(ctx, r.Binary) }},
		{"tell it what there is", x.tell},
		{"wait for it to be ready", func(context.Context) error { return x.heir.expect(handover.KindReady, r.Wait) }},
		{"leave the registries to it", x.yield},
		{"have it serve", x.serve},
		{"hand the connections over", x.handOver},
		{"end", x.last},
	}
	for _, s := range steps {
		err := s.do(ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("agent: upgrade: %s: %w", s.what, err)
		}
	}
	return nil
}

// start starts the new process.
func (x *succession) start(ctx context.Context, binary string) (err error) {
	if x.heir, err = newHeir(ctx, binary); err != nil {
		return err
	}
	m, err := x.heir.receive(handover.KindHello, helloTime)
	if err != nil {
		return err
	}
	var hello handover.Hello
	if err := m.Read(&hello); err != nil {
		return err
	}
	x.log.Info("agent: upgrade begins", "binary", x.heir.path, "pid", x.heir.pid(), "version", Version, "new_version", hello.Program)
	return nil
}

// tell sends what this process knows, its listening sockets and its locks.
func (x *succession) tell(context.Context) error {
	a, send := x.agent, x.heir.send
	a.changing.Lock()
	b := a.bequeath()
	a.changing.Unlock()
	if err := send(handover.KindState, b, nil); err != nil {
		return err
	}
	for _, x := range a.listeners.all() {
		c, ok := x.listener.(syscall.Conn)
		if !ok {
			return fmt.Errorf("socket %s cannot be handed over", x.Name)
		}
		if err := send(handover.KindSocket, x.Socket, c); err != nil {
			return err
		}
	}
	for _, f := range a.locks {
		if err := send(handover.KindSocket, handover.Socket{Name: lockName}, f); err != nil {
			return err
		}
	}
	return send(handover.KindPrepare, nil, nil)
}

// yield leaves what is announced, and the lists on disk, to the new process.
func (x *succession) yield(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	for _, r := range x.agent.snapshot.Load().registries {
		if y, ok := registry.As[registry.Yielder](r); ok {
			x.yielded = append(x.yielded, y)
			if err := y.Yield(ctx); err != nil {
				return err
			}
		}
	}
	for _, s := range x.agent.compiler.stores {
		if err := s.Hold(ctx); err != nil {
			return err
		}
	}
	return nil
}

// serve has the new process accept, and then nothing accepted here any more: at each moment somebody does.
func (x *succession) serve(context.Context) (err error) {
	if err := x.heir.send(handover.KindServe, nil, nil); err != nil {
		return err
	}
	if err := x.heir.expect(handover.KindServing, serveTime); err != nil {
		return err
	}
	if x.paused, err = x.agent.listeners.pause(); err != nil {
		return err
	}
	x.agent.accepting.Wait()
	return nil
}

// handOver gives the established connections to the new process, each when all of its calls are answered. Those that do not
// come to that within the grace period are closed at the end.
func (x *succession) handOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, x.agent.snapshot.Load().config.Agent.GracePeriod)
	defer cancel()
	var wait sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, s := range x.agent.servers() {
		wait.Go(func() {
			err := s.handOver(ctx, func(conn net.Conn, unread []byte) error { return x.give(givenConn{s.name, conn, unread}) })
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
				x.log.Warn("agent: connections whose calls take longer than the grace period are closed instead of handed over", "listener", s.name)
				return
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				cancel() // the others need not wait
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// give sends a connection to the new process.
func (x *succession) give(g givenConn) error {
	c, ok := g.conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a connection of type %T cannot be handed over", g.conn)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open == ackWindow {
		if err := x.settle(); err != nil {
			return err
		}
	}
	if err := x.heir.send(handover.KindConnection, handover.Connection{Server: g.server, Unread: g.unread}, c); err != nil {
		return err
	}
	x.open++
	x.given = append(x.given, g)
	return nil
}

// settle waits until all connections that were sent have arrived. Caller holds mu.
func (x *succession) settle() error {
	for ; x.open > 0; x.open-- {
		if err := x.heir.expect(handover.KindReceived, stepTime); err != nil {
			return err
		}
	}
	return nil
}

// last ends the hand-over.
func (x *succession) last(context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.settle(); err != nil {
		return err
	}
	if err := x.heir.send(handover.KindLast, nil, nil); err != nil {
		return err
	}
	return x.heir.expect(handover.KindDone, stepTime)
}

// takeBack ends the new process and goes on with everything that it was given.
func (x *succession) takeBack() {
	if x.heir != nil {
		x.heir.kill()
	}
	a := x.agent
	if x.paused != nil {
		listeners, err := a.listeners.resume(x.paused)
		for _, x := range listeners {
			a.accept(x)
		}
		if err != nil {
			a.fail(fmt.Errorf("agent: after an upgrade that failed: %w", err))
		}
	}
	for _, g := range x.given {
		a.adopt(g.server, g.conn, g.unread)
	}
	for _, y := range x.yielded {
		y.Keep()
	}
	for _, s := range a.compiler.stores {
		s.Release()
	}
	a.locks.sign()
	if err := writePID(a.snapshot.Load().config.Agent.PIDFile); err != nil {
		x.log.Error("agent: after an upgrade that failed", "err", err)
	}
}

// server is one of the agent's servers of calls.
type server struct {
	name     string
	handOver func(context.Context, func(net.Conn, []byte) error) error
}

// servers are those whose connections are handed over.
func (a *Agent) servers() []server {
	return []server{{"motan", a.motanIn.HandOver}, {"export", a.exportIn.HandOver}, {"http", func(ctx context.Context, give func(net.Conn, []byte) error) error {
		return a.httpIn.HandOver(ctx, func(conn net.Conn) error { return give(conn, nil) })
	}}}
}

// adopt serves a connection of another process. One that nobody serves any more is closed.
func (a *Agent) adopt(server string, conn net.Conn, unread []byte) {
	switch {
	case server == "motan":
		a.motanIn.Adopt(conn, unread)
	case server == "export":
		a.exportIn.Adopt(conn, unread)
	case server == "http":
		a.httpIn.Adopt(conn)
	default:
		_ = conn.Close() // the configuration has changed
	}
}

// accept serves what comes in at x.
func (a *Agent) accept(x opened) {
	switch serverOf(x.Name) {
	case "management":
		a.serve(x, a.management.serve)
	case "motan":
		a.serve(x, a.motanIn.Serve)
	case "http":
		a.serve(x, a.httpIn.Serve)
	case "export":
		a.serve(x, a.exportIn.Serve)
	}
}

// executable is the file that this process was started from, also after it was replaced by another of that name.
func executable() (string, error) {
	path, err := os.Executable()
	return strings.TrimSuffix(path, " (deleted)"), err
}

// childEnvironment is ours without what is meant for this process alone.
func childEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains([]string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"}, name)
	})
}
