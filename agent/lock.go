package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/motand/motand/conf"
)

// locks are what says that folders are this agent's alone. They end with the process, however that ends.
type locks []*os.File

// release gives the folders back, unless another process has the locks as well.
func (l locks) release() {
	for _, f := range l {
		_ = f.Close() // which gives up the lock
	}
}

// sign writes into the files who holds them.
func (l locks) sign() {
	for _, f := range l {
		if err := f.Truncate(0); err == nil {
			_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0) // only to be shown; a full disk does not matter
		}
	}
}

// lockFolders takes the folders where the agent keeps its state for this process alone: two
// agents would overwrite each other's files. A folder that another agent has is an error, unless
// its lock was given; one that cannot be written to is none, for then there is nothing to overwrite.
// remembers says that snapshot_dir is used.
func lockFolders(c *conf.Agent, remembers bool, given *inheritance, log *slog.Logger) (held locks, err error) {
	folders := []struct{ key, dir, file string }{
		{"runtime_dir", c.RuntimeDir, "lock"},
		{"snapshot_dir", c.SnapshotDir, filepath.Join(".motand", "lock")},
	}
	if !remembers {
		folders = folders[:1]
	}
	for _, d := range folders {
		path := filepath.Join(d.dir, d.file)
		f := given.lock(path)
		if f == nil {
			f, err = lockFile(path)
		}
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			held.release()
			return nil, fmt.Errorf("%s: %s %s is in use by another motand%s; stop that one, or give this one a folder of its own", c.Position, d.key, d.dir, holder(d.dir, d.file))
		case err != nil:
			log.Warn("agent: folder cannot be locked; state is not kept there, and another agent that uses it would not be noticed", "key", d.key, "err", err)
		default:
			held = append(held, f)
		}
	}
	if given == nil || given.successor == nil {
		held.sign()
	}
	return held, nil
}

// lock returns the lock of the file at path; nil when there is none. It is the process's whose place is taken, too.
func (h *inheritance) lock(path string) *os.File {
	if h == nil {
		return nil
	}
	wanted, err := os.Stat(path)
	if err != nil {
		return nil
	}
	for i, f := range h.locks {
		if has, err := f.Stat(); err == nil && os.SameFile(has, wanted) {
			h.locks = slices.Delete(h.locks, i, i+1)
			return f
		}
	}
	return nil
}

// lockFile makes the file at path and locks it without waiting.
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
