package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
)

// logs are where the agent writes what it has to say.
type logs struct {
	log    *slog.Logger
	audit  *slog.Logger // nil when switched off
	level  *slog.LevelVar
	access *filters.AccessLogger // nil when switched off
	spans  *trace.Recorder       // nil when spans go nowhere
	lost   func() int64          // lines of the log that were lost
	files  []*lumberjack.Logger
	close  []func() error // in this order
}

const (
	logAdvice   = "; name a folder that can be written with -log_dir or motan-agent.log_dir, another access log with motan-agent.accessLog"
	logInterval = 10 * time.Millisecond // how long a line of the log may wait for others
	lastLines   = 3 * time.Second       // to write what is left at the end; two logs that hang take one each
	entryBytes  = 512                   // what an entry of log_buffer_size is taken to need
)

// openLogs opens the log (standard error unless log_dir is written), the access log and the audit log (motand-access.log
// and motand-audit.log in log_dir unless accessLog and auditLog say otherwise). x is told of the collector's certificate.
func openLogs(c *conf.Config, x *certificates) (*logs, error) {
	a := &c.Agent
	l := &logs{level: new(slog.LevelVar), lost: func() int64 { return 0 }}
	l.level.Set(level(a.LogLevel))
	out, err := l.openLog(a)
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: l.level}
	var handler slog.Handler = slog.NewTextHandler(out, options)
	if a.LogStructured {
		handler = slog.NewJSONHandler(out, options)
	}
	l.log = slog.New(newRepeats(handler))
	if err := l.openAccess(a); err != nil {
		l.end()
		return nil, err
	}
	if err := l.openSpans(a, x); err != nil {
		l.end()
		return nil, err
	}
	l.openAudit(a)
	return l, nil
}

// openLog opens what the log is written to, behind a buffer unless log_async is false: whoever has something to say
// does not wait for a disk or for a pipe that nobody reads.
func (l *logs) openLog(a *conf.Agent) (io.Writer, error) {
	out := io.Writer(os.Stderr)
	// The key, or the flag, which may name any folder but the default.
	written := a.At("log_dir") != a.Position || a.LogDir != "."
	if a.LogDir != "stdout" && written {
		file, err := l.file(a, filepath.Join(a.LogDir, "motand.log"))
		if err != nil {
			return nil, err
		}
		out = file
		l.close = append(l.close, file.Close)
	}
	if !a.LogAsync {
		return out, nil
	}
	buffer := filters.NewAccessLogger(out, filters.AccessLogOptions{
		BufferBytes: a.LogBufferSize * entryBytes, Interval: logInterval, Logger: slog.New(slog.DiscardHandler),
	})
	buffer.Start()
	l.lost = buffer.Dropped
	l.close = append([]func() error{buffer.Close}, l.close...)
	return buffer, nil
}

func (l *logs) openAccess(a *conf.Agent) error {
	path := logPath(a, a.AccessLog, "motand-access.log")
	out := io.Writer(os.Stdout)
	var closeFile func() error
	switch path {
	case "off":
		return nil
	case "stdout":
	default:
		file, err := l.file(a, path)
		if err != nil {
			return err
		}
		out, closeFile = file, file.Close
	}
	l.access = filters.NewAccessLogger(out, filters.AccessLogOptions{Structured: a.LogStructured, Logger: l.log})
	first := []func() error{l.access.Close}
	if closeFile != nil {
		first = append(first, closeFile)
	}
	l.close = append(first, l.close...)
	return nil
}

// openAudit makes the audit log. Its file is opened by the first line: most agents never have one.
func (l *logs) openAudit(a *conf.Agent) {
	switch path := logPath(a, a.AuditLog, "motand-audit.log"); path {
	case "off":
	case "stdout":
		l.audit = l.log
	default:
		file := l.rotated(a, path)
		l.audit = slog.New(slog.NewJSONHandler(file, nil))
		l.close = append([]func() error{file.Close}, l.close...)
	}
}

// logPath is where a log goes by its key; name is the file's where the key is not written.
func logPath(a *conf.Agent, key, name string) string {
	switch {
	case key != "":
		return key
	case a.LogDir == "stdout":
		return "stdout"
	}
	return filepath.Join(a.LogDir, name)
}

// file opens a log file to see that it can be written.
func (l *logs) file(a *conf.Agent, path string) (*lumberjack.Logger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, &ConfigError{fmt.Errorf("log file %s: %w%s", path, err, logAdvice)}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0o644) //nolint:gosec // logs are for other tools to read
	if errors.Is(err, syscall.ENXIO) {                                                            // a pipe that nobody reads yet
		return l.rotated(a, path), nil
	}
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("log file: %w%s", err, logAdvice)}
	}
	if err := file.Close(); err != nil {
		return nil, &ConfigError{fmt.Errorf("log file: %w%s", err, logAdvice)}
	}
	return l.rotated(a, path), nil
}

func (l *logs) rotated(a *conf.Agent, path string) *lumberjack.Logger {
	file := &lumberjack.Logger{Filename: path, MaxSize: a.LogMaxMegabytes, MaxBackups: a.LogMaxFiles, MaxAge: a.LogMaxDays, Compress: a.LogCompress}
	l.files = append(l.files, file)
	return file
}

// reopen has the next line of each file open it anew: another program has moved it away.
func (l *logs) reopen() {
	for _, file := range l.files {
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

// rotateHourly rotates the files at each full hour until ctx ends.
func (l *logs) rotateHourly(ctx context.Context) {
	for {
		now := time.Now()
		timer := time.NewTimer(now.Truncate(time.Hour).Add(time.Hour).Sub(now))
		select {
		case <-timer.C:
			l.rotate()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// rotate begins new files.
func (l *logs) rotate() {
	for _, file := range l.files {
		if _, err := os.Stat(file.Filename); err != nil {
			continue // nothing was written
		}
		if err := file.Rotate(); err != nil {
			l.log.Error("agent: log file not rotated", "file", file.Filename, "err", err)
		}
	}
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
