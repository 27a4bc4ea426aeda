package agent

import (
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// observe adds what the agent knows of itself to the metrics: connections, what was refused
// on them, upstream connections, registries, the access log.
func (a *Agent) observe() {
	figures := append(a.listenerFigures(), a.upstreamFigures()...)
	figures = append(figures, a.registryFigures()...)
	figures = append(figures, a.httpFigures()...)
	figures = append(figures, counter("motand_http_paths_refused_total", "Calls of HTTP and FastCGI providers refused because their path would have led up.",
		func() float64 { return float64(a.compiler.web.Climbs.Load()) }))
	figures = append(figures, a.compiler.states.Figures()...)
	figures = append(figures, a.compiler.spans.Figures()...)
	figures = append(figures, a.survivalFigures()...)
	figures = append(figures, a.serviceFigures()...)
	figures = append(figures, a.syncFigures()...)
	figures = append(figures, a.reloads.figures()...)
	figures = append(figures, a.upgrades.figure(), a.expiries.figure())
	figures = append(figures, a.reporter.figures()...)
	figures = append(figures, a.trafficFigures()...)
	figures = append(figures, a.holdups.figures()...)
	for _, f := range figures {
		if err := a.compiler.metrics.Add(f); err != nil {
			a.log.Error("agent: a figure is missing from the metrics", "err", err)
		}
	}
}

func newMetrics() *metrics.Registry {
	return metrics.New(metrics.Options{Kinds: motan.Kinds(), Version: Version})
}

func gauge(name, help string, read func() float64) metrics.Figure {
	return metrics.Figure{Name: name, Help: help, Read: func(emit func(float64, ...string)) { emit(read()) }}
}

func counter(name, help string, read func() float64) metrics.Figure {
	f := gauge(name, help, read)
	f.Counter = true
	return f
}

func (a *Agent) listenerFigures() []metrics.Figure {
	servers := map[string]*motan.ServerStats{"motan": &a.motanIn.Stats, "export": &a.exportIn.Stats}
	each := func(pick func(*motan.ServerStats) *atomic.Int64) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			for name, s := range servers {
				emit(float64(max(pick(s).Load(), 0)), name)
			}
		}
	}
	labels := []string{"listener"}
	return []metrics.Figure{
		{Name: "motand_connections", Help: "Open connections of callers.", Labels: labels, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.Open })},
		{Name: "motand_connections_resting", Help: "Open connections of callers that were idle and take no goroutine.", Labels: labels, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.Resting })},
		{Name: "motand_connections_accepted_total", Help: "Connections of callers accepted.", Labels: labels, Counter: true, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.Accepted })},
		{Name: "motand_requests_total", Help: "Requests read from callers.", Labels: labels, Counter: true, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.Calls })},
		{Name: "motand_answers_total", Help: "Answers given to callers that were still there.", Labels: labels, Counter: true, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.Answers })},
		{Name: "motand_requests_in_flight", Help: "Requests that wait for their answer.", Labels: labels, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.InFlight })},
		{Name: "motand_heartbeats_total", Help: "Heartbeats answered.", Labels: labels, Counter: true, Read: each(func(s *motan.ServerStats) *atomic.Int64 { return &s.Heartbeats })},
		{
			Name: "motand_connections_closed_total", Help: "Connections of callers that motand has closed, by reason.", Labels: []string{"listener", "reason"}, Counter: true,
			Read: func(emit func(float64, ...string)) {
				for name, s := range servers {
					emit(float64(s.Malformed.Load()), name, "malformed")
					emit(float64(s.Oversize.Load()), name, "oversize")
					emit(float64(s.Slow.Load()), name, "slow")
					emit(float64(s.Refused.Load()), name, "too_many")
					emit(float64(s.Truncated.Load()), name, "truncated")
				}
			},
		},
		a.bytesHeld(), a.noRoom(),
		counter("motand_unknown_service_total", "Calls from other hosts for a service that is not exported here.", func() float64 { return float64(a.inbound.missing.Load()) }),
		counter("motand_access_log_dropped_total", "Access log lines that were lost because writing failed (a full disk) or was too slow.", func() float64 { return float64(a.compiler.accessLog.Dropped()) }),
		counter("motand_log_dropped_total", "Lines of the log that were lost because writing failed or was too slow.", func() float64 { return float64(a.logs.lost()) }),
		counter("motand_management_refused_total", "Requests to the management port that were refused: without the token, or from another site.", func() float64 { return float64(a.management.refused.Load()) }),
		gauge("motand_management_connections", "Open connections of the management port.", func() float64 { return float64(a.management.crowd.open.Load()) }),
		counter("motand_management_connections_refused_total", "Connections to the management port that were closed because there were too many.", func() float64 { return float64(a.management.crowd.refused.Load()) }),
		counter("motand_commands_ignored_total", "Commands of registries, or parts of them, that were ignored because they mean nothing.", func() float64 { return float64(a.snapshot.Load().commands.wrong.Load()) }),
		gauge("motand_uptime_seconds", "Time since the process began to serve.", func() float64 { return time.Since(a.started).Seconds() }),
	}
}

// rooms are those of the listeners for Motan.
func (a *Agent) rooms() map[string]*motan.Room {
	return map[string]*motan.Room{"motan": a.motanIn.Room, "export": a.exportIn.Room}
}

func (a *Agent) bytesHeld() metrics.Figure {
	return metrics.Figure{
		Name: "motand_bytes_held", Help: "Bytes of large or many requests and answers that are held for callers, of a quarter of maxBytesInFlight each.", Labels: []string{"listener", "kind"},
		Read: func(emit func(float64, ...string)) {
			for name, r := range a.rooms() {
				requests, answers := r.Held()
				emit(float64(requests), name, "requests")
				emit(float64(answers), name, "answers")
			}
		},
	}
}

func (a *Agent) noRoom() metrics.Figure {
	return metrics.Figure{
		Name: "motand_no_room_total", Help: "How often a caller's connection had to wait, or was closed, because of maxBytesInFlight.", Labels: []string{"listener", "outcome"}, Counter: true,
		Read: func(emit func(float64, ...string)) {
			for name, r := range a.rooms() {
				emit(float64(r.Waited.Load()), name, "waited")
				emit(float64(r.Closed.Load()), name, "closed")
			}
		},
	}
}

func (a *Agent) upstreamFigures() []metrics.Figure {
	sum := func(pick func(*motan.ConnStats) int64) func() float64 {
		return func() float64 {
			var n int64
			a.compiler.pool.Each(func(c *motan.Client) {
				for _, conn := range c.Conns() {
					n += pick(conn.Stats())
				}
			})
			return float64(n)
		}
	}
	return []metrics.Figure{
		gauge("motand_upstream_connections", "Open connections to providers.", func() float64 {
			n := 0
			a.compiler.pool.Each(func(c *motan.Client) {
				for _, conn := range c.Conns() {
					if conn.Open() {
						n++
					}
				}
			})
			return float64(n)
		}),
		gauge("motand_upstream_nodes", "Addresses of providers that are referred to.", func() float64 {
			n := 0
			a.compiler.pool.Each(func(*motan.Client) { n++ })
			return float64(n)
		}),
		gauge("motand_upstream_nodes_down", "Addresses of providers that could not be reached when they were last called.", func() float64 {
			n := 0
			a.compiler.pool.Each(func(c *motan.Client) {
				if !c.Usable() {
					n++
				}
			})
			return float64(n)
		}),
		a.leftOut("motand_endpoints_left_out", "Endpoints that are left out for a while because calls to them failed; services without any are not listed.", false),
		a.leftOut("motand_endpoints_left_out_total", "How often an endpoint was left out, by service.", true),
		a.repeated(),
		gauge("motand_upstream_in_flight", "Calls that wait for a provider's reply.", func() float64 {
			n := 0
			a.compiler.pool.Each(func(c *motan.Client) { n += c.InFlight() })
			return float64(n)
		}),
		gauge("motand_upstream_late_replies", "Replies that came after their call had been given up, on connections of the moment.", sum(func(s *motan.ConnStats) int64 { return s.Late.Load() })),
		gauge("motand_upstream_dial_failures", "Dials that failed, on addresses of the moment.", sum(func(s *motan.ConnStats) int64 { return s.Failures.Load() })),
	}
}

// leftOut is a figure of the services that have, or had, endpoints left out.
func (a *Agent) leftOut(name, help string, ever bool) metrics.Figure {
	return metrics.Figure{Name: name, Help: help, Labels: []string{"group", "service"}, Counter: ever, Read: func(emit func(float64, ...string)) {
		type service struct{ group, path string }
		sums := make(map[service]int64)
		for _, x := range a.snapshot.Load().all { // one for each version as well
			now, total := x.cluster.Out()
			if !ever {
				total = int64(now)
			}
			if total > 0 {
				sums[service{x.refer.Group, x.refer.Path}] += total
			}
		}
		for s, n := range sums {
			emit(float64(n), s.group, s.path)
		}
	}}
}

// repeated is what was done about calls that fail or take long, by service.
func (a *Agent) repeated() metrics.Figure {
	return metrics.Figure{
		Name: "motand_cluster_events_total", Help: "What was done about calls that fail or take long; services for which nothing was are not listed.",
		Labels: []string{"group", "service", "event"}, Counter: true,
		Read: func(emit func(float64, ...string)) {
			type event struct{ group, path, name string }
			sums := make(map[event]int64)
			for _, x := range a.snapshot.Load().all { // one for each version as well
				n := x.cluster.Counts()
				for name, count := range map[string]int64{
					"expired": n.Expired, "retry": n.Retries, "backup": n.Backups, "backup_won": n.BackupsWon, "budget_used_up": n.Exhausted,
				} {
					if count > 0 {
						sums[event{x.refer.Group, x.refer.Path, name}] += count
					}
				}
			}
			for e, n := range sums {
				emit(float64(n), e.group, e.path, e.name)
			}
		},
	}
}

// eachRegistry reads a figure of every registry that tells its state.
func (a *Agent) eachRegistry(f func(id string, s registry.State, emit func(float64, ...string))) func(func(float64, ...string)) {
	return func(emit func(float64, ...string)) {
		for id, s := range a.statesOfScrape() {
			f(id, s, emit)
		}
	}
}

// linkFigures are about the connections to registries.
func (a *Agent) linkFigures() []metrics.Figure {
	return []metrics.Figure{
		{
			Name: "motand_registry_up", Help: "1 while the registry can be reached; registries that nothing was asked of so far are left out.", Labels: []string{"registry"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				up := 0.0
				if s.Connected {
					up = 1
				}
				if !s.Idle {
					emit(up, id)
				}
			}),
		},
		{
			Name: "motand_registry_latency_seconds", Help: "How long the registry takes to answer, of late; left out where that is not known.", Labels: []string{"registry"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				if s.Latency > 0 {
					emit(s.Latency.Seconds(), id)
				}
			}),
		},
		{
			Name: "motand_registry_sessions_total", Help: "Sessions with the registry so far, the present one included.", Labels: []string{"registry"}, Counter: true,
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) { emit(float64(s.Sessions), id) }),
		},
	}
}

func (a *Agent) registryFigures() []metrics.Figure {
	return append(a.linkFigures(), []metrics.Figure{
		{
			Name: "motand_registry_stale_lists", Help: "Watched services whose nodes the registry has not confirmed.", Labels: []string{"registry"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				stale := 0
				for _, w := range s.Watches {
					if w.Stale {
						stale++
					}
				}
				emit(float64(stale), id)
			}),
		},
		{
			Name: "motand_registry_nodes", Help: "Nodes known of a watched service; beyond 1,000 services they are summed under _other.", Labels: []string{"registry", "group", "service"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				for x, n := range nodesByService(s.Watches) {
					emit(float64(n), id, x.Group, x.Path)
				}
			}),
		},
		{
			Name: "motand_registry_announced", Help: "Nodes that the registry holds as announced.", Labels: []string{"registry"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				written := 0
				for _, x := range s.Announced {
					if x.Written {
						written++
					}
				}
				emit(float64(written), id)
			}),
		},
		{
			Name: "motand_registry_commands", Help: "Groups and applications that are under a command.", Labels: []string{"registry"},
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				commanded := 0
				for _, c := range s.Commands {
					if c.Bytes > 0 {
						commanded++
					}
				}
				emit(float64(commanded), id)
			}),
		},
		{
			Name: "motand_registry_events_total", Help: "What happened between this agent and the registry.",
			Labels: []string{"registry", "event"}, Counter: true,
			Read: a.eachRegistry(func(id string, s registry.State, emit func(float64, ...string)) {
				for event, n := range s.Extra {
					emit(float64(n), id, event)
				}
			}),
		},
	}...)
}

func (a *Agent) serviceFigures() []metrics.Figure {
	number := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	return []metrics.Figure{
		{
			Name: "motand_service_available", Help: "1 while an exported service is announced as available.", Labels: []string{"registry", "group", "service"},
			Read: func(emit func(float64, ...string)) {
				for _, s := range a.report() {
					for _, r := range s.Registries {
						emit(number(r.Available && r.Written), r.Registry, s.Group, s.Service)
					}
				}
			},
		},
		{
			Name: "motand_service_healthy", Help: "1 while the provider of an exported service passes its health check.", Labels: []string{"group", "service"},
			Read: func(emit func(float64, ...string)) {
				for _, s := range a.report() {
					if s.Health != nil {
						emit(number(s.Health.Passes), s.Group, s.Service)
					}
				}
			},
		},
	}
}
