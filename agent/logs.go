package agent

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
)

// logs are where the agent writes what it has to say.
type logs struct {
	log    *slog.Logger
	level  *slog.LevelVar
	access *filters.AccessLogger // not enabled when switched off
	spans  *trace.Recorder       // nil when spans go nowhere
	lost   func() int64          // lines of the log that were lost

	out                 io.Writer // main, or a buffer before it
	main, calls, audits logFile
	traces              *lumberjack.Logger // nil when spans go to no file
	form                atomic.Pointer[slog.Handler]
	hourly              atomic.Bool // files are rotated at each full hour
	noCalls             atomic.Bool // the configuration switches the access log off
	close               []func() error

	targets   logTargets // in use; of who changes the configuration
	levelName string     // of the configuration in use; likewise
}

const (
	logAdvice   = "; name a folder that can be written with -log_dir or motan-agent.log_dir, another access log with motan-agent.accessLog"
	logInterval = 10 * time.Millisecond // how long a line of the log may wait for others
	lastLines   = 3 * time.Second       // to write what is left at the end; two logs that hang take one each
	entryBytes  = 512                   // what an entry of log_buffer_size is taken to need
)

// openLogs opens the log, the access log and the audit log. x is told of the certificate of the collector of spans.
func openLogs(c *conf.Config, x *certificates) (*logs, error) {
	a := &c.Agent
	l := &logs{level: new(slog.LevelVar), lost: func() int64 { return 0 }}
	l.out = &l.main
	if err := l.try(a); err != nil {
		return nil, err
	}
	l.log = slog.New(newRepeats(&formed{by: &l.form}))
	l.access = filters.NewAccessLogger(&l.calls, filters.AccessLogOptions{Logger: l.log})
	l.close = []func() error{l.access.Close, l.calls.Close, l.audits.Close}
	if a.LogAsync {
		// Whoever has something to say does not wait for a disk or for a pipe that nobody reads.
		buffer := filters.NewAccessLogger(&l.main, filters.AccessLogOptions{
			BufferBytes: a.LogBufferSize * entryBytes, Interval: logInterval, Logger: slog.New(slog.DiscardHandler),
		})
		buffer.Start()
		l.lost = buffer.Dropped
		l.out = buffer
		l.close = append(l.close, buffer.Close)
	}
	l.close = append(l.close, l.main.Close)
	l.use(a)
	if err := l.openSpans(a, x); err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

// try tells whether the logs can be written where a says, as far as that is not where they go now.
func (l *logs) try(a *conf.Agent) error {
	next := logTargetsOf(a)
	if next.main != l.targets.main {
		if err := next.main.try(); err != nil {
			return err
		}
	}
	if next.access != l.targets.access {
		return next.access.try()
	}
	return nil // most agents never have an audit log: its file is opened by the first line
}

// use has the logs written as a says: where to, in which form and from which level on. A level that was set by hand stays
// unless the configuration names another than before.
func (l *logs) use(a *conf.Agent) {
	before := l.targets
	l.targets = logTargetsOf(a)
	for _, x := range []struct {
		file        *logFile
		before, now logTarget
	}{{&l.main, before.main, l.targets.main}, {&l.calls, before.access, l.targets.access}, {&l.audits, before.audit, l.targets.audit}} {
		if x.before != x.now {
			x.file.use(x.now)
		}
	}
	if a.LogLevel != l.levelName {
		l.levelName = a.LogLevel
		l.level.Set(level(a.LogLevel))
	}
	options := &slog.HandlerOptions{Level: l.level}
	var h slog.Handler = slog.NewTextHandler(l.out, options)
	if a.LogStructured {
		h = slog.NewJSONHandler(l.out, options)
	}
	l.form.Store(&h)
	l.access.SetStructured(a.LogStructured)
	l.hourly.Store(a.RotatePerHour)
	if off := l.targets.access.path == "off"; off != l.noCalls.Swap(off) {
		l.access.SetEnabled(!off)
	}
}

// audit returns the log of who changed what; nil when it is switched off.
func (l *logs) audit() *slog.Logger {
	switch l.targets.audit.path {
	case "off":
		return nil
	case "stdout":
		return l.log
	}
	return slog.New(slog.NewJSONHandler(&l.audits, nil))
}

// files are those that are written to.
func (l *logs) files() []*lumberjack.Logger {
	var all []*lumberjack.Logger
	for _, f := range []*lumberjack.Logger{l.main.file(), l.calls.file(), l.audits.file(), l.traces} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// reopen has the next line of each file open it anew: another program has moved it away.
func (l *logs) reopen() {
	for _, file := range l.files() {
		if err := file.Close(); err != nil {
			l.log.Error("agent: log file not reopened", "file", file.Filename, "err", err)
		}
	}
	l.log.Info("agent: log files reopened")
}

// end writes what is left and closes everything. Where a writer is stuck, its file is left to the end of the process.
func (l *logs) end() {
	closed := make(chan struct{})
	go func() { // ends with the files, or with the process
		defer close(closed)
		for _, f := range l.close {
			_ = f() // there is nowhere left to tell
		}
	}()
	timer := time.NewTimer(lastLines)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}

// rotateHourly rotates the files at each full hour, where that is wanted, until ctx ends.
func (l *logs) rotateHourly(ctx context.Context) {
	for {
		now := time.Now()
		timer := time.NewTimer(now.Truncate(time.Hour).Add(time.Hour).Sub(now))
		select {
		case <-timer.C:
			if l.hourly.Load() {
				l.rotate()
			}
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// rotate begins new files.
func (l *logs) rotate() {
	for _, file := range l.files() {
		if _, err := os.Stat(file.Filename); err != nil {
			continue // nothing was written
		}
		if err := file.Rotate(); err != nil {
			l.log.Error("agent: log file not rotated", "file", file.Filename, "err", err)
		}
	}
}

// formed is a log whose form is that of the moment.
type formed struct {
	by   *atomic.Pointer[slog.Handler]
	with []func(slog.Handler) slog.Handler // attributes and groups, in order
}

var _ slog.Handler = (*formed)(nil)

// Enabled implements slog.Handler.
func (h *formed) Enabled(ctx context.Context, level slog.Level) bool {
	return (*h.by.Load()).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *formed) Handle(ctx context.Context, r slog.Record) error {
	to := *h.by.Load()
	for _, with := range h.with {
		to = with(to)
	}
	return to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *formed) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *formed) WithGroup(name string) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *formed) and(with func(slog.Handler) slog.Handler) *formed {
	return &formed{h.by, append(slices.Clip(h.with), with)}
}

// level turns motan-go's names into slog's.
func level(name string) slog.Level {
	switch strings.ToLower(name) {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error", "dpanic", "panic", "fatal":
		return slog.LevelError
	}
	return slog.LevelInfo
}
