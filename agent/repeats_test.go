package agent

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What is said over and over is left out and counted; other messages and other levels are not touched by it.
func TestRepeats(t *testing.T) {
	var out bytes.Buffer
	h := newRepeats(slog.NewTextHandler(&out, nil))
	now := time.Unix(0, 0)
	h.said.now = func() time.Time { return now }
	log := slog.New(h)
	with := log.With("registry", "zk").WithGroup("g")
	for i := range 100 {
		log.Warn("cannot be reached", "i", i)
		with.Warn("cannot be reached", "i", i)
	}
	log.Info("cannot be reached")
	log.Warn("something else")
	if got := strings.Count(out.String(), "level=WARN msg=\"cannot be reached\""); got != repeatLines {
		t.Errorf("got %d lines, want %d", got, repeatLines)
	}
	if !strings.Contains(out.String(), "level=INFO") || !strings.Contains(out.String(), "something else") {
		t.Errorf("got\n%s\nwant the other two as well", out.String())
	}
	out.Reset()
	now = now.Add(repeatPeriod)
	log.Warn("cannot be reached")
	if want := "left_out_before=180"; !strings.Contains(out.String(), want) {
		t.Errorf("later: got %s, want %s", out.String(), want)
	}
	for i := range 3 * maxMessages {
		log.Info(strings.Repeat("x", i))
	}
	if n := len(h.said.last); n > maxMessages {
		t.Errorf("%d messages are remembered, want at most %d", n, maxMessages)
	}
}
