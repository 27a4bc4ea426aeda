package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/motand/motand/conf"
)

// health checks the local provider of one exported service, over and over. The first check
// counts at once; later it takes several in a row to change its mind.
type health struct {
	service *conf.Service
	probe   Probe
	log     *slog.Logger

	mu      sync.Mutex
	state   healthState   // guarded by mu
	row     int           // guarded by mu; checks in a row that contradict state
	cancel  func()        // guarded by mu; nil before start and after stop
	stopped chan struct{} // guarded by mu; closed when the checks have ended
}

// healthState is what is known of a provider.
type healthState struct {
	Known  bool // there was a check
	Passes bool
	Since  time.Time // of Passes
	Error  string    // of the last check, "" where it passed
}

func newHealth(s *conf.Service, p Probe, log *slog.Logger) *health {
	return &health{service: s, probe: p, log: log}
}

// start checks until ctx or stop ends it, and calls changed after each change of state. Where
// the checks run already it does nothing.
func (h *health) start(ctx context.Context, changed func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel != nil {
		return
	}
	ctx, h.cancel = context.WithCancel(ctx)
	h.stopped = make(chan struct{})
	go h.run(ctx, changed, h.stopped) // ends with ctx
}

// stop ends the checks and waits for that.
func (h *health) stop() {
	h.mu.Lock()
	cancel, stopped := h.cancel, h.stopped
	h.mu.Unlock()
	if cancel != nil {
		cancel()
		<-stopped
	}
}

func (h *health) run(ctx context.Context, changed func(), stopped chan<- struct{}) {
	defer close(stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		check, cancel := context.WithTimeout(ctx, h.service.Health.Timeout)
		err := h.probe.Probe(check)
		cancel()
		if ctx.Err() != nil {
			return // what the check says comes from its being cut off
		}
		if h.count(err) {
			changed()
		}
		timer.Reset(jittered(h.service.Health.Interval))
	}
}

// jittered is d with up to a fifth more or less, so that the checks of many services spread.
func jittered(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}

// count takes the outcome of a check and tells whether that changed the state.
func (h *health) count(err error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	passes := err == nil
	h.state.Error = ""
	if err != nil {
		h.state.Error = err.Error()
	}
	if h.state.Known && passes == h.state.Passes {
		h.row = 0
		return false
	}
	h.row++
	enough := h.service.Health.Fall
	if passes {
		enough = h.service.Health.Rise
	}
	if h.state.Known && h.row < enough {
		return false
	}
	h.state.Known, h.state.Passes, h.state.Since, h.row = true, passes, time.Now(), 0
	if passes {
		h.log.Info("agent: provider passes its health check", "service", h.service.Path, "group", h.service.Group, "address", h.service.Health.Address)
	} else {
		h.log.Warn("agent: provider fails its health check; its service is not available until it passes", "service", h.service.Path,
			"group", h.service.Group, "address", h.service.Health.Address, "check", h.service.Health.Kind, "err", err)
	}
	return true
}

// passes tells whether the service may be available. A nil health is that of a service
// without a check.
func (h *health) passes() bool { return h == nil || h.now().Passes }

// now is the state of the moment.
func (h *health) now() healthState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}
