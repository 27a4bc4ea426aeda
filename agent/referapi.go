package agent

import (
	"net/http"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
)

// referView is a refer as the API shows it.
type referView struct {
	ID         string         `json:"id"`
	Service    string         `json:"service"`
	Group      string         `json:"group"`
	Version    string         `json:"version,omitempty"`
	Registries []string       `json:"registries"`
	Balance    string         `json:"loadbalance"`
	HAStrategy string         `json:"haStrategy"`
	Dynamic    bool           `json:"dynamic"` // asked for by a program on this host
	Known      bool           `json:"known"`   // something is known about its nodes
	Degraded   bool           `json:"degraded"`
	Nodes      int            `json:"nodes"`
	Usable     int            `json:"usable"` // of these, nodes that get calls
	Endpoints  []endpointView `json:"endpoints,omitempty"`
}

// endpointView is a node of a refer, with why it gets calls or not.
type endpointView struct {
	Address   string  `json:"address"`
	Group     string  `json:"group"`
	State     string  `json:"state"` // up, down, left_out
	Reason    string  `json:"reason,omitempty"`
	Failures  int     `json:"failures"` // in a row
	InFlight  int     `json:"inFlight"`
	LatencyMS float64 `json:"latencyMs,omitempty"` // of the last calls, where the load balance measures it
	Weight    string  `json:"weight,omitempty"`    // as the registry says
	Open      int     `json:"connections"`         // open ones
}

const maxEndpoints = 10_000 // shown in one answer

// refers answers with all refers; with service= (and group=) also with their endpoints.
func (m *management) refers(w http.ResponseWriter, r *http.Request) {
	service, group := r.URL.Query().Get("service"), r.URL.Query().Get("group")
	all, left := []referView{}, maxEndpoints
	for _, x := range m.agent.snapshot.Load().all {
		if service != "" && x.refer.Path != service || group != "" && x.refer.Group != group {
			continue
		}
		v := x.view()
		if service != "" {
			v.Endpoints = endpointViews(x.cluster, left)
			left -= len(v.Endpoints)
		}
		all = append(all, v)
	}
	answer(w, http.StatusOK, all)
}

func (r *route) view() referView {
	v := referView{
		ID: r.refer.ID, Service: r.refer.Path, Group: r.refer.Group, Version: r.refer.Version, Registries: append([]string{}, r.refer.Registries...),
		Balance: r.refer.LoadBalance, HAStrategy: r.refer.HAStrategy, Dynamic: r.refer.Dynamic, Known: r.heard.Load(), Degraded: r.cluster.Refused(),
	}
	now := motan.Now()
	for _, e := range r.cluster.Endpoints() {
		v.Nodes++
		if s := e.State(now); s.Reachable && !s.Out {
			v.Usable++
		}
	}
	return v
}

func endpointViews(k *cluster.Cluster, limit int) []endpointView {
	all := []endpointView{}
	now := motan.Now()
	for _, e := range k.Endpoints() {
		if len(all) >= limit {
			break
		}
		s, node := e.State(now), e.Node()
		v := endpointView{
			Address: e.Addr(), Group: node.Group, State: "up", Failures: s.Failures, InFlight: s.InFlight,
			LatencyMS: float64(s.Latency) / float64(time.Millisecond), Weight: node.Params["weight"], Open: e.Connections(),
		}
		switch {
		case !s.Reachable:
			v.State, v.Reason = "down", "the last connection to it failed; it is tried again"
		case s.Out:
			v.State, v.Reason = "left_out", "calls to it failed; one call decides in "+max(time.Duration(s.Until-now), 0).Round(time.Millisecond).String()
		}
		all = append(all, v)
	}
	return all
}
