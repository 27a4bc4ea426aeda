package agent

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/motand/motand/filters"
)

// debugRoutes are profiles and figures of the process, at motan-go's addresses.
func (m *management) debugRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/sw", m.change(m.switchDebug))
	for path, h := range map[string]http.HandlerFunc{
		"pprof/": pprof.Index, "pprof/cmdline": pprof.Cmdline, "pprof/profile": pprof.Profile, "pprof/symbol": pprof.Symbol, "pprof/trace": pprof.Trace,
		"mesh/trace": m.meshTrace, "stat/process": m.statProcess, "stat/system": m.statSystem, "stat/openFiles": statOpenFiles, "stat/connections": m.statConnections,
	} {
		mux.HandleFunc("/debug/"+path, m.private(m.whileOpen(h)))
	}
}

// switchDebug closes the addresses below /debug/ and opens them again, as motan-go has it: the header ctr says op or cp. They
// are open at the start: who may not look is kept out otherwise.
func (m *management) switchDebug(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("ctr") {
	case "op":
		m.debugClosed.Store(false)
		text(w, http.StatusOK, "T")
	case "cp":
		m.debugClosed.Store(true)
		text(w, http.StatusOK, "F")
	}
}

func (m *management) whileOpen(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !m.debugClosed.Load() {
			h(w, r)
		}
	}
}

const (
	maxTraced      = 10_000
	longestTracing = 300 * time.Second
)

// meshTrace collects calls for some seconds and answers with them, a line of JSON each: the line of the access log, which has the
// provider's time and the whole time. seconds, service and ratio, a percentage, choose.
func (m *management) meshTrace(w http.ResponseWriter, r *http.Request) {
	log := m.agent.compiler.accessLog
	if !log.Enabled() {
		text(w, http.StatusOK, "mesh trace finish. trace size:0, the access log is switched off\n")
		return
	}
	seconds, _ := strconv.Atoi(r.FormValue("seconds"))
	if seconds <= 0 {
		seconds = 30
	}
	ratio, _ := strconv.Atoi(r.FormValue("ratio"))
	t := log.Tail(filters.TailOptions{Service: strings.TrimSpace(r.FormValue("service"))})
	if t == nil {
		answer(w, http.StatusServiceUnavailable, problem{"too many look at the access log already"})
		return
	}
	defer log.Untail(t)
	over := time.NewTimer(min(time.Duration(seconds)*time.Second, longestTracing))
	defer over.Stop()
	var lines []string
	for waiting := true; waiting && len(lines) < maxTraced; {
		select {
		case <-over.C:
			waiting = false
		case <-r.Context().Done():
			return
		case line := <-t.Lines():
			if ratio <= 0 || ratio >= 100 || rand.IntN(100) < ratio {
				lines = append(lines, strings.TrimSuffix(string(line), "\n"))
			}
		}
	}
	w.Header().Set("Content-Type", textPlain)
	_, _ = fmt.Fprintf(w, "mesh trace finish. trace size:%d, time unit:ms\n", len(lines)) // a client that went away is no concern
	for i, line := range lines {
		_, _ = fmt.Fprintf(w, "{\"No\":%d,\"trace\":%s}\n", i, compactJSON(line))
	}
}

func (m *management) statProcess(w http.ResponseWriter, _ *http.Request) {
	samples, files := m.agent.samples(), len(openFiles())
	jsonText(w, map[string]any{
		"numThreads": procNumber("self/status", "Threads:"), "numFds": files, "cpuPercent": samples["cpu"],
		"usedMemory(MB)": procNumber("self/status", "VmRSS:") / 1024, "openFilesCount": files,
		"createTime":  m.agent.started.Format(time.DateTime),
		"connections": map[string]int64{"LISTEN": int64(m.listening()), "ESTABLISHED": samples["motan_server_connection_count"]},
	})
}

// listening is how many addresses the agent listens on.
func (m *management) listening() int {
	n := 0
	for _, l := range m.agent.listenerViews() {
		n += len(l.Addresses)
	}
	return n
}

func (m *management) statSystem(w http.ResponseWriter, _ *http.Request) {
	name, _ := os.Hostname()                   // empty where it is not known
	release, _ := os.ReadFile("/proc/version") // likewise
	loads, _ := os.ReadFile("/proc/loadavg")
	load := append(strings.Fields(string(loads)), "0", "0", "0")
	total, free := procNumber("meminfo", "MemTotal:")/1024, procNumber("meminfo", "MemAvailable:")/1024
	jsonText(w, map[string]any{
		"cpuCores": runtime.NumCPU(), "load1": json.Number(load[0]), "load5": json.Number(load[1]), "load15": json.Number(load[2]),
		"hostName": name, "platform": runtime.GOOS, "kernelVersion": strings.TrimSpace(string(release)), "goVersion": runtime.Version(),
		"memInfo": map[string]int64{"memTotal(MB)": total, "memUsed(MB)": total - free},
	})
}

func statOpenFiles(w http.ResponseWriter, _ *http.Request) {
	type file struct {
		Path string `json:"path"`
		FD   int    `json:"fd"`
	}
	all := []file{}
	for fd, path := range openFiles() {
		all = append(all, file{path, fd})
	}
	jsonText(w, all)
}

func (m *management) statConnections(w http.ResponseWriter, _ *http.Request) {
	jsonText(w, m.agent.listenerViews())
}

// openFiles are the descriptors of this process and what they stand for; none where the system does not tell.
func openFiles() map[int]string {
	all := map[int]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return all
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if path, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			all[fd] = path
		}
	}
	return all
}

// procNumber is the first number behind a key in a file of /proc; 0 where there is none.
func procNumber(file, key string) int64 {
	text, err := os.ReadFile("/proc/" + file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			n, _ := strconv.ParseInt(fields[1], 10, 64) // 0 where it is none
			return n
		}
	}
	return 0
}
