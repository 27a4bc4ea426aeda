package agent

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/motand/motand/conf"
)

// getSettings answers with every key as it counts, and where it comes from.
func (m *management) getSettings(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, m.agent.snapshot.Load().config.Settings())
}

// proposal is what a configuration that is not in use would change.
type proposal struct {
	Changes  []conf.Difference `json:"changes"`
	Restart  []string          `json:"restart"` // keys of motan-agent among them that need a restart, with their places
	Warnings []string          `json:"warnings"`
}

// checkConfig tells what a configuration would change, or all that is wrong with it, without taking it into use: that of the
// request's body, one file, or where there is none that of the agent's own files as they are now.
func (m *management) checkConfig(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxConfigBody))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, problem{"the configuration is larger than 4 MiB"})
		return
	}
	p, err := m.agent.propose(body)
	if err != nil {
		answer(w, http.StatusUnprocessableEntity, problem{err.Error()})
		return
	}
	answer(w, http.StatusOK, p)
}

const maxConfigBody = 4 << 20

// propose reads a configuration and builds everything of it, as check does, beside the one in use.
func (a *Agent) propose(body []byte) (*proposal, error) {
	var next *conf.Config
	p := &proposal{Changes: []conf.Difference{}, Restart: []string{}, Warnings: []string{}}
	if len(body) > 0 {
		c, found := conf.Parse("motan.yaml", body, a.base.Options())
		if c == nil {
			return nil, errors.New(linesOf(found, conf.Error))
		}
		for _, d := range found {
			p.Warnings = append(p.Warnings, d.String())
		}
		next = c
	} else {
		if a.load == nil {
			return nil, errNoSource
		}
		c, err := a.load()
		if err != nil {
			return nil, err
		}
		next = c
	}
	var said strings.Builder
	if err := tryCompile(next, a.compiler.extensions, slog.New(&warnings{w: &said})); err != nil {
		return nil, err
	}
	for line := range strings.Lines(said.String()) {
		p.Warnings = append(p.Warnings, strings.TrimSpace(line))
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	_, fixed := withFixed(a.base, next, a.listeners)
	p.Restart = append(p.Restart, fixed...)
	p.Changes = append(p.Changes, conf.Differences(a.base.Settings(), next.Settings())...)
	return p, nil
}

// linesOf are the findings of a severity, one a line.
func linesOf(found []conf.Diagnostic, s conf.Severity) string {
	var lines []string
	for _, d := range found {
		if d.Severity == s {
			lines = append(lines, d.String())
		}
	}
	return strings.Join(lines, "\n")
}
