package agent

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/meta"
)

const (
	maxMetadata      = 256 // values that can be set while the agent runs
	maxMetadataBytes = 1024
)

// metadata is what this agent tells callers of itself (see package meta): the environment variables with the prefix
// envMetaPrefix, and over them what was set by /meta/update, until the process ends.
type metadata struct {
	log      *slog.Logger
	snapshot *atomic.Pointer[snapshot]

	mu  sync.Mutex
	set map[string]string // guarded by mu
}

var errTooMuchMetadata = errors.New("there are too many values, or one is too long: at most 256 of 1024 bytes are kept; take others away with /meta/delete")

// all is what is told.
func (m *metadata) all() map[string]string {
	values := maps.Clone(m.snapshot.Load().config.Meta)
	m.mu.Lock()
	defer m.mu.Unlock()
	if values == nil {
		return maps.Clone(m.set)
	}
	maps.Copy(values, m.set)
	return values
}

// changed is what was set.
func (m *metadata) changed() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	maps.Copy(all, m.set)
	return all
}

// update sets values.
func (m *metadata) update(values map[string]string, who string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[string]string{}
	maps.Copy(next, m.set)
	for key, value := range values {
		if len(key)+len(value) > maxMetadataBytes {
			return errTooMuchMetadata
		}
		next[key] = value
	}
	if len(next) > maxMetadata {
		return errTooMuchMetadata
	}
	m.set = next
	for key, value := range values {
		m.log.Info("agent: metadata set", "key", key, "value", value, "by", who)
	}
	return nil
}

func (m *metadata) remove(key, who string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.set[key]; ok {
		delete(m.set, key)
		m.log.Info("agent: metadata taken away", "key", key, "by", who)
	}
}

var _ motan.Handler = (*metadata)(nil)

// Handle answers the question for the metadata, in the serialization in which it is asked.
func (m *metadata) Handle(c *motan.Call) {
	if err := meta.Answer(&c.Reply, &c.Request, m.all()); err != nil {
		c.Fail(motan.Errorf(motan.KindBadRequest, motan.CodeInternal, "%v", err))
		return
	}
	c.Reply.SetInt("M_pt", 0)
	c.End()
}

// metaRoutes are motan-go's addresses, with its answers.
func (m *management) metaRoutes(mux *http.ServeMux) {
	of := m.agent.metadata
	mux.HandleFunc("/meta/update", m.change(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxManagementBody)
		if err := r.ParseForm(); err != nil {
			metaAnswer(w, http.StatusBadRequest, "fail", err.Error())
			return
		}
		values := map[string]string{}
		for key, x := range r.Form {
			values[key] = x[0]
		}
		if err := of.update(values, r.RemoteAddr); err != nil {
			metaAnswer(w, http.StatusBadRequest, "fail", err.Error())
			return
		}
		metaAnswer(w, http.StatusOK, "ok", "ok")
	}))
	mux.HandleFunc("/meta/delete", m.change(func(w http.ResponseWriter, r *http.Request) {
		of.remove(r.FormValue("key"), r.RemoteAddr)
		metaAnswer(w, http.StatusOK, "ok", "ok")
	}))
	mux.HandleFunc("/meta/get", func(w http.ResponseWriter, r *http.Request) {
		key := r.FormValue("key")
		metaAnswer(w, http.StatusOK, "ok", map[string]string{key: of.changed()[key]})
	})
	mux.HandleFunc("/meta/getAll", func(w http.ResponseWriter, _ *http.Request) {
		metaAnswer(w, http.StatusOK, "ok", map[string]map[string]string{"meta": of.changed()})
	})
}

// metaAnswer writes motan-go's form, which ends without a newline.
func metaAnswer(w http.ResponseWriter, status int, result string, data any) {
	body, err := json.Marshal(struct {
		Result string `json:"result"`
		Data   any    `json:"data"`
	}{result, data})
	if err != nil {
		text(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no concern
}
