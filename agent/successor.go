package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/motand/motand/agent/handover"
	"github.com/motand/motand/registry"
)

const (
	lockName = "lock" // what a lock is called among the sockets
	// listsTime is how long the new process waits for the nodes of its refers, and announceTime for its own nodes to be
	// written. Both are shorter than the old one's patience, so that it can say what is missing.
	listsTime    = 45 * time.Second
	announceTime = serveTime - stepTime - copyTime
	copyTime     = 3 * time.Second // for copies, which are not worth an upgrade
	// graveTime is how long the old process may take to end when it has nothing left.
	graveTime = 30 * time.Second
	// lookEvery is how often it is looked at whether something has come about.
	lookEvery = 5 * time.Millisecond
)

// successor is an agent's way into the place of another process.
type successor struct {
	channel *handover.Channel
	bequest bequest
}

// inheritAgent takes what the process has that has started this one to take its place; nil where there is none.
func inheritAgent() (*inheritance, error) {
	channel, err := handover.Inherited()
	if channel == nil {
		return nil, err
	}
	h := &inheritance{successor: &successor{channel: channel}}
	by := time.Now().Add(tellTime)
	if err := channel.Send(by, handover.KindHello, handover.Hello{Program: Version, PID: os.Getpid()}, nil); err != nil {
		return nil, err
	}
	for {
		m, err := channel.Receive(by)
		if err == nil && m.Kind == handover.KindPrepare {
			return h, nil
		}
		if err == nil {
			err = h.add(m)
		}
		if err != nil {
			h.close()
			_ = channel.Close() // the other side notices
			return nil, fmt.Errorf("agent: take over from another process: %w", err)
		}
	}
}

// add takes one thing that is handed over.
func (h *inheritance) add(m handover.Message) error {
	var s handover.Socket
	switch {
	case m.Kind == handover.KindState:
		return m.Read(&h.successor.bequest)
	case m.Kind != handover.KindSocket || m.File == nil:
		return fmt.Errorf("message %d is not expected now", m.Kind)
	}
	if err := m.Read(&s); err != nil {
		_ = m.File.Close()
		return err
	}
	if s.Name == lockName {
		h.locks = append(h.locks, m.File)
	} else {
		h.sockets = append(h.sockets, inherited{s, m.File})
	}
	return nil
}

// refuse tells the old process why this one cannot take over. It goes on then, and ends this one: what was announced
// meanwhile must not be withdrawn before it has it again.
func (h *inheritance) refuse(cause error) {
	if h == nil || h.successor == nil {
		return
	}
	c := h.successor.channel
	defer func() { _ = c.Close() }()
	by := time.Now().Add(stepTime)
	if c.Send(by, handover.KindRefused, handover.Refusal{Reason: cause.Error()}, nil) == nil {
		_, _ = c.Receive(by) // its end, which comes first where all is well
	}
}

// takeOver serves in the place of the old process, and returns when that has ended or ctx has. On an error nothing has
// been served.
func (a *Agent) takeOver(ctx, life context.Context) error {
	x := a.given.successor
	defer context.AfterFunc(ctx, func() { _ = x.channel.Close() })()
	if err := a.prepare(life); err != nil {
		return err
	}
	if err := a.awaitNodes(ctx, x.bequest.Unknown); err != nil {
		return err
	}
	if err := x.channel.Send(time.Now().Add(stepTime), handover.KindReady, nil, nil); err != nil {
		return err
	}
	if m, err := x.channel.Receive(time.Now().Add(serveTime)); err != nil || m.Kind != handover.KindServe {
		return errors.Join(errors.New("agent: the old process goes on"), err)
	}
	if err := a.announceInstead(ctx, x.bequest.Announced); err != nil {
		return err
	}
	a.copyInstead(ctx, x.bequest.Copies)
	a.given.close() // what the configuration does not name any more is closed when the old process ends
	for _, x := range a.listeners.all() {
		a.accept(x)
	}
	err := x.channel.Send(time.Now().Add(stepTime), handover.KindServing, nil, nil)
	if err == nil {
		err = a.receive(x.channel)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("agent: the old process has not handed over all of its connections", "err", err)
	}
	for _, r := range a.snapshot.Load().registries {
		if y, ok := registry.As[registry.Yielder](r); ok {
			y.Keep() // and makes again what was the old one's alone
		}
	}
	a.locks.sign()
	for _, s := range a.compiler.stores {
		s.Release()
	}
	a.thaw()
	return nil
}

// awaitNodes waits until the nodes of every refer are known, except those that the old process did not know either.
func (a *Agent) awaitNodes(ctx context.Context, unknown []string) error {
	ctx, cancel := context.WithTimeout(ctx, listsTime)
	defer cancel()
	missing := func() []string {
		return slices.DeleteFunc(a.snapshot.Load().unknown(), func(id string) bool { return slices.Contains(unknown, id) })
	}
	if err := look(ctx, func() bool { return len(missing()) == 0 }); err != nil {
		return fmt.Errorf("agent: no nodes are known of refers whose nodes the old process knows: %.1024s", strings.Join(missing(), ", "))
	}
	return nil
}

// announceInstead announces what this process serves, and waits until those registries have it that the old process has
// told of its services.
func (a *Agent) announceInstead(ctx context.Context, had map[string]int) error {
	if err := writePID(a.snapshot.Load().config.Agent.PIDFile); err != nil {
		return err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if err := a.announcer.start(a.life); err != nil {
		return err
	}
	a.show(a.snapshot.Load())
	a.snapshot.Load().copy(a.life, a.compiler)
	ctx, cancel := context.WithTimeout(ctx, announceTime)
	defer cancel()
	missing := ""
	if err := look(ctx, func() bool {
		missing = ""
		for id, state := range a.registryStates() {
			for _, n := range state.Announced {
				if had[id] > 0 && !n.Written {
					missing = fmt.Sprintf("registry %s, %s: %s", id, n.Path, state.LastError)
				}
			}
		}
		return missing == ""
	}); err != nil {
		return fmt.Errorf("agent: what the old process has announced cannot be announced within %v: %s", announceTime, missing)
	}
	return nil
}

// copyInstead waits until what the old process has copied between registries is this one's. It does so for a while only: callers
// miss a copy that comes later for a moment, and the configuration may choose others than before.
func (a *Agent) copyInstead(ctx context.Context, had map[string]int) {
	ctx, cancel := context.WithTimeout(ctx, copyTime)
	defer cancel()
	if look(ctx, func() bool {
		for _, x := range a.snapshot.Load().syncs {
			if x.value.relay.State().There() < had[x.value.sync.ID] {
				return false
			}
		}
		for _, state := range a.registryStates() {
			if slices.ContainsFunc(state.Announced, func(n registry.AnnounceState) bool { return !n.Written }) {
				return false
			}
		}
		return true
	}) != nil {
		a.log.Warn("agent: some copies of registry-sync will be missing for a moment: they could not be announced again in time", "within", copyTime)
	}
}

// look waits until condition holds, or returns the error of ctx.
func look(ctx context.Context, condition func() bool) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// receive takes the connections of the old process until that has ended.
func (a *Agent) receive(c *handover.Channel) error {
	patience := time.Time{} // the old process has its own
	for last := false; ; {
		m, err := c.Receive(patience)
		switch {
		case last && errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Kind == handover.KindConnection && m.File != nil:
			if err := a.receiveConnection(m); err != nil {
				return err
			}
			err = c.Send(time.Now().Add(stepTime), handover.KindReceived, nil, nil)
		case m.Kind == handover.KindLast:
			last, patience = true, time.Now().Add(graveTime)
			err = c.Send(time.Now().Add(stepTime), handover.KindDone, nil, nil)
		default:
			err = fmt.Errorf("message %d is not expected now", m.Kind)
		}
		if err != nil {
			return err
		}
	}
}

// receiveConnection serves a connection that was handed over.
func (a *Agent) receiveConnection(m handover.Message) error {
	var x handover.Connection
	err := m.Read(&x)
	var conn net.Conn
	if err == nil {
		conn, err = net.FileConn(m.File) // a copy
	}
	_ = m.File.Close()
	if err != nil {
		return err
	}
	a.adopt(x.Server, conn, x.Unread)
	return nil
}
