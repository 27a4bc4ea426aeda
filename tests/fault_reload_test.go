package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestFaultReload reads the configuration again and again under a load over Motan and over HTTP, good ones that change the
// service that is called and others, and bad ones in between: no call fails, and nothing is left over.
func TestFaultReload(t *testing.T) {
	addr := newProvider(t, "127.0.0.1", echo).listener.Addr().String()
	s := newSetup(t)
	yaml := func(n int) string {
		text := strings.Replace(callerYAML("here", `{protocol: direct, address: "`+addr+`"}`), "requestTimeout: 30000", "requestTimeout: "+strconv.Itoa(30000+n%3), 1)
		for i := range n % 7 {
			text += fmt.Sprintf("  more%d: {path: com.example.More%d, group: demo, registry: here, requestTimeout: %d}\n", i, i, 1000+n)
		}
		return text
	}
	d := startMotandIn(s, yaml(0))
	path := filepath.Join(s.dir, "motan.yaml")
	load := startSteady(t, d.addr("motan"), briefly(scaled(1000), 5000))
	var web webLoad
	web.start(t, d.url("http", "/rpc/com.example.Both/echo"), 4)
	load.goOn(time.Second)
	load.take().clean(t, "before")

	taken, refused := 0, 0
	reload := func(n int) {
		text := s.fill(yaml(n))
		bad := n%4 == 3
		if bad {
			text += []string{"motan-refers: {}\n", "  broken: {path: com.example.Broken, registry: nobody}\n", "x: [\n"}[n/4%3]
		}
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		want := http.StatusOK
		if bad {
			want = http.StatusUnprocessableEntity
			refused++
		} else {
			taken++
		}
		if n%10 == 0 { // another way to ask for it
			before := d.metric("motand_config_reloads_total")
			d.Signal(syscall.SIGHUP)
			await(t, "SIGHUP to have been obeyed", func() bool { return d.metric("motand_config_reloads_total") == before+1 })
			return
		}
		if status, answer, err := fetch(http.MethodPost, d.url("mgmt", "/api/v1/reload"), ""); err != nil || status != want {
			t.Fatalf("reload %d: got %d %s, %v; want %d", n, status, answer, err, want)
		}
	}
	rest := func() (goroutines, fds, rss float64) {
		return d.metric("go_goroutines"), d.metric("process_open_fds"), float64(d.rss())
	}
	for n := range 20 { // so that what is made once is there
		reload(n)
	}
	goroutines, fds, rss := rest()
	for n := 20; n < briefly(60, 220); n++ {
		reload(n)
		load.goOn(briefly(50*time.Millisecond, 300*time.Millisecond))
	}
	load.finish().clean(t, "meanwhile")
	calls, failed := web.finish()
	note(t, "over HTTP", fmt.Sprintf("%d calls", calls))
	if failed != "" || calls == 0 {
		t.Errorf("over HTTP: %d calls, and %s", calls, failed)
	}
	if got := d.metric("motand_config_reloads_total", "outcome", "taken"); got != float64(taken) {
		t.Errorf("got %v reloads taken, want %d", got, taken)
	}
	if got := d.metric("motand_config_reloads_total", "outcome", "refused"); got != float64(refused) {
		t.Errorf("got %v reloads refused, want %d", got, refused)
	}
	await(t, "goroutines and descriptors to be as few as before", func() bool { // what was taken out of use is kept for a while
		g, f, _ := rest()
		return g <= goroutines+10 && f <= fds+10
	})
	_, _, now := rest()
	note(t, "memory", fmt.Sprintf("%.0f MiB after 20 reloads, %.0f MiB after all", rss/(1<<20), now/(1<<20)))
	if now > 2*rss+64<<20 {
		t.Errorf("memory: got %.0f MiB, %.0f before", now/(1<<20), rss/(1<<20))
	}
}

// webLoad is programs that call over HTTP, one call after the other, on connections that are kept.
type webLoad struct {
	stop  chan struct{}
	wait  sync.WaitGroup
	calls atomic.Int64
	wrong atomic.Pointer[string]
}

func (w *webLoad) start(t *testing.T, url string, programs int) {
	t.Helper()
	w.stop = make(chan struct{})
	for range programs {
		w.wait.Go(func() { // ends with stop
			for {
				select {
				case <-w.stop:
					return
				default:
				}
				status, answer, err := fetch(http.MethodPost, url, `["x"]`)
				if err != nil || status != http.StatusOK || answer != `"x"` {
					text := fmt.Sprintf("got %d %s, %v", status, answer, err)
					w.wrong.Store(&text)
					return
				}
				w.calls.Add(1)
			}
		})
	}
	t.Cleanup(func() { w.finish() })
}

// finish ends the load and tells what went wrong, "" for nothing.
func (w *webLoad) finish() (calls int64, wrong string) {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.wait.Wait()
	if text := w.wrong.Load(); text != nil {
		wrong = *text
	}
	return w.calls.Load(), wrong
}
