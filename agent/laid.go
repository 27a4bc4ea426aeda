package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
)

// laid is what was laid over the configuration while an agent ran, as it stands on the disk for the next run and for the process
// that takes its place.
type laid struct {
	Traffic map[string]json.RawMessage `json:"traffic,omitempty"` // rules by conf-id of the refer
	Filters []adjustedFilter           `json:"filters,omitempty"`
}

// laidFile is laid on the disk.
type laidFile struct {
	path string
	log  *slog.Logger
	last func() laid // what the run before has written, read once
	mu   sync.Mutex  // one writing at a time
}

// laidName is in the runtime folder.
const laidName = "laid.json"

// open makes f the file at path.
func (f *laidFile) open(path string, log *slog.Logger) {
	f.path, f.log, f.last = path, log, sync.OnceValue(f.read)
}

// read returns what was written last; nothing where that is nonsense.
func (f *laidFile) read() laid {
	var l laid
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		f.log.Error("agent: what was laid over the configuration by hand is not known any more, the configuration counts", "file", f.path, "err", err)
		return laid{}
	}
	return l
}

// keepLaid writes down what lies over the configuration now.
func (a *Agent) keepLaid() {
	a.laidFile.mu.Lock()
	defer a.laidFile.mu.Unlock()
	l := laid{Traffic: a.compiler.rulebook.texts(), Filters: adjusted(a.snapshot.Load())}
	text, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = writeFile(a.laidFile.path, string(text)+"\n")
	}
	if err != nil {
		a.log.Error("agent: what was laid over the configuration is in use, but a restart would not know it: make motan-agent.runtime_dir writable", "err", err)
	}
}

// adjusted are the filters of s with settings that were changed at run time.
func adjusted(s *snapshot) []adjustedFilter {
	var all []adjustedFilter
	for _, p := range s.filters {
		if v := p.view(); len(v.Adjusted) > 0 {
			all = append(all, adjustedFilter{v.Filter, v.Role, v.Entry, v.Adjusted})
		}
	}
	return all
}

// readjust lays settings over those of the filters in use, before a call comes.
func (a *Agent) readjust(list []adjustedFilter) {
	for _, p := range a.snapshot.Load().filters {
		f, ok := p.filter.(filters.Adjustable)
		if !ok || f.Adjusted() != nil {
			continue
		}
		i := slices.IndexFunc(list, func(x adjustedFilter) bool { return x.Filter == p.name && x.Role == p.role && x.Entry == p.entry.ID })
		if i < 0 {
			continue
		}
		if err := f.Adjust(list[i].Keys); err != nil {
			a.log.Warn("agent: settings of a filter that were changed at run time do not fit any more, the configuration counts", "filter", p.name, "entry", p.entry.ID, "err", err)
			continue
		}
		a.log.Warn("agent: settings of a filter are as they were changed by hand before", "filter", p.name, "role", p.role, "entry", p.entry.ID, "set", list[i].Keys)
	}
}

// laidRules is rules that were laid over those of the configuration.
type laidRules struct {
	text  json.RawMessage
	rules []conf.TrafficRule
}

// recallLaid returns s, which is started and not in use yet, with the rules that were laid over the configuration in the last run.
func (k *compiler) recallLaid(s *snapshot, kept map[string]json.RawMessage) *snapshot {
	over := make(map[string]laidRules)
	for _, refer := range slices.Sorted(maps.Keys(kept)) {
		rules, found := conf.ParseTraffic(laidName, refer, kept[refer])
		var err error
		switch known := slices.ContainsFunc(s.all, func(x *route) bool { return x.refer.ConfID == refer }); {
		case !known:
			err = errors.New("there is no such refer any more")
		case rules == nil:
			err = fmt.Errorf("%v", found)
		}
		if err != nil {
			k.log.Warn("agent: rules that were set by hand before are gone, the configuration counts", "refer", refer, "err", err)
			continue
		}
		over[refer] = laidRules{kept[refer], rules}
	}
	if len(over) == 0 {
		return s
	}
	k.rulebook.layAll(over)
	next, err := k.revised(s)
	if err != nil {
		k.log.Error("agent: rules that were set by hand before cannot be followed any more, the configuration counts", "err", err)
		k.rulebook.layAll(nil)
		return s
	}
	k.log.Warn("agent: rules are as they were set by hand before; PUT /api/v1/traffic takes them back", "refers", slices.Sorted(maps.Keys(over)))
	return next
}

// revised is s, which nobody changes, with the rules that there are now.
func (k *compiler) revised(s *snapshot) (*snapshot, error) {
	next := *s
	next.rules = k.rulebook.compile(s)
	return &next, next.open()
}

// layAll puts rules over those of the configuration, by conf-id of the refer, in the place of all that were before.
func (b *rulebook) layAll(over map[string]laidRules) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = over
}

// texts are the rules that were laid over, as they were given; nil for none.
func (b *rulebook) texts() map[string]json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all map[string]json.RawMessage
	for refer, x := range b.over {
		if all == nil {
			all = make(map[string]json.RawMessage)
		}
		all[refer] = x.text
	}
	return all
}
