package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/motand/motand/conf"
)

// logTarget is where a log goes, as the configuration says it.
type logTarget struct {
	path                  string // or stderr, stdout, off
	megabytes, kept, days int
	compress              bool
}

// logTargets are where the three logs go.
type logTargets struct{ main, access, audit logTarget }

// logTargetsOf reads them from c: standard error, unless log_dir is written, motand-access.log and motand-audit.log in log_dir
// unless accessLog and auditLog say otherwise.
func logTargetsOf(a *conf.Agent) logTargets {
	target := func(path string) logTarget {
		return logTarget{path, a.LogMaxMegabytes, a.LogMaxFiles, a.LogMaxDays, a.LogCompress}
	}
	main := "stderr"
	// The key, or the flag, which may name any folder but the default.
	if written := a.At("log_dir") != a.Position || a.LogDir != "."; a.LogDir != "stdout" && written {
		main = filepath.Join(a.LogDir, "motand.log")
	}
	return logTargets{target(main), target(logPath(a, a.AccessLog, "motand-access.log")), target(logPath(a, a.AuditLog, "motand-audit.log"))}
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

// stream is what is written to where t is no file, nil where it is one.
func (t *logTarget) stream() io.Writer {
	switch t.path {
	case "stderr":
		return os.Stderr
	case "stdout":
		return os.Stdout
	case "off":
		return io.Discard
	}
	return nil
}

// try opens the file to see that it can be written.
func (t *logTarget) try() error {
	if t.stream() != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil {
		return &ConfigError{fmt.Errorf("log file %s: %w%s", t.path, err, logAdvice)}
	}
	file, err := os.OpenFile(t.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0o644) //nolint:gosec // logs are for other tools to read
	if errors.Is(err, syscall.ENXIO) {                                                              // a pipe that nobody reads yet
		return nil
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return &ConfigError{fmt.Errorf("log file: %w%s", err, logAdvice)}
	}
	return nil
}

// open returns t as a file, which is opened by the first line; nil where it is none.
func (t *logTarget) open() *lumberjack.Logger {
	if t.stream() != nil {
		return nil
	}
	return &lumberjack.Logger{Filename: t.path, MaxSize: t.megabytes, MaxBackups: t.kept, MaxAge: t.days, Compress: t.compress}
}

// logFile is what a log is written to. Another target can be put in the place of the one in use while it is written to.
type logFile struct {
	wanted atomic.Pointer[logOutput]

	mu    sync.Mutex // held over a write: there is one writer, the buffer before the file
	inUse *logOutput // guarded by mu
}

// logOutput is an open target.
type logOutput struct {
	io.Writer
	file *lumberjack.Logger // nil for a stream
}

// use has everything from the next line on written to t. That line closes what was there before.
func (f *logFile) use(t logTarget) {
	o := &logOutput{Writer: t.stream(), file: t.open()}
	if o.file != nil {
		o.Writer = o.file
	}
	f.wanted.Store(o)
}

// Write writes to the target.
func (f *logFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.wanted.Load(); o != f.inUse {
		f.inUse.close()
		f.inUse = o
	}
	return f.inUse.Write(p)
}

// Close closes the file, which the next line would open again.
func (f *logFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inUse.close()
	return nil
}

func (o *logOutput) close() {
	if o != nil && o.file != nil {
		_ = o.file.Close() // what was written is written
	}
}

// file is the file of the target; nil for a stream.
func (f *logFile) file() *lumberjack.Logger { return f.wanted.Load().file }
