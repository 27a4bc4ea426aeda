package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// reloader runs an agent and gives it one configuration after the other.
type reloader struct {
	*running
	x     Extensions
	ports []int // for services, by number
}

func newReloader(t *testing.T, x Extensions, text string) *reloader {
	t.Helper()
	r := &reloader{x: x, ports: []int{freePort(t), freePort(t)}}
	r.running = start(t, r.parse(t, text), x)
	return r
}

// parse reads a configuration for the same ports; PORT0 and PORT1 are those of services.
func (r *reloader) parse(t *testing.T, text string) *conf.Config {
	t.Helper()
	c := parse(t, r.x, "", r.text(text))
	if r.running != nil {
		now := &r.snapshot.Load().config.Agent
		c.Agent.SnapshotDir, c.Agent.LogDir = now.SnapshotDir, now.LogDir
	}
	return c
}

// text is a configuration with the ports.
func (r *reloader) text(text string) string {
	for i, port := range r.ports {
		text = strings.ReplaceAll(text, fmt.Sprintf("PORT%d", i), fmt.Sprint(port))
	}
	return text
}

const (
	referOne = "motan-refer:\n  r: {path: svc, group: g, registry: inside, requestTimeout: 9000}\n"
	serveOne = "motan-service:\n  s: {path: svc, group: g, provider: demo, registry: \"inside,outside\", available: auto, export: 'motan2:PORT0'}\n"
)

// What is configured as before stays what it was; what is new is there and what is gone is not.
func TestReloadKeepsWhatIsEqual(t *testing.T) {
	rec := new(recorder)
	r := newReloader(t, withRecorder(rec), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	before := r.snapshot.Load()
	more := recorderYAML + referOne + "  q: {path: other, group: g, registry: inside}\n" + serveOne +
		"  u: {path: other, group: g, provider: demo, registry: \"inside,outside\", available: auto, export: 'motan2:PORT1'}\n"
	if err := r.Reload(r.parse(t, more)); err != nil {
		t.Fatal(err)
	}
	now := r.snapshot.Load()
	if now.all[0] != before.all[0] || now.exported[0] != before.exported[0] || now.registries["outside"] != before.registries["outside"] {
		t.Error("equal entries were made anew")
	}
	if reply := r.call(requestOf("other")); reply.Failed() {
		t.Errorf("the new service: got %s", reply.Body())
	}
	if got := len(rec.Announced()); got != 2 {
		t.Errorf("%d nodes are announced, want 2", got)
	}
	if err := r.Reload(r.parse(t, recorderYAML+referOne+serveOne)); err != nil {
		t.Fatal(err)
	}
	motantest.Await(t, "the other service to be withdrawn", func() bool { return len(rec.Announced()) == 1 })
	motantest.Await(t, "its port to be closed", func() bool {
		_, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.ports[1]))
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	if x, _ := r.dial().Call(requestOf("other")).Exception(); x.Code != 400 {
		t.Errorf("the refer that is gone: got %+v, want 400", x)
	}
	if r.snapshot.Load().all[0] != before.all[0] {
		t.Error("the first refer was made anew")
	}
}

// A configuration that cannot be had changes nothing, at whatever step that shows.
func TestReloadRefused(t *testing.T) {
	tests := []struct {
		name, text, want string
		prepare          func(x Extensions, rec *recorder, port int) func()
	}{
		{"cannot be compiled", recorderYAML + referOne + serveOne + "  b: {path: b, group: g, provider: broken, registry: outside}\n", "no such backend", nil},
		{"cannot listen", recorderYAML + referOne + serveOne + "  b: {path: b, group: g, provider: demo, registry: outside, export: 'motan2:PORT1'}\n", "cannot listen", func(_ Extensions, _ *recorder, port int) func() {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
			if err != nil {
				return func() {}
			}
			return func() { _ = l.Close() }
		}},
		{"cannot be watched", recorderYAML + referOne + "  b: {path: b, group: g, registry: outside}\n" + serveOne, "bad name", func(_ Extensions, rec *recorder, _ int) func() {
			rec.refuse = errors.New("bad name")
			return func() {}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := new(recorder)
			x := withRecorder(rec)
			x.Providers["broken"] = func(*conf.Service, ProviderEnv) (motan.Handler, func(), error) {
				return nil, nil, errors.New("no such backend")
			}
			r := newReloader(t, x, recorderYAML+referOne+serveOne)
			r.call(frame("echo", "warm"))
			before, next := r.snapshot.Load(), r.parse(t, tt.text)
			if tt.prepare != nil {
				defer tt.prepare(x, rec, r.ports[1])()
			}
			if err := r.Reload(next); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if r.snapshot.Load() != before || r.reloads.refused.Load() != 1 || r.reloads.taken.Load() != 0 {
				t.Error("something was taken into use")
			}
			if reply := r.call(frame("echo", "still")); reply.Failed() {
				t.Error("calls fail")
			}
			if got := len(rec.Announced()); got != 1 {
				t.Errorf("%d nodes are announced, want the 1 of before", got)
			}
		})
	}
}

// No call fails while entries change, come and go; the one that calls use among them.
func TestReloadUnderCalls(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	done := make(chan struct{})
	var failed, made atomic.Int64
	var wait sync.WaitGroup
	for range 4 {
		client := r.dial()
		wait.Go(func() { // ends with done
			for {
				select {
				case <-done:
					return
				default:
				}
				if reply := client.Call(frame("echo", "x")); reply.Failed() {
					failed.Add(1)
				}
				made.Add(1)
			}
		})
	}
	for i := range 30 {
		text := recorderYAML + strings.Replace(referOne, "9000", fmt.Sprint(9000+i), 1) + strings.Replace(serveOne, "auto,", fmt.Sprintf("auto, n: %d,", i/3), 1)
		if i%2 == 0 {
			text += "  u: {path: other, group: g, provider: demo, registry: outside, export: 'motan2:PORT1'}\n"
		}
		if err := r.Reload(r.parse(t, text)); err != nil {
			t.Fatal(err)
		}
		before := made.Load()
		motantest.Await(t, "calls to go on", func() bool { return made.Load() > before })
	}
	close(done)
	wait.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d calls failed", failed.Load(), made.Load())
	}
}

// Reading fails, or the agent is going down: nothing happens.
func TestReloadThatComesToNothing(t *testing.T) {
	r := newReloader(t, withRecorder(new(recorder)), recorderYAML+referOne+serveOne)
	r.call(frame("echo", "warm"))
	before := r.snapshot.Load()
	if err := r.readAgain("a test"); !errors.Is(err, errNoSource) {
		t.Errorf("without a file: got %v, want errNoSource", err)
	}
	next := r.parse(t, recorderYAML+referOne)
	r.cancel()
	if err := r.await(); err != nil {
		t.Error(err)
	}
	if err := r.Reload(next); !errors.Is(err, errStopping) {
		t.Errorf("after the end: got %v, want errStopping", err)
	}
	if r.snapshot.Load() != before {
		t.Error("something was taken into use")
	}
}

// A request to read the configuration again that comes before the start is over is done after it.
func TestReloadDuringTheStart(t *testing.T) {
	c := parse(t, Default(), "", directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct}\n")
	a, err := New(c, Default())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(c); !errors.Is(err, errNotStarted) {
		t.Errorf("before the start: got %v, want errNotStarted", err)
	}
	read := make(chan error, 2)
	a.load = func() (*conf.Config, error) { return c, nil }
	for range cap(read) {
		go func() { read <- a.readAgain("a test") }() // ends when the agent has started
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nil) }() // ends with ctx
	for range cap(read) {
		if err := <-read; err != nil {
			t.Errorf("during the start: got %v, want it taken", err)
		}
	}
	if got := a.reloads.taken.Load(); got != 2 {
		t.Errorf("got %d taken, want 2", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := a.readAgain("a test"); !errors.Is(err, errStopping) {
		t.Errorf("after the end: got %v, want errStopping", err)
	}
}

// An export that was withdrawn answers for a while, unless its service is there again.
func TestLeavingExports(t *testing.T) {
	of := func(path, group string) *export {
		return &export{service: &conf.Service{Entry: conf.Entry{Path: path, Group: group}}}
	}
	a, b, again := of("a", "g"), of("b", "g"), of("a", "g")
	x := &exports{byService: map[string][]*export{"a": {a}}}
	if x.with(nil) != x {
		t.Error("nobody leaves: got another one")
	}
	y := x.with([]leaver{{export: b}, {export: again}, {export: of("a", "h")}})
	if got := y.byService["a"]; len(got) != 2 || got[0] != a || got[1].service.Group != "h" {
		t.Errorf("a: got %v", got)
	}
	if !slices.Equal(y.byService["b"], []*export{b}) || len(x.byService) != 1 || len(x.byService["a"]) != 1 {
		t.Error("b does not answer, or the original was changed")
	}
}

func requestOf(service string) *motan.Frame {
	f := motantest.Request(service, "echo", nil)
	f.Set("M_g", "g")
	return f
}
