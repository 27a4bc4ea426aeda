package agent

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
)

// logs are where the agent writes what it has to say.
type logs struct {
	log    *slog.Logger
	access *filters.AccessLogger // nil when switched off
	close  []func() error        // in this order
}

const (
	logMegabytes = 100 // a log file is rotated beyond this
	logBackups   = 10  // and so many old ones are kept
	logAdvice    = "; name a folder that can be written with -log_dir or motan-agent.log_dir, another access log with motan-agent.accessLog"
)

// openLogs opens the log (standard error unless log_dir is written) and the access log
// (motand-access.log in log_dir unless accessLog says otherwise).
func openLogs(c *conf.Config) (*logs, error) {
	a := &c.Agent
	l := new(logs)
	out := io.Writer(os.Stderr)
	// The key, or the flag, which may name any folder but the default.
	written := a.At("log_dir") != a.Position || a.LogDir != "."
	if a.LogDir != "stdout" && written {
		file, err := logFile(filepath.Join(a.LogDir, "motand.log"))
		if err != nil {
			return nil, err
		}
		out = file
		l.close = append(l.close, file.Close)
	}
	options := &slog.HandlerOptions{Level: level(a.LogLevel)}
	var handler slog.Handler = slog.NewTextHandler(out, options)
	if a.LogStructured {
		handler = slog.NewJSONHandler(out, options)
	}
	l.log = slog.New(handler)

	path := a.AccessLog
	if path == "" {
		path = filepath.Join(a.LogDir, "motand-access.log")
		if a.LogDir == "stdout" {
			path = "stdout"
		}
	}
	switch path {
	case "off":
		return l, nil
	case "stdout":
		l.access = filters.NewAccessLogger(os.Stdout, filters.AccessLogOptions{Structured: a.LogStructured, Logger: l.log})
	default:
		file, err := logFile(path)
		if err != nil {
			return nil, err
		}
		l.access = filters.NewAccessLogger(file, filters.AccessLogOptions{Structured: a.LogStructured, Logger: l.log})
		l.close = append([]func() error{l.access.Close, file.Close}, l.close...)
		return l, nil
	}
	l.close = append([]func() error{l.access.Close}, l.close...)
	return l, nil
}

func logFile(path string) (*lumberjack.Logger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, &ConfigError{fmt.Errorf("log file %s: %w%s", path, err, logAdvice)}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // logs are for other tools to read
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("log file: %w%s", err, logAdvice)}
	}
	if err := file.Close(); err != nil {
		return nil, &ConfigError{fmt.Errorf("log file: %w%s", err, logAdvice)}
	}
	return &lumberjack.Logger{Filename: path, MaxSize: logMegabytes, MaxBackups: logBackups}, nil
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
