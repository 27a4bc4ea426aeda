package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
)

// switchers is the switches of the agent with their memory on disk. Every change is logged.
type switchers struct {
	*filters.Switches
	file string
	log  *slog.Logger

	mu sync.Mutex // one change and its writing at a time
}

// switchFile is in the runtime folder. It holds what was set by hand.
const switchFile = "switchers.json"

const maxSwitchFile = 4 << 20

func newSwitchers(s *filters.Switches, dir string, log *slog.Logger) *switchers {
	return &switchers{Switches: s, file: filepath.Join(dir, switchFile), log: log}
}

// readSwitches reads the values of the configuration, without any effect yet. Where old has
// the same, nothing is said again.
func (k *compiler) readSwitches(s, old *snapshot) error {
	if old.config != nil && slices.EqualFunc(s.config.Switchers, old.config.Switchers, sameSwitcher) {
		s.switches = old.switches
		return nil
	}
	var errs []error
	s.switches = make(map[string]filters.SwitchValue, len(s.config.Switchers))
	for _, x := range s.config.Switchers {
		v, err := filters.ParseSwitch(x.Value)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: switcher %s: %w", x.Position, strconv.Quote(x.Name), err))
			continue
		}
		s.switches[x.Name] = v
		if k.switches != nil && !k.switches.Used(x.Name) {
			k.log.Info("agent: no filter asks this switcher", "switcher", x.Name, "at", x.Position)
		}
	}
	return errors.Join(errs...)
}

func sameSwitcher(a, b conf.Switcher) bool { return a.Name == b.Name && a.Value == b.Value }

// use gives the switches the values of the snapshot that is taken into use, and those that were
// set by hand in an earlier run.
func (s *switchers) use(x *snapshot) {
	for name, v := range x.switches {
		s.Configure(name, v)
	}
	f, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var changes map[string]filters.SwitchChange
	if err == nil && len(f) > maxSwitchFile {
		err = fmt.Errorf("larger than %d bytes", maxSwitchFile)
	}
	if err == nil {
		err = json.Unmarshal(f, &changes)
	}
	if err != nil {
		s.log.Warn("agent: the switchers that were set before are not known, the configuration counts", "file", s.file, "err", err)
		return
	}
	for _, name := range s.Restore(changes) {
		s.log.Warn("agent: a switcher that was set before is gone, or configured differently since: the configuration counts", "switcher", fmt.Sprintf("%.256s", name))
	}
	for name := range s.Changes() {
		s.log.Info("agent: switcher is as it was set before", "switcher", name, "value", s.Get(name).Value().String())
	}
}

// set changes a switch, writes it down, and says who did it.
func (s *switchers) set(name string, v filters.SwitchValue, who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.Set(name, v)
	if err != nil {
		return err
	}
	s.log.Info("agent: switcher set", "switcher", name, "from", before.String(), "to", v.String(), "by", who)
	text, err := json.MarshalIndent(s.Changes(), "", "  ")
	if err == nil {
		err = writeFile(s.file, string(text)+"\n")
	}
	if err != nil {
		s.log.Error("agent: a switcher is set but not kept for the next start", "switcher", name, "file", s.file, "err", err)
	}
	return nil
}

// setSwitch answers /switcher/set in motan-go's words; unlike motan-go it takes shares and callers
// as well.
func (m *management) setSwitch(w http.ResponseWriter, r *http.Request) {
	name, value := r.FormValue("name"), r.FormValue("value")
	v, err := filters.ParseSwitch(value)
	switch {
	case name == "":
		text(w, http.StatusOK, "Please specify a switcher name!")
	case value == "":
		text(w, http.StatusOK, "Please specify a switcher value!")
	case err != nil:
		text(w, http.StatusOK, fmt.Sprintf("Invalid switcher value(must be Bool): %.256s", value))
	case errors.Is(m.agent.switchers.set(name, v, r.RemoteAddr), filters.ErrUnknownSwitch):
		text(w, http.StatusOK, fmt.Sprintf("Not a registered switcher, name: %.256s", name))
	default:
		text(w, http.StatusOK, fmt.Sprintf("Set switcher %s value to %s !", name, value))
	}
}

// putSwitches sets switches by name and answers with all of them.
func (m *management) putSwitches(w http.ResponseWriter, r *http.Request) {
	var texts map[string]string
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxManagementBody)).Decode(&texts); err != nil {
		answer(w, http.StatusBadRequest, problem{err.Error() + `; wanted is {"name":"true"}`})
		return
	}
	values := make(map[string]filters.SwitchValue, len(texts))
	for name, text := range texts { // all or nothing
		v, err := filters.ParseSwitch(text)
		if err != nil {
			answer(w, http.StatusBadRequest, problem{err.Error()})
			return
		}
		if m.agent.switchers.Get(name) == nil {
			answer(w, http.StatusNotFound, problem{fmt.Sprintf("there is no switch %.80q; GET /api/v1/switches lists them", name)})
			return
		}
		values[name] = v
	}
	for name, v := range values {
		if err := m.agent.switchers.set(name, v, r.RemoteAddr); err != nil {
			answer(w, http.StatusInternalServerError, problem{err.Error()})
			return
		}
	}
	m.switches(w, r)
}

func (m *management) getSwitch(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	if name == "" {
		text(w, http.StatusOK, "Please specify a switcher name!")
		return
	}
	x := m.agent.switchers.Get(name)
	if x == nil {
		text(w, http.StatusOK, fmt.Sprintf("Not a registered switcher, name: %.256s", name))
		return
	}
	text(w, http.StatusOK, fmt.Sprintf("Switcher value for %s is %v!", name, x.Value().On))
}

// getSwitches answers with booleans, as motan-go does: a switch that is on for some is true.
func (m *management) getSwitches(w http.ResponseWriter, _ *http.Request) {
	all := make(map[string]bool)
	for _, name := range m.agent.switchers.Names() {
		all[name] = m.agent.switchers.Get(name).Value().On
	}
	body, err := json.Marshal(all)
	if err != nil {
		text(w, http.StatusInternalServerError, err.Error())
		return
	}
	text(w, http.StatusOK, string(body))
}

// switches answers with the values as they are written.
func (m *management) switches(w http.ResponseWriter, _ *http.Request) {
	all := make(map[string]string)
	for _, name := range m.agent.switchers.Names() {
		all[name] = m.agent.switchers.Get(name).Value().String()
	}
	answer(w, http.StatusOK, all)
}
