package agent

import (
	"errors"
	"net"
	"net/http"
	"slices"

	"github.com/motand/motand/conf"
)

// meshAnswer is motan-go's answer to a program whose registry is this agent.
type meshAnswer struct {
	Body    any    `json:"body,omitempty"`
	Code    int    `json:"code"`
	Message string `json:"message,omitempty"`
}

// meshRoutes are the URLs of programs whose registry is this agent, with motan-go's answers
// (agent inventory, sections 2.7 and 6). /registry/unsubscribe is ours.
func (m *management) meshRoutes(mux *http.ServeMux) {
	a := m.agent
	requests := map[string]func(r *http.Request, u meshURL) error{
		"register":    func(_ *http.Request, u meshURL) error { return a.registerService(u) },
		"unregister":  func(_ *http.Request, u meshURL) error { return a.unregisterService(u) },
		"subscribe":   func(r *http.Request, u meshURL) error { return a.subscribe(r.Context(), u) },
		"unsubscribe": func(_ *http.Request, u meshURL) error { return a.unsubscribe(u) },
	}
	for verb, grant := range requests {
		mux.HandleFunc("/registry/"+verb, m.change(func(w http.ResponseWriter, r *http.Request) { m.meshRequest(w, r, verb, grant) }))
	}
	mux.HandleFunc("/registry/list", func(w http.ResponseWriter, _ *http.Request) {
		answerMesh(w, meshAnswer{Body: a.dynamicList(), Code: http.StatusOK, Message: "ok"})
	})
	mux.HandleFunc("/registry/info", func(w http.ResponseWriter, _ *http.Request) {
		type info struct {
			Port int `json:"mesh_port"`
		}
		answerMesh(w, meshAnswer{Body: info{a.motanPort()}, Code: http.StatusOK, Message: "ok"})
	})
	mux.HandleFunc("/getAllService", m.allServices)
}

// meshRequest reads the URL that a program has sent and grants what it asks for.
func (m *management) meshRequest(w http.ResponseWriter, r *http.Request, verb string, grant func(r *http.Request, u meshURL) error) {
	u, err := readMeshURL(http.MaxBytesReader(w, r.Body, maxMeshBody))
	if err != nil {
		answerMesh(w, meshAnswer{Code: http.StatusBadRequest, Message: err.Error()})
		return
	}
	log := m.agent.log.With("verb", verb, "service", u.Path, "group", u.Group, "protocol", u.Protocol, "port", u.Port, "remote", r.RemoteAddr)
	if err := grant(r, u); err != nil {
		code := http.StatusInternalServerError
		if _, ok := errors.AsType[*meshError](err); ok {
			code = http.StatusBadRequest
		}
		log.Warn("agent: request of a program refused", "err", err)
		answerMesh(w, meshAnswer{Code: code, Message: err.Error()})
		return
	}
	log.Info("agent: request of a program granted")
	answerMesh(w, meshAnswer{Code: http.StatusOK, Message: "ok"})
}

// answerMesh writes the answer, with its code as the status.
func answerMesh(w http.ResponseWriter, x meshAnswer) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(x.Code)
	_, _ = w.Write(compactJSON(x)) // a client that went away is no concern
}

// motanPort is where programs on this host call, as they are told it.
func (a *Agent) motanPort() int {
	for _, l := range slices.Backward(a.listeners.of("motan")) {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			return addr.Port
		}
	}
	return a.snapshot.Load().config.Agent.Port // they are on a unix socket; motan-go tells the port all the same
}

// dynamicList is what programs have asked for, as motan-go lists it: without services that the
// configuration has itself.
func (a *Agent) dynamicList() dynamicsFile {
	a.changing.Lock()
	d, s := a.dynamics, a.snapshot.Load()
	a.changing.Unlock()
	var shown dynamics
	for _, x := range d.services {
		if s.byService[x.entry] != nil {
			shown.services = append(shown.services, x)
		}
	}
	shown.refers = d.refers
	return shown.file()
}

// allServices lists what is exported, from the configuration and by programs.
func (m *management) allServices(w http.ResponseWriter, _ *http.Request) {
	all := struct {
		Dynamic  []meshURL `json:"dynamic_services"`
		Services []meshURL `json:"services"`
	}{m.agent.dynamicList().Services, []meshURL{}}
	for _, e := range m.agent.snapshot.Load().exported {
		if !e.service.Dynamic {
			all.Services = append(all.Services, m.agent.urlOf(e.service))
		}
	}
	text(w, http.StatusOK, string(compactJSON(all)))
}

// urlOf is a service of the configuration as registries are told it.
func (a *Agent) urlOf(s *conf.Service) meshURL {
	n := a.compiler.node(s, false)
	u := meshURL{Protocol: n.Protocol, Host: n.Host, Port: n.Port, Path: n.Path, Group: n.Group, Parameters: n.Params}
	u.Parameters["nodeType"], u.Parameters["provider"] = "service", s.Provider
	return u
}
