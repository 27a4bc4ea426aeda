package agent

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/motand/motand/filters"
)

// statusBody is the body of motan-go's answer of /status.
type statusBody struct {
	Status   int             `json:"status"`
	Calls    uint64          `json:"service_period_call_count"`
	Services []statusService `json:"services"`
}

type statusService struct {
	Group   string         `json:"group"`
	Name    string         `json:"name"`
	Methods []statusMethod `json:"methods"`
}

type statusMethod struct {
	Name  string `json:"name"`
	Calls uint64 `json:"period_call_count"`
}

// statusCounts answers /status as motan-go does: the exported services that were ever called, with what the last period of
// metrics.period has counted.
func (m *management) statusCounts(w http.ResponseWriter, _ *http.Request) {
	body := statusBody{Status: http.StatusServiceUnavailable, Services: []statusService{}}
	if m.agent.announcer.ready() {
		body.Status = http.StatusOK
	}
	type name struct{ group, service string }
	at := make(map[name]int)
	for _, e := range m.agent.snapshot.Load().exported {
		k := name{e.service.Group, e.service.Path}
		if _, there := at[k]; !there {
			at[k] = len(body.Services)
			body.Services = append(body.Services, statusService{Group: k.group, Name: k.service, Methods: []statusMethod{}})
		}
	}
	series, _ := m.agent.reporter.latest()
	for i := range series {
		s := &series[i]
		n, ours := at[name{s.Group, s.Service}]
		if !ours || s.Role != "motan-"+filters.ServerAgent {
			continue
		}
		body.Calls += s.Total()
		body.Services[n].Methods = append(body.Services[n].Methods, statusMethod{s.Method, s.Total()})
	}
	out, err := json.MarshalIndent(struct {
		Code int        `json:"code"`
		Body statusBody `json:"body"`
	}{http.StatusOK, body}, "", "    ")
	if err != nil {
		panic(fmt.Sprintf("agent: %T cannot be written as JSON: %v", body, err)) // a programming error
	}
	text(w, http.StatusOK, string(out))
}
