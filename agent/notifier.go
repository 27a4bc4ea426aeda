package agent

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/motand/motand/agent/systemd"
)

// notifier tells systemd how the agent is. Without systemd it does nothing.
type notifier struct {
	tell   func(lines ...string) error
	every  time.Duration               // systemd has to hear of us so often; 0: it need not
	alive  func(context.Context) error // whether calls are answered
	status func() string
	log    *slog.Logger
}

// statusEvery is how often the status line is renewed.
const statusEvery = 10 * time.Second

func (a *Agent) newNotifier() notifier {
	every, err := systemd.Watchdog()
	if err != nil {
		a.log.Warn("agent: the watchdog of systemd is not fed", "err", err)
	}
	return notifier{tell: systemd.Notify, every: every, alive: a.alive, status: a.status, log: a.log}
}

// say tells systemd the lines. That it cannot be told is no reason not to serve.
func (n *notifier) say(lines ...string) {
	if err := n.tell(lines...); err != nil {
		n.log.Warn("agent: systemd is not told how the agent is", "lines", lines, "err", err)
	}
}

// ready says that the agent serves, for the first time or after reading its configuration.
func (n *notifier) ready() { n.say("READY=1", "STATUS="+n.status()) }

// run renews the status line and says that the agent lives, until ctx ends. It stops saying so while calls are not
// answered, so that systemd starts another one.
func (n *notifier) run(ctx context.Context) {
	tick := statusEvery
	if n.every > 0 {
		tick = min(tick, n.every/3)
	}
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		if n.every > 0 {
			n.watch(ctx, tick)
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			n.say("STATUS=" + n.status())
		}
	}
}

// watch checks whether the agent lives, and says so.
func (n *notifier) watch(ctx context.Context, patience time.Duration) {
	check, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := n.alive(check)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.log.Error("agent: calls are not answered, systemd is not told that the agent lives", "err", err)
	default:
		n.say("WATCHDOG=1")
	}
}

// status is the agent in a line.
func (a *Agent) status() string {
	if a.stopping.Load() {
		return "stopping"
	}
	s := a.snapshot.Load()
	use := "in use"
	if n := a.announcer.unused(); n > 0 {
		use = strconv.Itoa(n) + " not in use"
	}
	text := fmt.Sprintf("serving %d refers, %d services (%s), %d connections", len(s.all), len(s.exported), use,
		a.motanIn.Stats.Open.Load()+a.exportIn.Stats.Open.Load())
	if n := s.pending(); n > 0 {
		text += fmt.Sprintf("; %d refers wait for the registry", n)
	}
	return text
}
