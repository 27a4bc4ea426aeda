package fastcgi

import (
	"bytes"
	"log/slog"
	"sync"
	"time"
)

const (
	stderrPeriod = time.Second
	stderrLines  = 10 // complaints that are logged in a period
)

// stderrLog logs what scripts write to their standard error: the first of a second. How many were left out is told with
// the next one.
type stderrLog struct {
	log *slog.Logger // nil logs nothing

	mu    sync.Mutex
	since time.Time // guarded by mu; the begin of the period
	lines int       // guarded by mu; in the period
	left  int       // guarded by mu; out, since one was logged
}

// tell logs what one script has written, if anything. Text may be changed.
func (l *stderrLog) tell(script string, text []byte) {
	if len(text) == 0 || l.log == nil {
		return
	}
	l.mu.Lock()
	now := time.Now()
	if now.Sub(l.since) >= stderrPeriod {
		l.since, l.lines = now, 0
	}
	l.lines++
	if l.lines > stderrLines {
		l.left++
		l.mu.Unlock()
		return
	}
	left := l.left
	l.left = 0
	l.mu.Unlock()
	l.log.Warn("fastcgi: a script complains", "script", script, "stderr", string(bytes.TrimSpace(text)), "left_out", left)
}
