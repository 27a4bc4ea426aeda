package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/cluster/command"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// commands are what operators command through the registries (motan protocol, section 5.6). They watch the commands for
// this agent's application and for each group that is referred to, and have the refers follow. They outlive snapshots: a
// watch goes on as long as one snapshot after the other has a refer that it concerns.
type commands struct {
	file     string // keeps the texts over a restart; empty for nowhere
	log      *slog.Logger
	wrong    atomic.Int64 // texts and single commands that were ignored
	switches *filters.Switches
	ruled    chan struct{} // holds one when rulings may have changed

	mu          sync.Mutex
	application string              // guarded by mu
	routes      map[string][]*route // guarded by mu; by group; the map itself is never changed
	texts       map[order]*orders   // guarded by mu
	saving      sync.Mutex          // one writing of file at a time
}

// order is where commands come from.
type order struct {
	registry string // id
	scope    registry.Scope
}

// orders are the commands of one place.
type orders struct {
	from    fingerprint // of the registry
	end     func()      // ends the watch; nil before it began
	list    command.List
	good    string    // the text of list
	sheet   *sheet    // traffic rules in force
	text    string    // as it was written last, also where it means nothing
	since   time.Time // when that was
	problem string    // why text is not in force; empty when it is
}

func newCommands(file string, switches *filters.Switches, log *slog.Logger) *commands {
	return &commands{file: file, switches: switches, log: log, ruled: make(chan struct{}, 1), texts: make(map[order]*orders)}
}

// use watches the commands that concern the routes of s until ctx ends, and no others any more. Those of the last run
// count until the registries have told theirs. It is called by one goroutine at a time.
func (k *commands) use(ctx context.Context, s *snapshot) error {
	wanted, routes := ordersFor(s)
	k.mu.Lock()
	had := make(map[*route]bool)
	for _, list := range k.routes {
		for _, r := range list {
			had[r] = true
		}
	}
	k.application, k.routes = s.config.Agent.Application, routes
	gone := false
	for o, x := range k.texts {
		if hold := wanted[o]; hold == nil || hold.key != x.from {
			x.stop()
			delete(k.texts, o)
			gone = true
		}
	}
	fresh := make(map[order]*orders)
	for o, hold := range wanted {
		if k.texts[o] == nil {
			fresh[o] = &orders{from: hold.key}
			k.texts[o] = fresh[o]
		}
	}
	k.mu.Unlock()
	for _, r := range s.all { // by what is known already
		if !had[r] || gone {
			k.lead(r)
		}
	}
	if gone {
		k.flip()
		k.tell()
	}
	return k.watch(ctx, fresh, wanted)
}

// ordersFor are the places whose commands concern s, with their registries, and its routes by group.
func ordersFor(s *snapshot) (map[order]*item[registry.Registry], map[string][]*route) {
	wanted, routes := make(map[order]*item[registry.Registry]), make(map[string][]*route)
	for _, x := range s.all {
		for _, group := range x.refer.Groups() {
			routes[group] = append(routes[group], x)
		}
		for _, id := range x.refer.Registries {
			hold := s.holds[id]
			if _, ok := registry.As[registry.Commander](hold.value); !ok {
				continue
			}
			for _, group := range x.refer.Groups() {
				wanted[order{id, registry.Scope{Group: group}}] = hold
			}
			if application := s.config.Agent.Application; application != "" {
				wanted[order{id, registry.Scope{Application: application}}] = hold
			}
		}
	}
	return wanted, routes
}

// watch begins to watch the places of fresh, until ctx or their stop ends it.
func (k *commands) watch(ctx context.Context, fresh map[order]*orders, from map[order]*item[registry.Registry]) error {
	if len(fresh) == 0 {
		return nil
	}
	kept := k.recall()
	for o, x := range fresh {
		for _, text := range []string{kept[o.name()+keptRules], kept[o.name()]} {
			if text != "" {
				k.update(o, x, text)
			}
		}
		watch, end := context.WithCancel(ctx)
		k.mu.Lock()
		x.end = end
		k.mu.Unlock()
		commander, _ := registry.As[registry.Commander](from[o].value)
		if err := commander.WatchCommand(watch, o.scope, func(text string) {
			if k.update(o, x, text) {
				k.keep()
			}
		}); err != nil {
			k.forget(fresh)
			return err
		}
	}
	return nil
}

// forget takes back what watch has begun.
func (k *commands) forget(fresh map[order]*orders) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for o, x := range fresh {
		x.stop()
		delete(k.texts, o)
	}
}

// stop ends the watch of x.
func (x *orders) stop() {
	if x.end != nil {
		x.end()
	}
}

// update takes the text of one place, and tells whether x still stands for that. A text that means nothing is told of
// and ignored: what was in force stays.
func (k *commands) update(o order, x *orders, text string) bool {
	list, err := command.Parse(text)
	rules, wrong := readSheet(text, &list)
	k.mu.Lock()
	if k.texts[o] != x { // it was on its way when the watch ended
		k.mu.Unlock()
		return false
	}
	before, all := x.text, k.routes
	x.text, x.since, x.problem = text, time.Now(), ""
	if err != nil {
		x.problem = err.Error()
	} else {
		x.list, x.good = list, text
		problems := list.Problems
		if wrong != nil {
			problems = append(slices.Clip(problems), wrong.Error())
		} else {
			if x.sheet.reads() != rules.reads() {
				x.sheet = rules
				defer k.tell()
			}
		}
		x.problem = strings.Join(problems, "; ")
	}
	k.mu.Unlock()
	at := []any{"registry", o.registry, "group", o.scope.Group, "application", o.scope.Application}
	if err != nil {
		k.wrong.Add(1)
		k.log.Error("agent: a command is ignored, the one before stays in force", append(at, "err", err)...)
		return true
	}
	if wrong != nil {
		k.wrong.Add(1)
		k.log.Error("agent: the traffic rules of a command are ignored, those before stay in force", append(at, "err", wrong)...)
	}
	k.wrong.Add(int64(len(list.Problems)))
	for _, p := range list.Problems[:min(len(list.Problems), 10)] {
		k.log.Error("agent: part of a command is ignored", append(at, "problem", p)...)
	}
	if text != before {
		k.log.Info("agent: commands have changed", append(at, "commands", len(list.Commands))...)
	}
	k.flip()
	for group, routes := range all {
		if o.scope.Group == "" || o.scope.Group == group {
			for _, r := range routes {
				k.lead(r)
			}
		}
	}
	return true
}

// flip sets the switches as all commands together say: where several name a switch, an agent's before a group's.
func (k *commands) flip() {
	if k.switches == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock() // so that the last one to come here has the newest commands
	places := slices.SortedFunc(maps.Keys(k.texts), func(a, b order) int {
		return cmp.Or(cmp.Compare(a.scope.Application, b.scope.Application), cmp.Compare(a.name(), b.name()))
	})
	values := make(map[string]bool)
	for _, o := range places { // applications come last
		maps.Copy(values, command.Set{Group: k.texts[o].list}.Switches())
	}
	for _, name := range k.switches.Command(values) {
		k.log.Warn("agent: a command has changed a switcher", "switcher", name, "value", k.switches.Get(name).Value().String())
	}
}

// lead has a route follow the commands that concern it.
func (k *commands) lead(r *route) {
	set := k.set(r)
	traffic, ok := set.Traffic(r.refer.Path)
	if err := r.steering.follow(traffic, ok); err != nil {
		k.wrong.Add(1)
		k.log.Error("agent: a command cannot be followed", "refer", r.refer.ID, "group", r.refer.Group, "remark", traffic.Remark, "err", err)
	}
	_, degraded := set.Degraded(r.refer.Path)
	if r.cluster.Refuse(degradedBy(degraded)) {
		k.log.Warn("agent: degraded by a command", "refer", r.refer.ID, "group", r.refer.Group, "service", r.refer.Path, "degraded", degraded)
	}
}

// degradedBy is the error that calls are refused with, as motan-go writes it; nil where they are not.
func degradedBy(degraded bool) *motan.Error {
	if !degraded {
		return nil
	}
	return motan.Errorf(motan.KindRefused, motan.CodeInternal, "cluster not available, maybe caused by degrade")
}

// set is what is commanded of a route: the registries in the order of the refer.
func (k *commands) set(r *route) command.Set {
	k.mu.Lock()
	defer k.mu.Unlock()
	var s command.Set
	for _, id := range r.refer.Registries {
		if x := k.texts[order{id, registry.Scope{Application: k.application}}]; x != nil {
			s.Agent.Commands = slices.Concat(s.Agent.Commands, x.list.Commands)
		}
		for _, group := range r.refer.Groups() {
			if x := k.texts[order{id, registry.Scope{Group: group}}]; x != nil {
				s.Group.Commands = slices.Concat(s.Group.Commands, x.list.Commands)
			}
		}
	}
	return s
}

// name is how o is called in the file.
func (o order) name() string {
	return strings.Join([]string{o.registry, o.scope.Group, o.scope.Application}, "/")
}

// keptRules follows the name of a place in the file where its traffic rules in force are of another text than the rest.
const keptRules = "#trafficRules"

// keep writes the texts in force.
func (k *commands) keep() {
	if k.file == "" {
		return
	}
	k.saving.Lock()
	defer k.saving.Unlock()
	texts := make(map[string]string)
	k.mu.Lock()
	for o, x := range k.texts {
		if x.good != "" {
			texts[o.name()] = x.good
		}
		if x.sheet != nil && x.sheet.text != x.good {
			texts[o.name()+keptRules] = x.sheet.text
		}
	}
	k.mu.Unlock()
	data, err := json.Marshal(texts)
	if err == nil {
		err = writeFile(k.file, string(data))
	}
	if err != nil {
		k.log.Warn("agent: commands are not kept, a restart without registry would not know them", "err", err)
	}
}

// maxKept bounds what is read of the file.
const maxKept = 64 << 20

// recall reads what keep has written; none where there is no file, or nonsense in it.
func (k *commands) recall() map[string]string {
	if k.file == "" {
		return nil
	}
	f, err := os.Open(k.file)
	if err != nil {
		return nil // the first start
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxKept))
	var texts map[string]string
	if err == nil {
		err = json.Unmarshal(data, &texts)
	}
	if err != nil {
		k.log.Warn("agent: the commands of the last run cannot be read", "file", k.file, "err", err)
	}
	return texts
}
