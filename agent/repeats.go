package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// repeats is a log that does not say the same thing without an end: of what has the same message and level it lets
// repeatLines through in repeatPeriod, and the next one after that says how many were left out. So a thousand services that
// cannot be reached do not fill the disk. Errors of different calls differ in their attributes, not in their message.
type repeats struct {
	slog.Handler
	said *sayings // shared by handlers with further attributes
}

const (
	repeatLines  = 20
	repeatPeriod = 10 * time.Second
	maxMessages  = 1000 // that are told apart; there are fewer in the program
)

type sayings struct {
	now func() time.Time

	mu   sync.Mutex
	last map[saidKey]*saidLine // guarded by mu
}

type saidKey struct {
	message string
	level   slog.Level
}

type saidLine struct {
	since  time.Time
	lines  int
	hidden int
}

func newRepeats(h slog.Handler) *repeats {
	return &repeats{h, &sayings{now: time.Now, last: make(map[saidKey]*saidLine)}}
}

// Handle lets r through or counts it.
func (h *repeats) Handle(ctx context.Context, r slog.Record) error {
	hidden, ok := h.said.take(saidKey{r.Message, r.Level})
	if !ok {
		return nil
	}
	if hidden > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out_before", hidden))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that counts with h.
func (h *repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &repeats{h.Handler.WithAttrs(attrs), h.said}
}

// WithGroup returns a handler that counts with h.
func (h *repeats) WithGroup(name string) slog.Handler {
	return &repeats{h.Handler.WithGroup(name), h.said}
}

// take tells whether to write a line, and how many of its kind were left out before.
func (s *sayings) take(k saidKey) (hidden int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	l := s.last[k]
	if l == nil {
		if len(s.last) >= maxMessages {
			clear(s.last)
		}
		l = &saidLine{since: now}
		s.last[k] = l
	}
	if now.Sub(l.since) >= repeatPeriod {
		hidden = l.hidden
		*l = saidLine{since: now}
	}
	l.lines++
	if l.lines > repeatLines {
		l.hidden++
		return 0, false
	}
	return hidden, true
}
