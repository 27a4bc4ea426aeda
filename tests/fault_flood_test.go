package tests

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFaultManagementFlood has strangers flood the management port with requests, guessed tokens, pages of other sites, large and slow
// bodies, and connections that say nothing: calls are all answered, memory and descriptors are bounded, what would change something
// is refused and written down, and whoever has the token is served when they have gone.
func TestFaultManagementFlood(t *testing.T) {
	addr := newProvider(t, "127.0.0.1", echo).listener.Addr().String()
	yaml := strings.Replace(callerYAML("here", `{protocol: direct, address: "`+addr+`"}`), "accessLog: off", "accessLog: off\n  managementHost: 0.0.0.0\n  managementToken: s3cret", 1)
	d := startMotand(t, yaml)
	load := startSteady(t, d.addr("motan"), briefly(scaled(1000), 4000))
	var web webLoad
	web.start(t, d.url("http", "/rpc/com.example.Both/echo"), 2)
	load.goOn(briefly(time.Second, 5*time.Second))
	load.take().clean(t, "before")
	files, rss := d.metric("process_open_fds"), d.rss()

	f := flood{d: d, stop: make(chan struct{})}
	f.requests(briefly(16, 64))
	f.silent(t, briefly(800, 3000))
	load.goOn(briefly(3*time.Second, 30*time.Second))
	meanwhile := load.take()
	meanwhile.clean(t, "meanwhile")
	f.end()
	note(t, "requests", fmt.Sprintf("%d answered, %d of them refused; %d came to nothing", f.answered.Load(), f.refused.Load(), f.failed.Load()))
	if f.refused.Load() == 0 || f.wrong.Load() != nil {
		t.Errorf("%d were refused; let in was %v", f.refused.Load(), f.wrong.Load())
	}
	note(t, "memory", fmt.Sprintf("%d MiB before, %d MiB at the worst", rss>>20, d.peakRSS()>>20))
	if grown := d.peakRSS() - rss; !raced && grown > 256<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	await(t, "descriptors to be as few as before", func() bool {
		status, _, err := fetch(http.MethodGet, d.url("mgmt", "/healthz"), "")
		return err == nil && status == http.StatusOK && d.metric("process_open_fds") <= files+10
	})
	if d.metric("motand_management_refused_total") == 0 || d.metric("motand_management_connections_refused_total") == 0 {
		t.Error("the metrics do not tell of what was refused")
	}
	if status, body := httpDo(t, http.MethodGet, d.url("mgmt", "/200"), "", "Authorization", "Bearer s3cret"); status != http.StatusOK {
		t.Errorf("with the token: got %d %s", status, body)
	}
	audit, err := os.ReadFile(filepath.Join(d.dir, "motand-audit.log"))
	if err != nil || !strings.Contains(string(audit), `"refused_unseen":`) || strings.Contains(string(audit), "s3cret") || len(audit) > 1<<20 {
		t.Errorf("audit log: %d bytes, %v; want a line a second with the number of the others, without tokens", len(audit), err)
	}
	load.finish().clean(t, "after")
	if calls, failed := web.finish(); failed != "" || calls == 0 {
		t.Errorf("over HTTP: %d calls, and %s", calls, failed)
	}
}

// flood is what strangers do at a management port.
type flood struct {
	d                         *daemon
	stop                      chan struct{}
	wait                      sync.WaitGroup
	answered, refused, failed atomic.Int64
	wrong                     atomic.Pointer[string] // a request that should have been refused
}

// hostile are requests with the least status that they may get.
var hostile = []struct {
	method, path, body string
	headers            []string
	status             int
}{
	{http.MethodGet, "/metrics", "", nil, 200},
	{http.MethodGet, "/api/v1/status", "", nil, 401},
	{http.MethodGet, "/getConfig", "", []string{"Authorization", "Bearer guess"}, 403},
	{http.MethodGet, "/debug/pprof/heap", "", nil, 401},
	{http.MethodGet, "/503", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	{http.MethodPost, "/api/v1/reload", "", []string{"Origin", "http://evil.example", "Authorization", "Bearer s3cret"}, 403},
	{http.MethodPut, "/api/v1/filters", strings.Repeat("x", 1<<16), []string{"Authorization", "Bearer " + strings.Repeat("s", 8000)}, 403},
	{http.MethodPost, "/api/v1/config/check", strings.Repeat("y", 1<<20), nil, 401},
}

// requests has so many strangers send requests, one after the other, until end.
func (f *flood) requests(strangers int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: strangers}}
	f.wait.Go(func() { <-f.stop; client.CloseIdleConnections() }) // ends with stop
	for n := range strangers {
		f.wait.Go(func() { // ends with stop
			for i := n; ; i++ {
				select {
				case <-f.stop:
					return
				default:
				}
				f.request(client, i)
			}
		})
	}
}

func (f *flood) request(client *http.Client, i int) {
	x := &hostile[i%len(hostile)]
	q, err := http.NewRequest(x.method, f.d.url("mgmt", x.path), strings.NewReader(x.body))
	if err != nil {
		f.failed.Add(1)
		return
	}
	for h := 0; h < len(x.headers); h += 2 {
		q.Header.Set(x.headers[h], x.headers[h+1])
	}
	answer, err := client.Do(q)
	if err != nil {
		f.failed.Add(1) // too many connections, or an answer before the body was taken
		return
	}
	_ = answer.Body.Close() // what it says does not matter
	f.answered.Add(1)
	switch {
	case answer.StatusCode >= 400:
		f.refused.Add(1)
	case x.status >= 400:
		text := fmt.Sprintf("%s %s with %v: %d", x.method, x.path, x.headers, answer.StatusCode)
		f.wrong.Store(&text)
	}
}

// silent keeps so many connections open, some with a head or a body that has begun, and makes those anew that are closed.
func (f *flood) silent(t *testing.T, connections int) {
	t.Helper()
	beginnings := []string{"", "GET /metrics HT", "POST /api/v1/config/check HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n{", "GET / HTTP/1.1\r\nHost: x\r\nX: "}
	for n := range connections {
		f.wait.Go(func() { // ends with stop
			for {
				conn, err := net.Dial("tcp", f.d.addr("mgmt"))
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(beginnings[n%len(beginnings)])) // it may be closed already
				gone := make(chan struct{})
				go func() { // ends with conn
					defer close(gone)
					_, _ = conn.Read(make([]byte, 1<<10))
				}()
				select {
				case <-f.stop:
					_ = conn.Close()
					<-gone
					return
				case <-gone:
					_ = conn.Close()
				}
				pause := time.NewTimer(100 * time.Millisecond) // as a flood of thousands from one host
				select {
				case <-f.stop:
					pause.Stop()
					return
				case <-pause.C:
				}
			}
		})
	}
}

func (f *flood) end() {
	close(f.stop)
	f.wait.Wait()
}
