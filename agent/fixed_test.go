package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan/motantest"
)

// Of each setting of motan-agent it is known whether a reload changes it.
func TestEverySettingIsReloadableOrFixed(t *testing.T) {
	for f := range reflect.TypeFor[conf.Agent]().Fields() {
		if _, once := fixed[f.Name]; f.IsExported() && once == slices.Contains(reloadable, f.Name) {
			t.Errorf("%s stands in both lists or in none: decide whether a reload changes it", f.Name)
		}
	}
}

// logged waits for a line of the log with all these words.
func (r *reloader) logged(t *testing.T, words ...string) {
	t.Helper()
	path := r.snapshot.Load().config.Agent.LogDir + "/motand.log"
	motantest.Await(t, fmt.Sprintf("%q in the log, which is written behind a buffer", words), func() bool {
		text, err := os.ReadFile(path)
		return err == nil && slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		})
	})
}

// What needs a restart stays and is named with its place; what does not is taken.
func TestReloadOfFixedSettings(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	next := parse(t, r.x, "maxConnections: 7\nstrictGroup: true\n", r.text(recorderYAML+referOne+serveOne))
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if c := r.snapshot.Load().config.Agent; c.MaxConnections == 7 || !c.StrictGroup {
		t.Errorf("got %d connections, strict %t", c.MaxConnections, c.StrictGroup)
	}
	f := frame("echo", "x")
	f.Set("M_g", "other")
	if x, _ := r.dial().Call(f).Exception(); x.Code != 400 {
		t.Errorf("another group: got %+v, want 400", x)
	}
	r.logged(t, "need a restart", "maxConnections (motan.yaml:", "snapshot_dir (motan.yaml:")
}

// Listeners move: the new ones answer before the old ones are closed, and connections of the old ones stay.
func TestReloadMovesListeners(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	client := r.dial()
	if reply := client.Call(frame("echo", "before")); reply.Failed() {
		t.Fatalf("got %s", reply.Body())
	}
	old := r.listeners.all()
	next := r.parse(t, recorderYAML+referOne+serveOne)
	next.Agent.Host = "127.0.0.2" // any ports there
	next.Agent.ManagementHost, next.Agent.ManagementToken = "0.0.0.0", "s3cret"
	next.Agent.HTTPOrigins = []string{"https://shop.example.com"}
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	newest := func(server string) string {
		all := r.listeners.of(server)
		_, port, err := net.SplitHostPort(all[len(all)-1].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	if reply := client.Call(frame("echo", "after")); reply.Failed() {
		t.Errorf("over the old connection: got %s", reply.Body())
	}
	if reply := motantest.Dial(t, "127.0.0.2:"+newest("motan")).Call(frame("echo", "new")); reply.Failed() {
		t.Errorf("at the new port: got %s", reply.Body())
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.2:"+newest("http")+"/rpc/svc/echo", strings.NewReader(`["x"]`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://shop.example.com")
	request.Header.Set("Content-Type", "application/json")
	if status, head, _ := fetched(t, request); status != http.StatusOK || head.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("HTTP of an origin that may call since: got %d, %v", status, head)
	}
	for token, want := range map[string]int{"": http.StatusUnauthorized, "s3cret": http.StatusOK} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+newest("management")+"/200", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		if status, _, body := fetched(t, request); status != want {
			t.Errorf("management with token %q: got %d %s, want %d", token, status, body, want)
		}
	}
	for _, x := range old {
		if serverOf(x.Name) == "export" {
			continue
		}
		motantest.Await(t, x.Name+" to be closed", func() bool {
			_, err := net.Dial("tcp", x.listener.Addr().String())
			return errors.Is(err, syscall.ECONNREFUSED)
		})
	}
	if got := len(r.listeners.all()); got != len(old) {
		t.Errorf("got %d listeners, want %d as before", got, len(old))
	}
	if reply := client.Call(frame("echo", "at last")); reply.Failed() {
		t.Errorf("over the connection of a listener that is closed: got %s", reply.Body())
	}
}

// fetched sends a request and returns its answer, over a connection of its own.
func fetched(t *testing.T, q *http.Request) (status int, head http.Header, body string) {
	t.Helper()
	q.Close = true
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, text.String()
}

// HTTP is switched off and on again; an address that one of our own listeners has stays for a restart, one of another process refuses
// the configuration.
func TestReloadOfListenersThatCannotBe(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	for _, on := range []bool{false, true} {
		if err := r.Reload(parse(t, r.x, fmt.Sprintf("httpProxyEnable: %t\n", on), r.text(recorderYAML+referOne+serveOne))); err != nil {
			t.Fatal(err)
		}
		motantest.Await(t, fmt.Sprintf("HTTP to be on: %t", on), func() bool { return (len(r.listeners.of("http")) == 1) == on })
	}
	next := r.parse(t, recorderYAML+referOne+serveOne)
	next.Agent.Port = r.listeners.of("http")[0].Addr().(*net.TCPAddr).Port
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if got := r.snapshot.Load().config.Agent.Port; got != 0 {
		t.Errorf("got port %d, want that from before", got)
	}
	r.logged(t, "need a restart", "port (motan.yaml:")

	_, port := tcp(t)
	next = r.parse(t, recorderYAML+referOne+serveOne)
	next.Agent.Port, next.Agent.HTTPUnixSock = port, filepath.Join(t.TempDir(), "http.sock")
	if err := r.Reload(next); err == nil || !strings.Contains(err.Error(), "motan-agent.port") {
		t.Errorf("a port of somebody else: got %v, want it refused", err)
	}
	if _, err := os.Stat(next.Agent.HTTPUnixSock); err == nil {
		t.Error("a listener of a configuration that was refused is there")
	}
	r.call(frame("echo", "still there"))
}

// Logs go elsewhere, in another form and from another level on; where they cannot, nothing has changed.
func TestReloadOfLogs(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	dir := t.TempDir()
	text := r.text(recorderYAML + referOne + serveOne)
	next := parse(t, r.x, "log_level: debug\nlog_structured: true\nlog_max_size: 1\naccessLog: "+dir+"/calls.log\nauditLog: "+dir+"/audit.log\n", text)
	next.Agent.LogDir = dir
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	client := r.dial()
	client.Call(frame("echo", "x"))
	ask(t, r.Agent, http.MethodGet, "/200", "")
	r.log.Debug("a line of debug")
	for _, file := range []string{"motand.log", "calls.log", "audit.log"} {
		motantest.Await(t, file+" with a line of JSON", func() bool {
			text, err := os.ReadFile(filepath.Join(dir, file))
			line := bytes.TrimSpace(text[bytes.LastIndexByte(bytes.TrimSpace(text), '\n')+1:])
			_, object, _ := bytes.Cut(line, []byte("\t")) // of the access log, behind the time
			return err == nil && (json.Valid(line) && len(line) > 0 || json.Valid(object) && len(object) > 0)
		})
	}
	r.logged(t, "a line of debug")
	for _, file := range r.logs.files() {
		if !strings.HasPrefix(file.Filename, dir) || file.MaxSize != 1 {
			t.Errorf("got %s of %d MiB", file.Filename, file.MaxSize)
		}
	}

	blocked := parse(t, r.x, "accessLog: "+dir+"/calls.log/below\n", text)
	blocked.Agent.LogDir = dir
	before := r.snapshot.Load()
	if err := r.Reload(blocked); err == nil || !strings.Contains(err.Error(), "calls.log/below") || r.snapshot.Load() != before {
		t.Errorf("a log that cannot be written: got %v, want it refused", err)
	}
	off := parse(t, r.x, "accessLog: 'off'\nauditLog: 'off'\n", text)
	off.Agent.LogDir = dir
	if err := r.Reload(off); err != nil {
		t.Fatal(err)
	}
	if r.logs.access.Enabled() || r.logs.audit() != nil || len(r.logs.files()) != 1 {
		t.Errorf("switched off: access log %t, files %v", r.logs.access.Enabled(), r.logs.files())
	}
	if w := ask(t, r.Agent, http.MethodGet, "/logConfig/set?access=true", ""); !strings.Contains(w.Body.String(), "accessLog: off") {
		t.Errorf("got %s, want it refused", w.Body)
	}
	if err := r.Reload(next); err != nil || !r.logs.access.Enabled() {
		t.Errorf("switched on again: got %v, %t", err, r.logs.access.Enabled())
	}
}

// A level that was set by hand stays until the configuration names another.
func TestReloadKeepsALevelSetByHand(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	ask(t, r.Agent, http.MethodGet, "/logConfig/set?level=error", "")
	text := r.text(recorderYAML + referOne + serveOne)
	for _, tt := range []struct{ keys, want string }{{"", "ERROR"}, {"log_level: warn\n", "WARN"}, {"log_level: info\n", "INFO"}} {
		if err := r.Reload(parse(t, r.x, tt.keys, text)); err != nil {
			t.Fatal(err)
		}
		if got := r.logs.level.Level().String(); got != tt.want {
			t.Errorf("after %q: got %s, want %s", tt.keys, got, tt.want)
		}
	}
}
