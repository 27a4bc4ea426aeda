package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// statusFile is where the availability that was last asked for survives a restart: the text
// 200 or 503, as motan-go has it (agent inventory, section 1.3), but true to what was asked.
type statusFile string

func newStatusFile(runtimeDir string) statusFile {
	return statusFile(filepath.Join(runtimeDir, "status"))
}

// read returns what the last run was asked for. Who was asked nothing has no file. What cannot
// be understood counts as asked to be unavailable.
func (f statusFile) read() (available, asked bool, err error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return false, false, nil
	}
	return strings.TrimSpace(string(text)) == "200", err == nil, err
}

func (f statusFile) write(available bool) error {
	status := "503"
	if available {
		status = "200"
	}
	return writeFile(string(f), status)
}

// forget removes the file.
func (f statusFile) forget() error { return forget(string(f)) }

// forget removes a file if it is there.
func forget(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// writeFile replaces the file whole: whoever reads it after an end at any moment, of the
// process or of the host, finds the old text or the new one.
func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // nothing secret, and tools read it
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}
