package agent

import (
	"encoding/json"
	"errors"
	"net/http"
)

// reloadClusters reads the configuration again, all of it, and answers as motan-go does, which
// reads the refers alone: with their URLs by id, as text (agent inventory, section 6). Where
// the configuration cannot be used the code and the status are 500, and nothing has changed.
func (m *management) reloadClusters(w http.ResponseWriter, _ *http.Request) {
	var x struct {
		Code int    `json:"code"`
		Body string `json:"body"`
	}
	if err := m.agent.readAgain("/reload/clusters"); err != nil {
		x.Code, x.Body = http.StatusInternalServerError, err.Error()
	} else {
		urls := make(map[string]meshURL)
		for _, r := range m.agent.snapshot.Load().all {
			if !r.refer.Dynamic {
				urls[r.refer.ID] = runtimeURL(&r.refer.Entry)
			}
		}
		x.Code, x.Body = http.StatusOK, string(compactJSON(urls))
	}
	w.Header().Set("Content-Type", textPlain)
	w.WriteHeader(x.Code)
	_ = json.NewEncoder(w).Encode(x) // a client that went away is no concern
}

// reload reads the configuration again.
func (m *management) reload(w http.ResponseWriter, _ *http.Request) {
	switch err := m.agent.readAgain("/api/v1/reload"); {
	case errors.Is(err, errStopping):
		answer(w, http.StatusServiceUnavailable, problem{err.Error()})
	case err != nil:
		answer(w, http.StatusUnprocessableEntity, problem{err.Error()})
	default:
		s := m.agent.snapshot.Load()
		answer(w, http.StatusOK, map[string]int{"refers": len(s.all), "services": len(s.exported)})
	}
}
