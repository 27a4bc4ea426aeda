package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/motand/motand/agent/cluster/command"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// ruling is traffic rules that a command lays over those of the configuration, for the services of a pattern.
type ruling struct {
	pattern command.Pattern
	rules   []conf.TrafficRule // none: calls take the refer's own nodes
}

// sheet is the rulings of one place, with the text that has them. It is never changed. A nil sheet has none.
type sheet struct {
	text string
	list []ruling
}

// rulings are those of all places, as they are in force at one time. It is never changed. A nil rulings is none.
type rulings struct {
	application string
	places      map[order]*sheet
}

// readSheet reads the rules of a command node: all of them, or none with what is wrong.
func readSheet(text string, list *command.List) (*sheet, error) {
	if list.RoutingsErr != nil {
		return nil, list.RoutingsErr
	}
	if len(list.Routings) == 0 {
		return nil, nil
	}
	s := &sheet{text: text}
	for i, x := range list.Routings {
		rules, found := conf.ParseTraffic(fmt.Sprintf("trafficRules[%d].rules", i), x.Pattern.String(), x.Rules)
		for _, d := range found {
			if d.Severity == conf.Error {
				return nil, errors.New(d.String())
			}
		}
		s.list = append(s.list, ruling{x.Pattern, rules})
	}
	return s, nil
}

// of returns the rules for a refer, ok false for none: those of the application before those of the group, the registries in
// the order of the refer.
func (r *rulings) of(x *conf.Refer) (rules []conf.TrafficRule, ok bool) {
	if r == nil {
		return nil, false // most agents
	}
	scopes := []registry.Scope{{Application: r.application}}
	for _, group := range x.Groups() {
		scopes = append(scopes, registry.Scope{Group: group})
	}
	for _, scope := range scopes {
		for _, id := range x.Registries {
			for _, one := range r.at(order{id, scope}).rulings() {
				if one.pattern.Match(x.Path) {
					return one.rules, true
				}
			}
		}
	}
	return nil, false
}

// rulings are those of s, none of nil.
func (s *sheet) rulings() []ruling {
	if s == nil {
		return nil
	}
	return s.list
}

// reads is the text of s, empty for nil.
func (s *sheet) reads() string {
	if s == nil {
		return ""
	}
	return s.text
}

// rulings are those that the places have now; nil for none.
func (k *commands) rulings() *rulings {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := &rulings{application: k.application, places: make(map[order]*sheet)}
	for o, x := range k.texts {
		if x.sheet != nil {
			r.places[o] = x.sheet
		}
	}
	if len(r.places) == 0 {
		return nil
	}
	return r
}

// tell says that rulings may have others.
func (k *commands) tell() {
	select {
	case k.ruled <- struct{}{}:
	default: // who takes them has not begun yet
	}
}

// recallRules returns s, which is started and not in use yet, as the rules have it that commands have already, be they of the
// last run.
func (k *compiler) recallRules(s *snapshot) *snapshot {
	r := k.commands.rulings()
	if r == nil {
		return s
	}
	k.rulebook.command(r)
	next, err := k.revised(s)
	if err != nil {
		k.commands.refuse(r, nil, err)
		k.rulebook.command(nil)
		return s
	}
	return next
}

// followRules takes the rules of commands into use as they change, until ctx ends.
func (a *Agent) followRules(ctx context.Context) {
	for {
		select {
		case <-a.compiler.commands.ruled:
		case <-ctx.Done():
			return
		}
		if !errors.Is(a.takeRules(), errUpgrading) {
			continue
		}
		again := time.NewTimer(time.Second) // the upgrade may come to nothing
		select {
		case <-again.C:
			a.compiler.commands.tell()
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

// takeRules takes the rules of commands into use. On an error those before stay.
func (a *Agent) takeRules() error {
	a.changing.Lock()
	defer a.changing.Unlock()
	next := a.compiler.commands.rulings()
	before := a.compiler.rulebook.command(next)
	if next == nil && before == nil {
		return nil
	}
	err := a.change(a.snapshot.Load().config)
	if err == nil {
		return nil
	}
	a.compiler.rulebook.command(before)
	if !errors.Is(err, errUpgrading) && !errors.Is(err, errStopping) {
		a.compiler.commands.refuse(next, before, err)
	}
	return err
}

// refuse takes back what next has and before has not: rules that are right in themselves, and cannot be followed.
func (k *commands) refuse(next, before *rulings, err error) {
	k.wrong.Add(1)
	k.log.Error("agent: the traffic rules of commands cannot be followed, those before stay in force", "err", err)
	k.mu.Lock()
	for o, x := range k.texts {
		if s := next.at(o); s != before.at(o) && s == x.sheet { // it was not written anew meanwhile
			x.sheet = before.at(o)
			x.problem = strings.TrimPrefix(x.problem+"; trafficRules cannot be followed: "+err.Error(), "; ")
		}
	}
	k.mu.Unlock()
	k.keep()
}

// at is the sheet of a place.
func (r *rulings) at(o order) *sheet {
	if r == nil {
		return nil
	}
	return r.places[o]
}

// command has r lie over the rules of the configuration, below those that were laid by hand. It returns what did before.
func (b *rulebook) command(r *rulings) (before *rulings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, b.commanded = b.commanded, r
	return before
}
