package registry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// snapshotMode lets the programs of other users on this host read the nodes, as PHP and Lua clients do when the agent is
	// down. motan-go uses 0777, by which every one of them could send the callers of all others wherever it likes.
	snapshotMode = 0o644
	// snapshotDirMode is the same for the folder, which motan-go also leaves open to all.
	snapshotDirMode = 0o755
)

// readFile reads a regular file of at most limit bytes. Whatever else stands in its place, a link too, is an error; none of
// it is waited for or read.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := openRegular(path, os.O_RDONLY, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()                                     //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may grow meanwhile
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: larger than the %d bytes allowed", path, limit)
	}
	return data, err
}

// openRegular opens a regular file of at most limit bytes. Whatever else stands in its place, a link too, is an error; none of
// it is waited for.
func openRegular(path string, flags int, limit int64) (*os.File, error) {
	if flags&os.O_CREATE != 0 { // which makes no folder
		if err := os.MkdirAll(filepath.Dir(path), snapshotDirMode); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, flags|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, snapshotMode) // a pipe must not hold us up
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = fmt.Errorf("%s: not a regular file", path)
	case st.Size() > limit:
		err = fmt.Errorf("%s: its %d bytes are more than the %d allowed", path, st.Size(), limit)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// replaceFile replaces the file at path by what write writes: the old one or the whole new one is there at any moment. The new
// one is made as temp, on the same disk, which nobody else writes; what a crash left there is overwritten. With keep that
// holds over a crash of the host as well, and the old file becomes path.1; without, such a crash may leave an empty file, and
// the disk has less to do.
func replaceFile(temp, path string, keep bool, write func(w io.Writer) error) error {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, snapshotMode)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(temp), snapshotDirMode); err == nil {
			f, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, snapshotMode)
		}
	}
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Chmod(snapshotMode) // whatever the umask
	}
	if err == nil && keep {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(temp) //nolint:errcheck // a full disk gets its bytes back, or the next writing does it
		return err
	}
	if keep {
		if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(temp, path)
}
