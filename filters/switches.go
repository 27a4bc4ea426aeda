package filters

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// SwitchValue says for which calls a switch is on. It is never changed once it is in use.
type SwitchValue struct {
	On      bool
	Percent int      // of the calls for which it is on, chosen by chance; 1 to 100
	Callers []string // the applications (M_s) for which it is on; empty means all
}

// ParseSwitch reads the text of a switch: true, false, or 30%; with "for a,b" behind it that
// counts for the calls of these applications, and for all others the switch is off.
func ParseSwitch(text string) (SwitchValue, error) {
	how, who, limited := strings.Cut(strings.TrimSpace(text), " for ")
	v := SwitchValue{On: true, Percent: 100}
	how = strings.TrimSpace(how)
	if share, ok := strings.CutSuffix(how, "%"); ok {
		n, err := strconv.Atoi(share)
		if err != nil || n < 0 || n > 100 {
			return v, fmt.Errorf("filters: switch is %.80q; a share is from 0%% to 100%%", text)
		}
		v.On, v.Percent = n > 0, n
	} else {
		on, err := strconv.ParseBool(how)
		if err != nil {
			return v, fmt.Errorf("filters: switch is %.80q; write true, false, 30%%, or one of them for some callers, as in 30%% for shop-web,shop-app", text)
		}
		v.On = on
	}
	if !v.On {
		return SwitchValue{Percent: 100}, nil
	}
	for caller := range strings.SplitSeq(who, ",") {
		if caller = strings.TrimSpace(caller); caller != "" {
			v.Callers = append(v.Callers, caller)
		}
	}
	if limited && len(v.Callers) == 0 || len(v.Callers) > maxSwitchCallers {
		return v, fmt.Errorf("filters: switch is %.80q; after for stand 1 to %d names of applications with commas between", text, maxSwitchCallers)
	}
	return v, nil
}

const (
	maxSwitchCallers = 100
	maxSwitches      = 10_000
)

// String is the text that [ParseSwitch] reads.
func (v SwitchValue) String() string {
	text := strconv.FormatBool(v.On)
	if v.On && v.Percent < 100 {
		text = strconv.Itoa(v.Percent) + "%"
	}
	if len(v.Callers) > 0 {
		text += " for " + strings.Join(v.Callers, ",")
	}
	return text
}

// Switch is a named switch. It may be asked and set at once from anywhere.
type Switch struct {
	name       string
	now        atomic.Pointer[SwitchValue]
	configured SwitchValue  // guarded by the mu of its Switches, as the next ones
	set        SwitchValue  // by hand or by the configuration
	command    *SwitchValue // what counts instead while it is commanded; nil when it is not
	used       bool         // a filter asks it
}

func newSwitch(name string, v SwitchValue) *Switch {
	w := &Switch{name: name, configured: v}
	w.put(v)
	return w
}

// put sets the switch, which shows once no command is in force.
func (w *Switch) put(v SwitchValue) {
	w.set = v
	w.obey(w.command)
}

// obey makes a command count, or what was set where it is nil.
func (w *Switch) obey(command *SwitchValue) {
	w.command = command
	v := w.set
	if command != nil {
		v = *command
	}
	w.now.Store(&v)
}

// Value is what the switch is set to.
func (w *Switch) Value() SwitchValue { return *w.now.Load() }

// OnFor tells whether the switch is on for a call.
func (w *Switch) OnFor(c *motan.Call) bool {
	v := w.now.Load()
	if !v.On {
		return false
	}
	if len(v.Callers) > 0 && !has(v.Callers, c.Request.Source()) {
		return false
	}
	return v.Percent >= 100 || rand.IntN(100) < v.Percent
}

// has tells whether a list has the text, without a copy of it.
func has(list []string, text []byte) bool {
	return slices.ContainsFunc(list, func(item string) bool { return item == string(text) })
}

// Switches are the switches of an agent by name. There is a switch for each name that the
// configuration or a filter has registered. The zero value has none; a nil Switches gives each
// filter switches of its own, which nobody can set.
type Switches struct {
	mu        sync.Mutex
	all       map[string]*Switch // guarded by mu
	commanded map[string]bool    // guarded by mu; see Command
}

// ErrUnknownSwitch says that neither the configuration nor a filter has a switch of that name.
var ErrUnknownSwitch = errors.New("filters: there is no switch of that name")

// Register returns the switch of that name. One that is new is on or off as the filter that
// asks for it has it by default.
func (s *Switches) Register(name string, on bool) *Switch {
	v := SwitchValue{On: on, Percent: 100}
	if s == nil {
		return newSwitch(name, v)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.register(name, v)
	w.used = true
	return w
}

// Used tells whether a filter asks the switch of that name.
func (s *Switches) Used(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.all[name]
	return w != nil && w.used
}

// register is Register. Caller holds mu.
func (s *Switches) register(name string, v SwitchValue) *Switch {
	if w := s.all[name]; w != nil {
		return w
	}
	w := newSwitch(name, v)
	if on, ok := s.commanded[name]; ok {
		w.obey(&SwitchValue{On: on, Percent: 100})
	}
	if len(s.all) >= maxSwitches { // beyond the limit switches work, but cannot be set
		return w
	}
	if s.all == nil {
		s.all = make(map[string]*Switch)
	}
	s.all[name] = w
	return w
}

// Configure gives a switch the value of the configuration. One that was set to another by
// hand keeps that as long as the configuration says what it said then.
func (s *Switches) Configure(name string, v SwitchValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, known := s.all[name]
	if !known {
		s.register(name, v)
		return
	}
	if w.configured.String() != v.String() {
		w.configured = v
		w.put(v)
	}
}

// Command sets the switches of values for as long as it is not called again: those that are no longer among them are
// then what they were, or what they were set to meanwhile. Names that are not registered count once they are. It returns
// the names of those that changed, in order.
func (s *Switches) Command(values map[string]bool) (changed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commanded = maps.Clone(values)
	for name, w := range s.all {
		before := w.now.Load().String()
		if on, ok := values[name]; ok {
			w.obey(&SwitchValue{On: on, Percent: 100})
		} else {
			w.obey(nil)
		}
		if w.now.Load().String() != before {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// Set sets a switch and returns what it was set to before. While it is commanded, that shows only afterwards. A name that
// is not registered is ErrUnknownSwitch.
func (s *Switches) Set(name string, v SwitchValue) (before SwitchValue, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.all[name]
	if w == nil {
		return before, ErrUnknownSwitch
	}
	before = w.set
	w.put(v)
	return before, nil
}

// Get returns a switch, nil where none has that name.
func (s *Switches) Get(name string) *Switch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[name]
}

// Names lists the switches in order.
func (s *Switches) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.all))
}

// SwitchChange is a switch that was set to another value than the configured one.
type SwitchChange struct {
	Value      string `json:"value"`
	Configured string `json:"configured"` // at that time
}

// Changes are the switches that were set, by name, for a file that [Switches.Restore] reads.
func (s *Switches) Changes() map[string]SwitchChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes := make(map[string]SwitchChange)
	for name, w := range s.all {
		if set, configured := w.set.String(), w.configured.String(); set != configured {
			changes[name] = SwitchChange{Value: set, Configured: configured}
		}
	}
	return changes
}

// Restore sets switches as they were set before, but not those that are gone or configured
// differently now, and not to what is no value. It returns the names of those left out, in order.
func (s *Switches) Restore(changes map[string]SwitchChange) (skipped []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, change := range changes {
		w := s.all[name]
		v, err := ParseSwitch(change.Value)
		if w == nil || err != nil || w.configured.String() != change.Configured {
			skipped = append(skipped, name)
			continue
		}
		w.put(v)
	}
	slices.Sort(skipped)
	return skipped
}
