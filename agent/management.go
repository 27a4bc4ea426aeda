package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// management is the HTTP server of the management port: motan-go's URLs with its answers,
// health, metrics, profiles, and the nodes that programs on this host announce themselves.
type management struct {
	*access
	agent       *Agent
	server      *http.Server
	crowd       crowd
	debugClosed atomic.Bool
}

const (
	maxManagementBody = 1 << 20
	textPlain         = "text/plain; charset=utf-8"
)

func newManagement(a *Agent) *management {
	m := &management{agent: a, crowd: crowd{most: maxManagement}, access: newAccess(&a.snapshot.Load().config.Agent, a.listeners.of("management"), a.logs.audit(), a.log)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", m.status)
	mux.HandleFunc("/200", m.change(m.setAvailable(true)))
	mux.HandleFunc("/503", m.change(m.setAvailable(false)))
	mux.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, Version) })
	mux.HandleFunc("/getConfig", m.private(m.getConfig))
	mux.HandleFunc("/getReferService", m.getReferService)
	mux.HandleFunc("/switcher/set", m.change(m.setSwitch))
	mux.HandleFunc("/switcher/get", m.getSwitch)
	mux.HandleFunc("/switcher/getAll", m.getSwitches)
	m.metaRoutes(mux)
	mux.HandleFunc("GET /api/v1/switches", m.switches)
	mux.HandleFunc("PUT /api/v1/switches", m.change(m.putSwitches))
	mux.HandleFunc("GET /api/v1/filters", m.listFilters)
	mux.HandleFunc("PUT /api/v1/filters", m.change(m.adjustFilters))
	mux.HandleFunc("/refers/filter/get", m.getScreenings)
	mux.HandleFunc("/refers/filter/set", m.change(m.setScreenings))
	mux.HandleFunc("GET /api/v1/traffic", m.listTraffic)
	mux.HandleFunc("PUT /api/v1/traffic", m.change(m.putTraffic))
	mux.HandleFunc("POST /api/v1/traffic/ramp", m.change(m.moveRamp))
	mux.HandleFunc("GET /api/v1/commands", m.commands)
	mux.HandleFunc("/registry/status", m.registryStatus)
	m.meshRoutes(mux)
	mux.HandleFunc("/status", m.statusCounts)
	mux.HandleFunc("/runtime/info", m.private(m.runtimeInfo))
	m.debugRoutes(mux)
	mux.HandleFunc("/logConfig/get", m.getLogConfig)
	mux.HandleFunc("/logConfig/set", m.change(m.setLogConfig))
	mux.HandleFunc("/reload/clusters", m.change(m.reloadClusters))
	mux.HandleFunc("POST /api/v1/reload", m.change(m.reload))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", m.ready)
	mux.Handle("/metrics", a.compiler.metrics.Handler())
	mux.HandleFunc("GET /api/v1/status", m.private(m.overview))
	mux.HandleFunc("GET /api/v1/refers", m.private(m.refers))
	mux.HandleFunc("GET /api/v1/failures", m.private(m.failures))
	mux.HandleFunc("GET /api/v1/slowest", m.private(m.slowest))
	mux.HandleFunc("GET /api/v1/tail", m.private(m.tail))
	mux.HandleFunc("GET /api/v1/config", m.private(m.getSettings))
	mux.HandleFunc("POST /api/v1/config/check", m.change(m.checkConfig))
	mux.HandleFunc("GET /api/v1/services", m.services)
	mux.HandleFunc("GET /api/v1/local/nodes", m.localNodes)
	mux.HandleFunc("PUT /api/v1/local/nodes", m.change(m.putLocalNode))
	mux.HandleFunc("DELETE /api/v1/local/nodes", m.change(m.deleteLocalNode))
	mux.HandleFunc("/api/v1/local/nodes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD, PUT, DELETE")
		answer(w, http.StatusMethodNotAllowed, problem{"nodes are read with GET, announced with PUT, withdrawn with DELETE"})
	})
	mux.HandleFunc("GET /api/v1/registries", m.registries)
	mux.HandleFunc("GET /api/v1/registry-sync", m.syncs)
	mux.HandleFunc("GET /api/v1/openapi.yaml", m.openAPI)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, problem{"nothing is served at this address, or not with this method; /api/v1/openapi.yaml tells what is"})
	})
	m.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	return m
}

// guard has access follow c and the listeners that are open.
func (m *management) guard(c *conf.Agent) {
	m.access.use(c, m.agent.listeners.of("management"), m.agent.logs.audit())
}

func (m *management) serve(l net.Listener) error { return m.server.Serve(m.crowd.bound(l)) }

func (m *management) close() { _ = m.server.Close() } // the process is about to end

// change is that of access, and refuses changes while another process takes over: it would not know of them.
func (m *management) change(h http.HandlerFunc) http.HandlerFunc {
	return m.access.change(func(w http.ResponseWriter, r *http.Request) {
		m.agent.altering.RLock()
		defer m.agent.altering.RUnlock()
		if m.agent.upgrading.Load() {
			w.Header().Set("Retry-After", "1")
			text(w, http.StatusServiceUnavailable, errUpgrading.Error()+"\n")
			return
		}
		h(w, r)
	})
}

// finish answers the requests that have begun and closes all connections, those at once that are idle.
func (m *management) finish(ctx context.Context) {
	if m.server.Shutdown(ctx) != nil {
		m.close()
	}
}

// isThisHost tells whether a Host header can only mean this host: an IP address, or localhost.
func isThisHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost"
}

// status is what load balancers ask: 200 or 503 as /200 and /503 have set it.
func (m *management) status(w http.ResponseWriter, _ *http.Request) {
	if m.agent.announcer.ready() && !m.agent.stopping.Load() {
		text(w, http.StatusOK, "OK")
		return
	}
	text(w, http.StatusServiceUnavailable, "Service Unavailable")
}

func (m *management) setAvailable(available bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := m.agent.announcer.set(available); err != nil {
			m.agent.log.Error("agent: change of availability", "available", available, "err", err)
			text(w, http.StatusInternalServerError, err.Error()+"\n")
			return
		}
		m.agent.log.Info("agent: availability changed", "available", available, "remote", r.RemoteAddr)
		text(w, http.StatusOK, "ok.")
	}
}

func (m *management) getConfig(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, string(m.secrets(m.agent.snapshot.Load().config.YAML)))
}

// secrets finds the values of keys that are nobody's business.
var secrets = regexp.MustCompile(`(\b(?:auth|managementToken)["']?:\s*)("[^"]*"|'[^']*'|[^\s,}]+)`)

func (m *management) getReferService(w http.ResponseWriter, _ *http.Request) {
	type service struct {
		Name   string `json:"name"`
		Status bool   `json:"status"`
	}
	var answer struct {
		Code int `json:"code"`
		Body struct {
			Service []service `json:"service"`
		} `json:"body"`
	}
	answer.Code = http.StatusOK
	answer.Body.Service = []service{}
	for _, x := range m.agent.snapshot.Load().all {
		answer.Body.Service = append(answer.Body.Service, service{Name: referName(x), Status: !x.cluster.Refused()})
	}
	jsonText(w, answer)
}

// ready says whether calls can be taken: something is known about the nodes of every refer.
// With ?verbose it also tells what became of each service of this host.
func (m *management) ready(w http.ResponseWriter, r *http.Request) {
	services := ""
	if r.URL.Query().Has("verbose") {
		services = announcedText(m.agent.report())
	}
	switch n := m.agent.snapshot.Load().pending(); {
	case m.agent.stopping.Load():
		text(w, http.StatusServiceUnavailable, "stopping\n"+services)
	case n > 0:
		text(w, http.StatusServiceUnavailable, "waiting for the registry: refers that have no answer yet and nothing on disk: "+m.waiting()+"\n"+services)
	default:
		text(w, http.StatusOK, "ready\n"+services)
	}
}

// waiting names refers that nothing is known about, and registries that cannot be reached.
func (m *management) waiting() string {
	const named = 5
	refers := m.agent.snapshot.Load().unknown()
	var said strings.Builder
	said.WriteString(strings.Join(refers[:min(len(refers), named)], ", "))
	if n := len(refers) - named; n > 0 {
		fmt.Fprintf(&said, " and %d more", n)
	}
	for id, r := range m.agent.snapshot.Load().registries {
		if connected, idle := registry.Reach(r); connected || idle {
			continue
		}
		if stater, ok := registry.As[registry.Stater](r); ok {
			fmt.Fprintf(&said, "; registry %s cannot be reached (%s)", id, stater.State().LastError)
		}
	}
	return said.String()
}

// localNode is one node as programs write it.
type localNode struct {
	Service  string            `json:"service"`
	Group    string            `json:"group"`
	Address  string            `json:"address"` // host:port or unix:///path
	Version  string            `json:"version,omitempty"`
	Protocol string            `json:"protocol,omitempty"` // motan2 where it is absent
	Params   map[string]string `json:"params,omitempty"`
	TTL      int               `json:"ttl,omitempty"` // seconds until the node goes unless it is put again; 0: it stays
}

func (m *management) localNodes(w http.ResponseWriter, _ *http.Request) {
	nodes := []localNode{}
	for _, n := range m.agent.compiler.local.Nodes() {
		nodes = append(nodes, localNode{
			Service: n.Path, Group: n.Group, Address: n.Addr(), Version: n.Version, Protocol: n.Protocol, Params: n.Params,
		})
	}
	answer(w, http.StatusOK, nodes)
}

func (m *management) putLocalNode(w http.ResponseWriter, r *http.Request) {
	x, n, ok := readLocalNode(w, r)
	if !ok {
		return
	}
	if err := m.agent.compiler.local.Put(n, time.Duration(x.TTL)*time.Second); err != nil {
		answer(w, http.StatusBadRequest, problem{err.Error()})
		return
	}
	answer(w, http.StatusOK, x)
}

func (m *management) deleteLocalNode(w http.ResponseWriter, r *http.Request) {
	_, n, ok := readLocalNode(w, r)
	if !ok {
		return
	}
	if !m.agent.compiler.local.Delete(n.Key()) {
		answer(w, http.StatusNotFound, problem{"no such node: service, group and address must be those it was put with"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func readLocalNode(w http.ResponseWriter, r *http.Request) (x localNode, n registry.Node, ok bool) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxManagementBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&x)
	if err == nil && (x.Service == "" || x.Address == "") {
		err = errors.New("service and address are required")
	}
	if err == nil && (x.TTL < 0 || x.TTL > 86400*365) {
		err = errors.New("ttl is a number of seconds from 0 to one year")
	}
	if err == nil {
		n.Host, n.Port, err = registry.ParseAddr(x.Address)
	}
	if err == nil && n.Port == 0 && !strings.HasPrefix(n.Host, "unix://") {
		err = errors.New("the address has no port")
	}
	if err != nil {
		answer(w, http.StatusBadRequest, problem{err.Error() + `; wanted is {"service":"com.example.Hello","group":"g","address":"127.0.0.1:8100"}`})
		return x, n, false
	}
	if x.Protocol == "" {
		x.Protocol = "motan2"
	}
	n.Service = registry.Service{Group: x.Group, Path: x.Service, Version: x.Version, Protocol: x.Protocol}
	n.Params, n.Available = x.Params, true
	return x, n, true
}

type problem struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a client that went away is no concern
}

// jsonText answers in JSON under the content type that motan-go's answers have by accident.
func jsonText(w http.ResponseWriter, value any) {
	text(w, http.StatusOK, string(compactJSON(value)))
}

// compactJSON is value as JSON without an end of line.
func compactJSON(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("agent: %T cannot be written as JSON: %v", value, err)) // a programming error
	}
	return body
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", textPlain)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that went away is no concern
}
