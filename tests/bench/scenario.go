package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/motand/motand/tests/bench/load"
	"github.com/motand/motand/tests/bench/report"
)

// The names of contenders.
const (
	motand  = "motand"
	motango = "motan-go"
	haproxy = "HAProxy"
	nginx   = "nginx"
)

// contender is somebody who can be raced. start runs it on a site and returns once it answers calls.
type contender struct {
	name  string
	start func(ctx context.Context, w *site) (*subject, error)
}

// scenario is a load, and the contender to which others are compared.
type scenario struct {
	id, title string
	kind      report.Kind
	shape     shape
	reference string
	goal      float64 // of motand; see report.Scenario
	notes     []string

	conns    int
	inFlight int // on each connection, over Motan
	body     int // bytes of the body, over Motan
	fresh    bool
	services int // configured for some of the contenders, who are all motand; 0 is the ordinary field
}

// scenarios are all that can be run.
func scenarios(o *options) []*scenario {
	const (
		small  = 128
		medium = 16 << 10
		large  = 1 << 20
	)
	return []*scenario{
		{id: "P1", title: "Motan, 4 connections x 16, 128 B", kind: report.CPU, reference: haproxy, goal: 1.3, conns: 4, inFlight: 16, body: small},
		{id: "P2", title: "Motan, 8 connections x 1, 128 B", kind: report.CPU, reference: haproxy, goal: 1.0, conns: 8, inFlight: 1, body: small},
		{id: "P3", title: "Motan, 64 connections x 1, 128 B", kind: report.CPU, reference: haproxy, goal: 0.7, conns: 64, inFlight: 1, body: small},
		{id: "P4-16k", title: "Motan, 4 connections x 16, 16 KiB", kind: report.CPU, reference: haproxy, goal: 1.2, conns: 4, inFlight: 16, body: medium},
		{id: "P4-1m", title: "Motan, 4 connections x 16, 1 MiB", kind: report.CPU, reference: haproxy, goal: 1.2, conns: 4, inFlight: 16, body: large},
		{id: "P5", title: "HTTP to Motan, 8 connections kept", kind: report.CPU, shape: httpIn, reference: nginx, goal: 0.7, conns: 8, body: small},
		{id: "P6-tcp", title: "HTTP to Motan, 8 callers, a connection a call", kind: report.CPU, shape: httpIn, reference: nginx, goal: 1.0, conns: 8, body: small, fresh: true},
		{id: "P6-unix", title: "the same by a unix socket", kind: report.CPU, shape: httpUnix, reference: nginx, goal: 1.0, conns: 8, body: small, fresh: true},
		{id: "P7", title: "HTTP, two agents, HTTP; 8 connections kept", kind: report.CPU, shape: twoHops, reference: nginx, goal: 1.0, conns: 8, body: small},
		{
			id: "P8", title: fmt.Sprintf("%d idle connections after a call", o.idle), kind: report.Memory, reference: haproxy, goal: 4,
			conns: o.idle, inFlight: 1, body: small,
			notes: []string{"resident memory five rounds' time (15 s) after the last call less that of the same process as long after a load of 64 connections; HAProxy holds a connection to the provider for each caller, and as many as its descriptors allow"},
		},
		{
			id: "P9", title: fmt.Sprintf("P1 with %d services x %d endpoints", o.services, endpoints), kind: report.CPU, reference: motand, goal: 1.05,
			conns: 4, inFlight: 16, body: small, services: o.services,
			notes: []string{
				"the registry is the kind file: lists of up to 1,000 services in a file each; the nodes of all services but the one that is called are addresses on which nobody listens",
				"what is measured begins with a second in which the agent takes less than 20 ms of CPU, two minutes after its start at the latest",
				"renewing: from then on, once a second a file is replaced by one in which each of its services has another node, in turn",
			},
		},
		{
			id: "P10", title: "P1 at 30 % of its own peak, open loop", kind: report.Latency, reference: haproxy, goal: 1.0, conns: 4, inFlight: 16, body: small,
			notes: []string{"from the moment at which a call should have begun, less the same for calls to the provider itself at the same rate, measured before in the same round"},
		},
	}
}

// is tells whether the scenario is meant by what -only has: its id, or the part before the dash.
func (s *scenario) is(id string) bool {
	base, _, _ := strings.Cut(s.id, "-")
	return strings.EqualFold(id, s.id) || strings.EqualFold(id, base)
}

// wants tells whether a contender takes part in a scenario.
func (s *scenario) wants(name string) bool {
	switch name {
	case haproxy:
		return s.shape == motanIn
	case nginx:
		return s.shape != motanIn
	default:
		return true
	}
}

// load makes the calls of the scenario in a closed loop for the time d.
func (s *scenario) load(ctx context.Context, w *site, x *subject, d time.Duration) (*load.Result, error) {
	if s.shape == motanIn {
		return load.Motan{Target: x.target, Request: w.request(), Conns: s.conns, InFlight: s.inFlight, Duration: d}.Run(ctx)
	}
	return load.HTTP{Target: x.target, Request: x.http, Conns: s.conns, Fresh: s.fresh, Duration: d}.Run(ctx)
}

// report is the scenario as it is reported, without contenders.
func (s *scenario) report() *report.Scenario {
	return &report.Scenario{ID: s.id, Title: s.title, Kind: s.kind, Reference: s.reference, Goal: s.goal, Notes: s.notes}
}
