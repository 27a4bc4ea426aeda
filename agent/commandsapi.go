package agent

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// commandView is the commands of one place as the API shows them.
type commandView struct {
	Registry    string    `json:"registry"`
	Group       string    `json:"group,omitempty"`       // whose callers they are for
	Application string    `json:"application,omitempty"` // whose agents they are for
	Since       time.Time `json:"since"`
	Text        string    `json:"text"`              // as it stands in the registry
	InForce     string    `json:"inForce,omitempty"` // what counts, where that is an earlier text
	Rules       string    `json:"rulesInForce,omitempty"`
	Problem     string    `json:"problem,omitempty"` // what of the text is ignored, and why
}

// views are the places that have commands.
func (k *commands) views() []commandView {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []commandView{}
	for o, x := range k.texts {
		if x.text == "" && x.good == "" {
			continue
		}
		v := commandView{
			Registry: o.registry, Group: o.scope.Group, Application: o.scope.Application, Since: x.since, Text: x.text, Problem: x.problem,
		}
		if x.good != x.text {
			v.InForce = x.good
		}
		if x.sheet != nil && x.sheet.text != x.good {
			v.Rules = x.sheet.text
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b commandView) int {
		return cmp.Or(cmp.Compare(a.Registry, b.Registry), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Application, b.Application))
	})
	return all
}

// problems are the places with something wrong.
func (k *commands) problems() []string {
	all := []string{}
	for _, v := range k.views() {
		if v.Problem != "" && len(all) < maxCommandProblems {
			all = append(all, fmt.Sprintf("%s, %s: %.400s", v.Registry, cmp.Or(v.Group, "application "+v.Application), v.Problem))
		}
	}
	return all
}

// maxCommandProblems are told at a glance.
const maxCommandProblems = 10

// commands answers with the commands of the registries, and what is wrong with them.
func (m *management) commands(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, m.agent.compiler.commands.views())
}
