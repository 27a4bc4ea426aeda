package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// routeTo finds the refer of a service for filters that send calls elsewhere.
func (a *Agent) routeTo(service, group string) motan.Handler {
	r := a.routes.Load()
	if r == nil {
		return nil
	}
	for _, x := range r.byService[service] {
		if group == "" || group == x.refer.Group {
			return x.handler
		}
	}
	return nil
}

// filterView is a filter in use as the API shows it.
type filterView struct {
	Filter   string            `json:"filter"`
	Role     string            `json:"role"`
	Entry    string            `json:"entry"`
	Service  string            `json:"service"`
	Group    string            `json:"group"`
	Adjusted map[string]string `json:"adjusted,omitempty"` // keys laid over those of the configuration
}

func (p *placedFilter) view() filterView {
	v := filterView{Filter: p.name, Role: p.role, Entry: p.entry.ID, Service: p.entry.Path, Group: p.entry.Group}
	if x, ok := p.filter.(filters.Adjustable); ok {
		v.Adjusted = x.Adjusted()
	}
	return v
}

// listFilters answers with the filters in use.
func (m *management) listFilters(w http.ResponseWriter, _ *http.Request) {
	all := []filterView{}
	for _, p := range m.agent.snapshot.Load().filters {
		if v := p.view(); !p.always || v.Adjusted != nil {
			all = append(all, v)
		}
	}
	answer(w, http.StatusOK, all)
}

// adjustment is a change of filters at run time. What is empty matches every filter.
type adjustment struct {
	Filter  string            `json:"filter"`
	Service string            `json:"service"`
	Group   string            `json:"group,omitempty"`
	Role    string            `json:"role,omitempty"`
	Set     map[string]string `json:"set"` // empty: the configuration counts again
}

func (x *adjustment) matches(p *placedFilter) bool {
	return x.Filter == p.name && x.Service == p.entry.Path &&
		(x.Group == "" || x.Group == p.entry.Group) && (x.Role == "" || x.Role == p.role)
}

// check refuses keys that the filter does not read.
func (x *adjustment) check() error {
	if x.Filter == "" || x.Service == "" {
		return errors.New(`filter and service are required; wanted is {"filter":"rateLimit","service":"com.example.Hello","set":{"rateLimit":"100"}}, with an empty set to take back what was set`)
	}
	for key := range x.Set {
		base := key
		if i := strings.LastIndex(key, ")."); i > 0 {
			base = key[i+2:]
		}
		known := slices.ContainsFunc(conf.Keys(), func(k conf.Key) bool { return k.Name == base })
		if !known && !strings.HasPrefix(base, x.Filter+".") && !strings.HasPrefix(base, "rateLimitCaller.") {
			return fmt.Errorf("%.80q is no key of filter %.80q", key, x.Filter)
		}
	}
	return nil
}

// adjustFilters changes filters while calls pass, says who did it, and writes it down.
func (m *management) adjustFilters(w http.ResponseWriter, r *http.Request) {
	var x adjustment
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxManagementBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&x)
	if err == nil {
		err = x.check()
	}
	if err != nil {
		answer(w, http.StatusBadRequest, problem{err.Error()})
		return
	}
	changed := []filterView{}
	defer func() { // after an error too: of those that were changed before it
		if len(changed) > 0 {
			m.agent.keepLaid()
		}
	}()
	for _, p := range m.agent.snapshot.Load().filters {
		f, ok := p.filter.(filters.Adjustable)
		if !ok || !x.matches(&p) {
			continue
		}
		if err := f.Adjust(x.Set); err != nil {
			answer(w, http.StatusBadRequest, problem{fmt.Sprintf("filter %s of %s: %v", p.name, p.entry.ID, err)})
			return
		}
		m.agent.log.Info("agent: filter adjusted", "filter", p.name, "role", p.role, "entry", p.entry.ID, "set", x.Set, "by", r.RemoteAddr)
		changed = append(changed, p.view())
	}
	if len(changed) == 0 {
		answer(w, http.StatusNotFound, problem{"no service has such a filter whose settings can be changed; GET /api/v1/filters lists those in use"})
		return
	}
	answer(w, http.StatusOK, changed)
}
