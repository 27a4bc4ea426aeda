package agent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// place is where a filter stands by its name.
type place struct {
	name   string
	always bool // without being configured
}

// places are the filters of an entry, outermost first. Access log and metrics are always
// there; where the configuration does not name them, they stand outermost and see a call once.
func places(e *conf.Entry) []place {
	var all []place
	for _, name := range []string{"accessLog", "metrics"} {
		if !slices.Contains(e.Filters, name) {
			all = append(all, place{name, true})
		}
	}
	for _, name := range e.Filters {
		all = append(all, place{name, false})
	}
	return all
}

// chains makes the filters of an entry: those around the call and those around each attempt. branch, nil where we export the
// service, leads to other groups of it; fleet is who else exports it, or refers to it.
func (k *compiler) chains(e *conf.Entry, role string, branch func(group string) motan.Handler, fleet *filters.Fleet) (outer, inner []motan.Filter, err error) {
	var errs []error
	for _, p := range places(e) {
		if p.name == "accessLog" && k.accessLog == nil {
			continue
		}
		entry, ok := k.extensions.Filters[p.name]
		if !ok {
			k.log.Warn("agent: filter is not known here and left out", "entry", e.ID, "filter", p.name, "at", e.At("filter"))
			continue
		}
		if role == filters.ServerAgent && entry.Position == filters.Cluster {
			k.log.Info("agent: filter stands around the calls to other hosts only, left out of a service", "entry", e.ID, "filter", p.name, "at", e.At("filter"))
			continue
		}
		settings := filters.Settings{
			Role: role, ID: e.ID, Service: e.Path, Group: e.Group, Application: e.Application,
			Params: e.Params, WholeCall: p.always && role == filters.ClientAgent, Metrics: k.metrics, AccessLog: k.accessLog, Notables: &k.notables,
			States: k.states, Switches: k.switches, Spans: k.spans, Route: k.route, Branch: branch, Fleet: fleet,
		}
		f, err := entry.New(settings)
		if err != nil {
			errs = append(errs, misplaced(e, p.name, err))
			continue
		}
		var attempts motan.Filter
		if x, ok := f.(filters.Attempter); ok && role == filters.ClientAgent {
			attempts = x.Attempts()
		}
		if !p.always { // those are ours, known not to panic, and of all calls
			if f, attempts, err = k.guarded(p.name, f, attempts, settings); err != nil {
				errs = append(errs, misplaced(e, p.name, err))
				continue
			}
		}
		if attempts != nil {
			inner = append(inner, attempts)
		}
		if p.always || entry.Position != filters.Endpoint {
			outer = append(outer, f)
		} else {
			inner = append(inner, f)
		}
	}
	return outer, inner, errors.Join(errs...)
}

// guarded puts what every filter has around one that the configuration names, and around its part around the attempts,
// where it has one: for which calls it is, and what is done when it panics.
func (k *compiler) guarded(name string, f, attempts motan.Filter, s filters.Settings) (guarded, part motan.Filter, err error) {
	when, err := filters.NewWhen(name, f, s)
	if err != nil {
		return nil, nil, err
	}
	if attempts != nil {
		if part, err = filters.NewWhen(name, attempts, s); err != nil {
			return nil, nil, err
		}
	}
	return filters.NewGuard(name, when, s, k.log), part, nil
}

// misplaced gives each setting that a filter cannot use its place.
func misplaced(e *conf.Entry, filter string, err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i, err := range all {
		at := e.At("filter")
		if setting, ok := errors.AsType[*filters.SettingError](err); ok {
			at = e.At(setting.Key)
		}
		all[i] = fmt.Errorf("%s: filter %s: %w", at, filter, err)
	}
	return errors.Join(all...)
}

// placedFilter is a filter in use and where it stands.
type placedFilter struct {
	entry  *conf.Entry
	role   string
	name   string
	filter motan.Filter
	always bool // the configuration does not name it
}

// configured are the filters of an entry that the configuration names, and of the others those that can be adjusted.
func configured(e *conf.Entry, role string, chains ...[]motan.Filter) []placedFilter {
	var all []placedFilter
	for _, f := range slices.Concat(chains...) {
		switch f := f.(type) {
		case *filters.Guard:
			all = append(all, placedFilter{e, role, f.Name(), f.Filter(), false})
		case *filters.AccessLog:
			all = append(all, placedFilter{e, role, "accessLog", f, true})
		}
	}
	return all
}
