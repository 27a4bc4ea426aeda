package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// logLevels are motan-go's names, from the most to the least that is logged.
var logLevels = []string{"trace", "debug", "info", "warn", "error", "dpanic", "panic", "fatal"}

// logAnswer is motan-go's answer of /logConfig; the status is 200 always, as there.
type logAnswer struct {
	Code int    `json:"code"`
	Body string `json:"body"`
}

func answerLog(w http.ResponseWriter, code int, format string, args ...any) {
	w.Header().Set("Content-Type", textPlain)
	_ = json.NewEncoder(w).Encode(logAnswer{code, fmt.Sprintf(format, args...)}) // a client that went away is no concern
}

// getLogConfig tells what is logged, in motan-go's form. Metrics have no log of their own here.
func (m *management) getLogConfig(w http.ResponseWriter, _ *http.Request) {
	body := struct {
		Level      string `json:"level"`
		AccessLog  bool   `json:"accessLog"`
		MetricsLog bool   `json:"metricsLog"`
	}{Level: strings.ToLower(m.agent.logs.level.Level().String())}
	body.AccessLog = m.agent.logs.access.Enabled()
	answerLog(w, http.StatusOK, "%s", compactJSON(body))
}

// setLogConfig changes what is logged until the next start.
func (m *management) setLogConfig(w http.ResponseWriter, r *http.Request) {
	name, access, metrics := r.FormValue("level"), r.FormValue("access"), r.FormValue("metrics")
	switch {
	case name != "":
		if !slices.Contains(logLevels, strings.ToLower(name)) {
			answerLog(w, http.StatusInternalServerError, "set log level failed. err:there is no level %.40s, only %s", name, strings.Join(logLevels, ", "))
			return
		}
		m.agent.logs.level.Set(level(name))
		m.agent.log.Info("agent: log level set", "level", name, "by", r.RemoteAddr)
		answerLog(w, http.StatusOK, "set log level:%s", name)
	case access != "":
		on, err := strconv.ParseBool(access)
		if err == nil && m.agent.logs.noCalls.Load() {
			err = errors.New("the configuration says accessLog: off")
		}
		if err != nil {
			answerLog(w, http.StatusInternalServerError, "set accessLog status failed. err:%v", err)
			return
		}
		m.agent.logs.access.SetEnabled(on)
		m.agent.log.Info("agent: access log set", "on", on, "by", r.RemoteAddr)
		answerLog(w, http.StatusOK, "set accessLog status:%s", access)
	case metrics != "":
		answerLog(w, http.StatusInternalServerError, "set metricsLog status failed. err:metrics are not logged here, /metrics has them")
	}
}
