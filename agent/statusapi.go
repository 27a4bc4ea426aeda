package agent

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/filters"
)

// statusView is the agent at a glance.
type statusView struct {
	Version    string    `json:"version"`
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	State      string    `json:"state"` // ready, waiting (for a registry), stopping
	Available  bool      `json:"available"`
	MemoryMB   int64     `json:"memoryMB"`
	CPUPercent int64     `json:"cpuPercent"` // since the start
	Goroutines int       `json:"goroutines"`

	Config     configView       `json:"config"`
	Listeners  []listenerView   `json:"listeners"`
	Registries []registryView   `json:"registries"`
	Refers     int              `json:"refers"`
	NoNodes    []string         `json:"refersWithoutNodes"` // at most 20
	Commands   []string         `json:"commandProblems"`    // at most 10
	Holdups    []string         `json:"blockingFilters"`
	Services   []serviceSummary `json:"services"`
	Period     float64          `json:"periodSeconds"` // that the load is of
	Load       []loadView       `json:"load"`

	Certificates []certificate `json:"certificates"` // all that are in use, those first that end first
}

type configView struct {
	Files     []string  `json:"files"`
	Reloads   int64     `json:"reloads"`
	Refused   int64     `json:"refused"`
	LastTaken time.Time `json:"lastTaken"`
	LastError string    `json:"lastError,omitempty"` // of the last one that was refused, until one is taken

	Pushed *pushedStatus `json:"pushed,omitempty"` // the part that stands in a registry
}

type listenerView struct {
	Name        string   `json:"name"`
	Addresses   []string `json:"addresses"`
	Connections int64    `json:"connections"`
	InFlight    int64    `json:"inFlight"`
}

type registryView struct {
	ID        string `json:"id"`
	Connected bool   `json:"connected"`
	Watched   int    `json:"watched"`
	Stale     int    `json:"stale"`
	Kept      int    `json:"kept"` // nodes that it does not list any more
	Announced int    `json:"announced"`
	Error     string `json:"error,omitempty"`
}

type serviceSummary struct {
	Service   string `json:"service"`
	Group     string `json:"group"`
	Available bool   `json:"available"` // in every registry
	Healthy   *bool  `json:"healthy"`   // null where it is not checked
}

type loadView struct {
	Direction string  `json:"direction"` // out: of programs here; in: of services here
	Service   string  `json:"service"`
	Group     string  `json:"group"`
	Calls     uint64  `json:"calls"`
	Failed    uint64  `json:"failed"`
	P50       float64 `json:"p50Ms"`
	P99       float64 `json:"p99Ms"`
}

const maxNoNodes = 20

// overview answers with the agent at a glance.
func (m *management) overview(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, m.agent.overview())
}

func (a *Agent) overview() statusView {
	s := a.snapshot.Load()
	v := statusView{
		Version: Version, PID: os.Getpid(), Started: a.started, State: "ready", Available: a.announcer.ready(), Goroutines: runtime.NumGoroutine(),
		Config: a.reloads.view(s.config.Files), Certificates: a.expiries.list(),
		Listeners:  a.listenerViews(),
		Registries: []registryView{}, Refers: len(s.all), NoNodes: []string{}, Commands: a.compiler.commands.problems(), Holdups: a.holdups.told(), Services: []serviceSummary{}, Load: []loadView{},
	}
	v.Config.Pushed = a.pushes.view(s)
	samples := a.samples()
	v.MemoryMB, v.CPUPercent = samples["memory"], samples["cpu"]
	switch {
	case a.stopping.Load():
		v.State = "stopping"
	case s.pending() > 0:
		v.State = "waiting"
	}
	for id, x := range a.registryStates() {
		r := registryView{ID: id, Connected: x.Connected, Watched: len(x.Watches), Announced: len(x.Announced), Error: x.LastError}
		for _, l := range x.Watches {
			r.Kept += l.Kept
			if l.Stale {
				r.Stale++
			}
		}
		v.Registries = append(v.Registries, r)
	}
	for _, r := range s.all {
		if len(v.NoNodes) < maxNoNodes && len(r.cluster.Endpoints()) == 0 {
			v.NoNodes = append(v.NoNodes, r.refer.Path+"@"+r.refer.Group)
		}
	}
	for _, x := range a.report() {
		one := serviceSummary{Service: x.Service, Group: x.Group, Available: true}
		for _, r := range x.Registries {
			one.Available = one.Available && r.Available && r.Written
		}
		if x.Health != nil {
			one.Healthy = &x.Health.Passes
		}
		v.Services = append(v.Services, one)
	}
	series, period := a.reporter.latest()
	v.Period, v.Load = period.Seconds(), loadOf(series)
	return v
}

// loadOf sums series by service and direction.
func loadOf(series []metrics.Series) []loadView {
	all := []loadView{}
	durations := []metrics.Histogram{}
	at := make(map[metrics.Key]int)
	for i := range series {
		s := &series[i]
		k := metrics.Key{Role: s.Role, Group: s.Group, Service: s.Service}
		if s.Role != "motan-"+filters.ServerAgent && !s.Cluster {
			k.Cluster = true // attempts count only where the calls themselves are not counted
			if _, both := at[metrics.Key{Role: s.Role, Group: s.Group, Service: s.Service}]; both {
				continue
			}
		}
		n, there := at[k]
		if !there {
			n = len(all)
			at[k] = n
			direction := "out"
			if s.Role == "motan-"+filters.ServerAgent {
				direction = "in"
			}
			all = append(all, loadView{Direction: direction, Service: s.Service, Group: s.Group})
			durations = append(durations, metrics.Histogram{})
		}
		all[n].Calls += s.Total()
		all[n].Failed += s.BizErrors() + s.OtherErrors()
		durations[n].Add(&s.Durations)
	}
	for i := range all {
		all[i].P50 = float64(durations[i].Quantile(0.5)) / float64(time.Millisecond)
		all[i].P99 = float64(durations[i].Quantile(0.99)) / float64(time.Millisecond)
	}
	return all
}

func (a *Agent) listenerViews() []listenerView {
	all := []listenerView{
		{"motan", addrs(a.listeners.of("motan")), a.motanIn.Stats.Open.Load(), a.motanIn.Stats.InFlight.Load()},
		{"export", addrs(a.listeners.of("export")), a.exportIn.Stats.Open.Load(), a.exportIn.Stats.InFlight.Load()},
		{"management", addrs(a.listeners.of("management")), a.management.crowd.open.Load(), 0},
	}
	if len(a.listeners.of("http")) > 0 {
		all = append(all, listenerView{"http", addrs(a.listeners.of("http")), a.httpIn.Connections(), a.httpIn.Stats.InFlight.Load()})
	}
	return all
}
