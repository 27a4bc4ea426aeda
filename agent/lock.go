package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/motand/motand/conf"
)

// lockFolders takes the folders where the agent keeps its state for this process alone: two
// agents would overwrite each other's files. A folder that another agent has is an error; one
// that cannot be written to is none, for then there is nothing to overwrite. remembers says that
// snapshot_dir is used. The func gives the folders back; so does the end of the process, however
// it ends.
func lockFolders(c *conf.Agent, remembers bool, log *slog.Logger) (release func(), err error) {
	var held []*os.File
	release = func() {
		for _, f := range held {
			_ = f.Close() // which gives up the lock
		}
	}
	folders := []struct{ key, dir, file string }{
		{"runtime_dir", c.RuntimeDir, "lock"},
		{"snapshot_dir", c.SnapshotDir, filepath.Join(".motand", "lock")},
	}
	if !remembers {
		folders = folders[:1]
	}
	for _, d := range folders {
		f, err := lockFile(filepath.Join(d.dir, d.file))
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			release()
			return nil, fmt.Errorf("%s: %s %s is in use by another motand%s; stop that one, or give this one a folder of its own", c.Position, d.key, d.dir, holder(d.dir, d.file))
		case err != nil:
			log.Warn("agent: folder cannot be locked; state is not kept there, and another agent that uses it would not be noticed", "key", d.key, "err", err)
		default:
			held = append(held, f)
		}
	}
	return release, nil
}

// lockFile makes the file at path and locks it without waiting. The file says who holds it.
func lockFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid()) // only to be shown; a full disk does not matter
	}
	return f, nil
}

// holder tells who holds the lock, as far as that is known.
func holder(dir, file string) string {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" && len(pid) < 20 {
		return " (process " + pid + ")"
	}
	return ""
}
