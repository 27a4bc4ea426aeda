package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/motand/motand/conf"
)

// source is where an agent's configuration comes from: files, and laid over them what was pushed through a registry. Whatever
// of it cannot be used takes nothing away: what is in use stays in use, and survives a restart.
type source struct {
	options  conf.Options
	lastGood string // file of the configuration that is in use; "" for none
	warnings io.Writer

	mu     sync.Mutex
	pushed conf.Document // guarded by mu; without a text: nothing is laid over the files
}

// pushedFile is in the runtime folder: what was last pushed and could be used.
const pushedFile = "pushed.yaml"

// load reads the files as they are, under what was pushed.
func (s *source) load() (*conf.Config, error) {
	s.mu.Lock()
	pushed := s.pushed
	s.mu.Unlock()
	return s.loadUnder(pushed)
}

func (s *source) loadUnder(pushed conf.Document) (*conf.Config, error) {
	o := s.options
	if pushed.Text != "" {
		o.Over = []conf.Document{pushed}
	}
	return load(o, s.warnings)
}

// first is load at the start, under what was pushed to an earlier run. Where that cannot be used, the files alone are; where
// they cannot, the last configuration that could, if there is one. unusable says why it is not as it should be.
func (s *source) first() (c *conf.Config, unusable, err error) {
	c, err = s.load()
	if err != nil {
		last, lastErr := s.last()
		if lastErr != nil {
			return nil, nil, errors.Join(err, lastErr)
		}
		if last == nil {
			return nil, nil, err
		}
		return last, err, nil
	}
	text, err := readPushed(c)
	if err != nil || text == "" {
		return c, err, nil
	}
	pushed := conf.Document{Name: filepath.Join(c.Agent.RuntimeDir, pushedFile), Text: text}
	whole, err := s.loadUnder(pushed)
	if err != nil {
		return c, err, nil
	}
	s.lay(pushed)
	return whole, nil, nil
}

// last reads the last configuration that was in use; nil where there is none.
func (s *source) last() (*conf.Config, error) {
	if s.lastGood == "" {
		return nil, nil
	}
	text, err := readConfigFile(s.lastGood)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--last-good: %w", err)
	}
	c, found := conf.Parse(s.lastGood, text, s.options)
	if c == nil {
		return nil, fmt.Errorf("--last-good: %s", linesOf(found, conf.Error))
	}
	return c, nil
}

// readPushed reads what was last pushed to an agent with this configuration.
func readPushed(c *conf.Config) (string, error) {
	if c.Agent.ConfigRegistry == "" {
		return "", nil
	}
	text, err := readConfigFile(filepath.Join(c.Agent.RuntimeDir, pushedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// began notes what the agent begins with.
func (s *source) began(a *Agent, c *conf.Config, unusable error) {
	if unusable != nil {
		a.reloads.refuse(unusable)
		a.log.Error("agent: the configuration cannot be used, an older one is", "in_use", c.Files, "err", unusable)
		return
	}
	s.keep(c, a.log)
}

// lay lays pushed over the files from now on.
func (s *source) lay(pushed conf.Document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = pushed
}

// current is what is laid over the files. A nil source has nothing.
func (s *source) current() conf.Document {
	if s == nil {
		return conf.Document{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushed
}

// lies tells whether a text is laid over the files.
func (s *source) lies(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushed.Text == text
}

// keep writes down the configuration that is in use. A nil source keeps nothing.
func (s *source) keep(c *conf.Config, log *slog.Logger) {
	if s == nil || s.lastGood == "" {
		return
	}
	if err := writeSecretFile(s.lastGood, string(c.YAML)); err != nil {
		log.Error("agent: the configuration in use is not kept for a start at which that of -c cannot be used", "err", err)
	}
}

// writeSecretFile is writeFile for text that may hold passwords.
func writeSecretFile(path, text string) error {
	if err := writeFile(path, text); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}
