package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/agent/traffic"
	"github.com/motand/motand/conf"
)

// trafficView is the rules of a refer as the API shows them.
type trafficView struct {
	Refer    string       `json:"refer"`
	Service  string       `json:"service"`
	Group    string       `json:"group"`
	Laid     bool         `json:"laid,omitempty"`      // over those of the configuration, by hand
	Command  bool         `json:"commanded,omitempty"` // likewise, by a command of a registry
	Rules    []ruleView   `json:"rules"`
	Branches []branchView `json:"branches,omitempty"`
}

type ruleView struct {
	Rule      string            `json:"rule"`
	To        []targetView      `json:"to,omitempty"` // none: the refer's own nodes
	Calls     int64             `json:"calls"`
	Failed    int64             `json:"failed"`
	Fallbacks int64             `json:"fallbacks"`
	Ramp      *traffic.Progress `json:"ramp,omitempty"`
}

type targetView struct {
	Group string            `json:"group,omitempty"`
	Nodes map[string]string `json:"nodes,omitempty"` // the parameters that they have
}

// branchView is other nodes that rules or filters lead to.
type branchView struct {
	targetView
	Count int `json:"count"`
}

// view is the rules of x, nil where it has none.
func (s *snapshot) traffic(x *route) *trafficView {
	rules := s.rules[x]
	if rules == nil {
		return nil
	}
	v := &trafficView{Refer: x.refer.ID, Service: x.refer.Path, Group: x.refer.Group}
	rules.All(func(name string, state *traffic.State, targets []traffic.Target) {
		r := ruleView{Rule: name}
		for _, t := range targets {
			r.To = append(r.To, targetView{t.Group, t.Params})
		}
		r.Calls, r.Failed, r.Fallbacks = state.Counts()
		if p, ok := state.Progress(); ok {
			r.Ramp = &p
		}
		v.Rules = append(v.Rules, r)
	})
	for t, n := range x.crossing.counts() {
		v.Branches = append(v.Branches, branchView{targetView{t.Group, t.Params}, n})
	}
	return v
}

// listTraffic answers with the rules in use and how they fare.
func (m *management) listTraffic(w http.ResponseWriter, _ *http.Request) {
	s, all := m.agent.snapshot.Load(), []*trafficView{}
	for _, x := range s.all {
		if v := s.traffic(x); v != nil {
			v.Laid, v.Command = m.agent.compiler.rulebook.source(x.refer)
			all = append(all, v)
		}
	}
	answer(w, http.StatusOK, all)
}

// putTraffic lays rules over those of the configuration, or takes them away again where there are none. It is kept over a
// restart.
func (m *management) putTraffic(w http.ResponseWriter, r *http.Request) {
	var x struct {
		Refer string          `json:"refer"`
		Rules json.RawMessage `json:"rules"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxManagementBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&x)
	known := slices.ContainsFunc(m.agent.snapshot.Load().all, func(o *route) bool { return o.refer.ConfID == x.Refer })
	switch {
	case err != nil:
		answer(w, http.StatusBadRequest, problem{fmt.Sprintf(`%v; wanted is {"refer":"users","rules":[{"name":"canary","percent":5,"group":"canary"}]}, without rules to take back what was set`, err)})
		return
	case !known:
		answer(w, http.StatusNotFound, problem{fmt.Sprintf("no refer has the id %.80q; GET /getConfig shows them below motan-refer", x.Refer)})
		return
	}
	var rules []conf.TrafficRule
	if text := string(x.Rules); text != "" && text != "null" && text != "[]" {
		var found []conf.Diagnostic
		if rules, found = conf.ParseTraffic("rules", x.Refer, x.Rules); rules == nil {
			var problems []string
			for _, d := range found {
				problems = append(problems, d.String())
			}
			answer(w, http.StatusBadRequest, map[string]any{"error": "the rules are wrong, nothing has changed", "problems": problems})
			return
		}
	}
	if err := m.agent.layTraffic(x.Refer, laidRules{x.Rules, rules}); err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	m.agent.log.Info("agent: rules set by hand", "refer", x.Refer, "rules", len(rules), "by", r.RemoteAddr)
	m.listTraffic(w, r)
}

// layTraffic puts rules over those of the configuration, and writes them down.
func (a *Agent) layTraffic(refer string, rules laidRules) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	before := a.compiler.rulebook.lay(refer, rules)
	err := a.change(a.snapshot.Load().config)
	if err != nil {
		a.compiler.rulebook.lay(refer, before)
		return err
	}
	a.keepLaid()
	return nil
}

// moveRamp starts, holds, resumes or aborts the ramp of a rule.
func (m *management) moveRamp(w http.ResponseWriter, r *http.Request) {
	var x struct {
		Refer string `json:"refer"`
		Rule  string `json:"rule"`
		Do    string `json:"do"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxManagementBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&x); err != nil {
		answer(w, http.StatusBadRequest, problem{fmt.Sprintf(`%v; wanted is {"refer":"users","rule":"canary","do":"hold"}, or start, resume, abort`, err)})
		return
	}
	found := false
	var failure error
	m.agent.eachRule(func(o *route, name string, s *traffic.State) {
		if o.refer.ConfID == x.Refer && name == x.Rule && failure == nil {
			found, failure = true, s.Do(x.Do, time.Now())
		}
	})
	switch {
	case !found:
		answer(w, http.StatusNotFound, problem{"no refer has such a rule; GET /api/v1/traffic lists those in use"})
	case failure != nil:
		answer(w, http.StatusConflict, problem{failure.Error()})
	default:
		m.agent.log.Info("agent: ramp moved by hand", "refer", x.Refer, "rule", x.Rule, "do", x.Do, "by", r.RemoteAddr)
		m.listTraffic(w, r)
	}
}

// eachRule calls f for each rule in use.
func (a *Agent) eachRule(f func(x *route, name string, s *traffic.State)) {
	s := a.snapshot.Load()
	for _, x := range s.all {
		if rules := s.rules[x]; rules != nil {
			rules.All(func(name string, state *traffic.State, _ []traffic.Target) { f(x, name, state) })
		}
	}
}

// trafficFigures are what rules have done and how they stand.
func (a *Agent) trafficFigures() []metrics.Figure {
	labels := []string{"refer", "group", "service", "rule"}
	each := func(read func(s *traffic.State, emit func(float64, ...string))) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			a.eachRule(func(x *route, name string, s *traffic.State) {
				read(s, func(value float64, more ...string) {
					emit(value, append([]string{x.refer.ID, x.refer.Group, x.refer.Path, name}, more...)...)
				})
			})
		}
	}
	return []metrics.Figure{
		{
			Name: "motand_traffic_calls_total", Help: "Calls that a rule of motan-traffic fits, by how they ended; fallback is those whose group or nodes were not there.",
			Labels: append(labels[:4:4], "result"), Counter: true, Read: each(func(s *traffic.State, emit func(float64, ...string)) {
				calls, failed, fallbacks := s.Counts()
				emit(float64(max(calls-failed, 0)), "ok")
				emit(float64(failed), "failed")
				emit(float64(fallbacks), "fallback")
			}),
		},
		{
			Name: "motand_traffic_ramp_percent", Help: "Share of the calls that a ramp sends elsewhere.", Labels: labels,
			Read: each(func(s *traffic.State, emit func(float64, ...string)) {
				if p, ok := s.Progress(); ok {
					emit(p.Percent)
				}
			}),
		},
		{
			Name: "motand_traffic_ramp_phase", Help: "1 for the phase that a ramp is in.", Labels: append(labels[:4:4], "phase"),
			Read: each(func(s *traffic.State, emit func(float64, ...string)) {
				if p, ok := s.Progress(); ok {
					emit(1, string(p.Phase))
				}
			}),
		},
	}
}
