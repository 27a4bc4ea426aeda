package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// Who comes second is told which folder is taken and by whom; the first is not disturbed, and its end frees the folders.
func TestLockFolders(t *testing.T) {
	dir := t.TempDir()
	folders := func(runtime, snapshot string) *conf.Agent {
		return &conf.Agent{RuntimeDir: filepath.Join(dir, runtime), SnapshotDir: filepath.Join(dir, snapshot)}
	}
	first, err := lockFolders(folders("run", "snap"), true, nil, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, runtime, snapshot string
		forgetful               bool
		want                    string // part of the error; "" for none
	}{
		{"both", "run", "snap", false, "runtime_dir"},
		{"runtime_dir", "run", "other", false, "runtime_dir"},
		{"snapshot_dir", "other", "snap", false, "snapshot_dir"},
		{"neither", "other", "other2", false, ""},
		{"one folder for both", "one", "one", false, ""},
		{"snapshot_dir that is not used", "other", "snap", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			held, err := lockFolders(folders(tt.runtime, tt.snapshot), !tt.forgetful, nil, slog.Default())
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				held.release()
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
				t.Errorf("got %v, want an error with %s and the process", err, tt.want)
			}
		})
	}
	first.release()
	again, err := lockFolders(folders("run", "snap"), true, nil, slog.Default())
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again.release()
}

// A folder that cannot be written to keeps nobody from serving.
func TestLockFoldersUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	held, err := lockFolders(&conf.Agent{RuntimeDir: file, SnapshotDir: filepath.Join(file, "snap")}, true, nil, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	held.release()
	if strings.Count(out.String(), "cannot be locked") != 2 {
		t.Errorf("log: got %s, want a warning for each folder", out.String())
	}
}

// A second agent on the same folders does not start: exit code 1.
func TestSecondAgent(t *testing.T) {
	x := Default()
	c := parse(t, x, "", directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct}\n")
	a := start(t, c, x)
	_, err := New(c, x)
	var kind *ConfigError
	if !errors.As(err, &kind) || ExitCode(err) != 1 || !strings.Contains(err.Error(), "in use by another motand") {
		t.Errorf("got %v and exit code %d, want 1 and why", err, ExitCode(err))
	}
	if got := ask(t, a.Agent, "GET", "/healthz", ""); got.Code != 200 {
		t.Errorf("the first agent: got %d %s", got.Code, got.Body)
	}
}
