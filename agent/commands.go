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
// this agent's application and for each group that is referred to, and have the refers follow.
type commands struct {
	application string
	file        string // keeps the texts over a restart; empty for nowhere
	log         *slog.Logger
	wrong       atomic.Int64 // texts and single commands that were ignored
	switches    *filters.Switches

	routes map[string][]*route // by group
	mu     sync.Mutex
	texts  map[order]*orders // guarded by mu; which there are does not change after start
	saving sync.Mutex        // one writing of file at a time
}

// order is where commands come from.
type order struct {
	registry string // id
	scope    registry.Scope
}

// orders are the commands of one place.
type orders struct {
	list    command.List
	good    string    // the text of list
	text    string    // as it was written last, also where it means nothing
	since   time.Time // when that was
	problem string    // why text is not in force; empty when it is
}

func newCommands(application, file string, switches *filters.Switches, log *slog.Logger) *commands {
	return &commands{application: application, file: file, switches: switches, log: log, texts: make(map[order]*orders), routes: make(map[string][]*route)}
}

// start watches the commands that concern the routes until ctx ends. Those of the last run count until the registries have
// told theirs.
func (k *commands) start(ctx context.Context, registries map[string]registry.Registry, routes []*route) error {
	kept, commanders := k.recall(), make(map[string]registry.Commander)
	for _, x := range routes {
		k.routes[x.refer.Group] = append(k.routes[x.refer.Group], x)
		for _, id := range x.refer.Registries {
			c, ok := registry.As[registry.Commander](registries[id])
			if !ok {
				continue
			}
			scopes := []registry.Scope{{Group: x.refer.Group}}
			if k.application != "" {
				scopes = append(scopes, registry.Scope{Application: k.application})
			}
			for _, scope := range scopes {
				k.texts[order{id, scope}] = new(orders)
				commanders[id] = c
			}
		}
	}
	for o := range k.texts {
		if text := kept[o.name()]; text != "" {
			k.update(o, text)
		}
		if err := commanders[o.registry].WatchCommand(ctx, o.scope, func(text string) {
			k.update(o, text)
			k.keep()
		}); err != nil {
			return err
		}
	}
	return nil
}

// update takes the text of one place. One that means nothing is told of and ignored: what was in force stays.
func (k *commands) update(o order, text string) {
	list, err := command.Parse(text)
	k.mu.Lock()
	x := k.texts[o]
	before := x.text
	x.text, x.since, x.problem = text, time.Now(), ""
	if err != nil {
		x.problem = err.Error()
	} else {
		x.list, x.good = list, text
		x.problem = strings.Join(list.Problems, "; ")
	}
	k.mu.Unlock()
	at := []any{"registry", o.registry, "group", o.scope.Group, "application", o.scope.Application}
	if err != nil {
		k.wrong.Add(1)
		k.log.Error("agent: a command is ignored, the one before stays in force", append(at, "err", err)...)
		return
	}
	k.wrong.Add(int64(len(list.Problems)))
	for _, p := range list.Problems[:min(len(list.Problems), 10)] {
		k.log.Error("agent: part of a command is ignored", append(at, "problem", p)...)
	}
	if text != before {
		k.log.Info("agent: commands have changed", append(at, "commands", len(list.Commands))...)
	}
	k.flip()
	for group, routes := range k.routes {
		if o.scope.Group == "" || o.scope.Group == group {
			for _, r := range routes {
				k.lead(r)
			}
		}
	}
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
		if x := k.texts[order{id, registry.Scope{Group: r.refer.Group}}]; x != nil {
			s.Group.Commands = slices.Concat(s.Group.Commands, x.list.Commands)
		}
	}
	return s
}

// name is how o is called in the file.
func (o order) name() string {
	return strings.Join([]string{o.registry, o.scope.Group, o.scope.Application}, "/")
}

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
