package agent

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// logging is a configuration that says nothing of logs but what change sets.
func logging(t *testing.T, text string, change func(a *conf.Agent)) *conf.Config {
	t.Helper()
	c, found := conf.Parse("motan.yaml", []byte(text), conf.Options{})
	if c == nil {
		t.Fatal(found)
	}
	change(&c.Agent)
	return c
}

// Where what is said goes: a file where log_dir or -log_dir names a folder, else standard error.
func TestOpenLogs(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		change func(a *conf.Agent)
		files  string // that are there afterwards
		access bool
	}{
		{"folder in the file", "motan-agent: {log_dir: DIR}\n", nil, "motand-access.log motand.log", true},
		{"folder of the flag", "motan-agent: {port: 1}\n", func(a *conf.Agent) { a.LogDir = "DIR" }, "motand-access.log motand.log", true},
		{"folder that is not there", "motan-agent: {log_dir: DIR/a/b}\n", nil, "a", true},
		{"access log elsewhere", "motan-agent: {log_dir: DIR, accessLog: DIR/sub/calls.log}\n", nil, "motand.log sub", true},
		{"no access log", "motan-agent: {log_dir: DIR, accessLog: \"off\"}\n", nil, "motand.log", false},
		{"access log to standard output", "motan-agent: {log_dir: DIR, accessLog: stdout}\n", nil, "motand.log", true},
		{"standard error", "motan-agent: {log_dir: stdout}\n", nil, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := logging(t, strings.ReplaceAll(tt.text, "DIR", dir), func(a *conf.Agent) {
				if tt.change != nil {
					tt.change(a)
					a.LogDir = strings.ReplaceAll(a.LogDir, "DIR", dir)
				}
			})
			l, err := openLogs(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			if l.access.Enabled() != tt.access {
				t.Errorf("access log: got %t, want %t", l.access.Enabled(), tt.access)
			}
			for _, f := range l.close {
				if err := f(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if got := strings.Join(names, " "); got != tt.files {
				t.Errorf("files: got %q, want %q", got, tt.files)
			}
		})
	}
}

// A log that cannot be written is a mistake of the configuration, told before anything is served.
func TestLogThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"motan-agent: {log_dir: DIR/file}\n",
		"motan-agent: {log_dir: DIR/file/below}\n",
		"motan-agent: {accessLog: DIR}\n", // a folder
	} {
		_, err := openLogs(logging(t, strings.ReplaceAll(text, "DIR", dir), func(*conf.Agent) {}), nil)
		var kind *ConfigError
		if !errors.As(err, &kind) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want a *ConfigError with the path", text, err)
		}
	}
}

func TestLogForm(t *testing.T) {
	for _, structured := range []bool{false, true} {
		dir := t.TempDir()
		l, err := openLogs(logging(t, "motan-agent: {log_dir: "+dir+", log_level: warn}\n", func(a *conf.Agent) { a.LogStructured = structured }), nil)
		if err != nil {
			t.Fatal(err)
		}
		l.log.Info("not wanted")
		l.log.Warn("wanted", "key", "value")
		for _, f := range l.close {
			if err := f(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "motand.log"))
		if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), "wanted") {
			t.Errorf("got %q (%v), want one line", text, err)
		}
		if json.Valid(text) != structured {
			t.Errorf("JSON: got %t, want %t", json.Valid(text), structured)
		}
	}
}

func TestLevel(t *testing.T) {
	for name, want := range map[string]slog.Level{
		"": slog.LevelInfo, "info": slog.LevelInfo, "nonsense": slog.LevelInfo, "trace": slog.LevelDebug, "DEBUG": slog.LevelDebug,
		"warn": slog.LevelWarn, "error": slog.LevelError, "dpanic": slog.LevelError, "panic": slog.LevelError, "fatal": slog.LevelError,
	} {
		if got := level(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
