package agent

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// runtimeURL is an entry as motan-go shows its URL, in /runtime/info and elsewhere.
func runtimeURL(e *conf.Entry) meshURL {
	return meshURL{Protocol: e.Protocol, Host: e.Host, Port: e.Port, Path: e.Path, Group: e.Group, Parameters: e.Params}
}

// runtimeInfo answers /runtime/info with motan-go's keys: clusters, exporters, servers, registries and the process. keys=
// chooses parts, with commas between. What only motan-go has (extensionFactory, message handlers) is left out; more than
// 10,000 endpoints in all are too.
func (m *management) runtimeInfo(w http.ResponseWriter, r *http.Request) {
	parts := map[string]func() any{
		"clusters": m.runtimeClusters, "httpClusters": m.runtimeHTTPClusters, "exporters": m.runtimeExporters,
		"servers": m.runtimeServers, "basic": m.runtimeBasic,
	}
	all := map[string]any{"result": "ok", "instanceType": "motan-agent"}
	wanted := r.FormValue("keys")
	for name, part := range parts {
		if wanted == "" || containsItem(wanted, name) {
			all[name] = part()
		}
	}
	jsonText(w, all)
}

// containsItem tells whether a list with commas has an item.
func containsItem(list, item string) bool {
	for x := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(x) == item {
			return true
		}
	}
	return false
}

func (m *management) runtimeClusters() any {
	s := m.agent.snapshot.Load()
	all, left := make(map[string]any, len(s.all)), maxEndpoints
	states := m.agent.registryStates() // once: each tells of every list
	for _, x := range s.all {
		up, down := map[string]any{}, map[string]any{}
		for i, e := range endpointViews(x.cluster, left) {
			left--
			one := map[string]any{"errorCount": e.Failures, "keepaliveRunning": e.State == "down", "state": e.State, "reason": e.Reason}
			to := down
			if e.State == "up" {
				to = up
			}
			to[fmt.Sprintf("%d-%s://%s/%s?group=%s", i, x.refer.Protocol, e.Address, x.refer.Path, e.Group)] = one
		}
		registries := map[string]any{}
		for _, id := range x.refer.Registries {
			if state, ok := states[id]; ok {
				registries[id] = map[string]any{"connected": state.Connected, "lastError": state.LastError}
			}
		}
		all[referName(x)] = map[string]any{
			"name": x.refer.Path, "url": runtimeURL(&x.refer.Entry), "refererSize": len(up) + len(down),
			"referers": map[string]any{"available": up, "unavailable": down}, "registries": registries, "filters": x.refer.Filters,
		}
	}
	return all
}

// referName is motan-go's key of a refer: group, version, protocol and path.
func referName(x *route) string {
	version := x.refer.Version
	if version == "" {
		version = "1.0"
	}
	return x.refer.Group + "_" + version + "_" + x.refer.Protocol + "_" + x.refer.Path
}

func (m *management) runtimeHTTPClusters() any {
	all := map[string]any{}
	for _, h := range m.agent.snapshot.Load().config.HTTPClients {
		all[h.Domain] = map[string]any{"url": runtimeURL(&h.Entry), "preload": h.Preload}
	}
	return all
}

func (m *management) runtimeExporters() any {
	all := map[string]any{}
	for _, e := range m.agent.snapshot.Load().exported {
		one := map[string]any{"url": runtimeURL(&e.service.Entry), "isAvailable": true, "provider": map[string]any{"name": e.service.Provider}}
		if e.health != nil {
			one["isAvailable"] = e.health.now().Passes
		}
		all[e.service.Group+"_"+e.service.Path] = one
	}
	return all
}

func (m *management) runtimeServers() any {
	c := &m.agent.snapshot.Load().config.Agent
	server := func(s *motan.ServerStats) map[string]any {
		return map[string]any{"maxContentLength": c.MaxContentLength, "connections": s.Open.Load(), "inFlight": s.InFlight.Load()}
	}
	ports := map[string]any{}
	for _, addr := range addrs(m.agent.listeners.of("export")) {
		ports[addr[strings.LastIndexByte(addr, ':')+1:]] = server(&m.agent.exportIn.Stats)
	}
	all := map[string]any{"agentServer": server(&m.agent.motanIn.Stats), "agentPortServer": ports}
	if len(m.agent.listeners.of("http")) > 0 {
		all["httpProxyServer"] = map[string]any{"keepalive": c.HTTPKeepalive, "defaultDomain": c.HTTPDefaultDomain}
	}
	return all
}

func (m *management) runtimeBasic() any {
	samples := m.agent.samples()
	return map[string]any{"cpuPercent": samples["cpu"], "rssMemory": strconv.FormatInt(samples["memory"], 10) + "MB"}
}
