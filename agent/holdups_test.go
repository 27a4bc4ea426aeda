package agent

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// blocking is a filter as nobody must write one: it waits on the reader of the connection.
type blocking struct{ until <-chan struct{} }

func (f *blocking) Request(*motan.Call) motan.Verdict {
	<-f.until
	return motan.Next
}

func (*blocking) Reply(*motan.Call) {}

// A filter that blocks is named in the log, in the metrics and in the status while it does, and not longer.
func TestHoldups(t *testing.T) {
	until := make(chan struct{})
	free := sync.OnceFunc(func() { close(until) })
	defer free() // else a test that failed would wait for its agent
	x := Default()
	x.Filters["blocking"] = filters.Entry{Position: filters.Cluster, New: func(filters.Settings) (motan.Filter, error) { return &blocking{until}, nil }}
	r := newReloader(t, x, directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct, filter: blocking}\n")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	h, now := &r.holdups, time.Now()
	quiet := &holdups{every: time.Millisecond, log: log, seen: make(map[string]*holdup)}
	quiet.look(now)
	if got := quiet.told(); len(got) > 0 || len(quiet.seen) > 0 {
		t.Fatalf("before a call: got %q and %v", got, quiet.seen)
	}
	client := r.dial()
	client.Send(motantest.Request("svc", "m", nil))
	seen := func(h *holdups) bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.seen) > 0
	}
	motantest.Await(t, "the call to be in the filter", func() bool { h.look(now); return seen(h) })
	for range holdupLooks {
		h.look(now)
		quiet.look(now)
	}
	const name = "agent.(*blocking).Request"
	if got := quiet.told(); len(got) != 1 || !strings.Contains(got[0], name+" holds 1 calls, in ") {
		t.Errorf("got %q, want the filter", got)
	}
	quiet.look(now)
	if got := strings.Count(out.String(), "a filter blocks"); got != 1 || !strings.Contains(out.String(), name) {
		t.Errorf("the log has it %d times, want once:\n%s", got, &out)
	}
	if got := ask(t, r.Agent, http.MethodGet, "/api/v1/status", "").Body.String(); !strings.Contains(got, name+" holds 1 calls") {
		t.Errorf("the status is %s", got)
	}
	if got := ask(t, r.Agent, http.MethodGet, "/metrics", "").Body.String(); !strings.Contains(got, "\nmotand_filter_holdups 1\n") {
		t.Error("the metrics do not show it")
	}
	free()
	_ = client.Receive() // it may have failed by its time-out
	motantest.Await(t, "the end of it", func() bool { quiet.look(now); return !seen(quiet) })
	if !strings.Contains(out.String(), "lets them pass again") {
		t.Errorf("the log does not tell of the end:\n%s", &out)
	}
}

func TestFilterOf(t *testing.T) {
	const chain, when = chainMethods, "github.com/motand/motand/filters.(*When)."
	tests := []struct {
		name, stack, want string
	}{
		{"none", "a b c", ""},
		{"a filter", "time.Sleep mine.(*F).Request " + chain + "request " + chain + "Handle", "mine.(*F).Request"},
		{"on the way back", "mine.F.Reply " + chain + "reply", "mine.F.Reply"},
		{"for some calls", "lock mine.(*F).Request " + when + "Request " + chain + "request", "mine.(*F).Request"},
		{"the condition itself", when + "Request " + chain + "request", when + "Request"},
		{"behind the filters", "write " + "cluster.(*Cluster).Handle " + chain + "from", ""},
		{"behind those of another chain", "write cluster.(*Cluster).Handle " + chain + "from mine.(*F).Request " + chain + "request", ""},
		{"of another chain", "x.Request " + chain + "from mine.(*F).Request " + chain + "request", "x.Request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "1 @ 0x1\n"
			for f := range strings.FieldsSeq(tt.stack) {
				text += "#\t0x1\t" + f + "+0x2\t\t/x.go:1\n"
			}
			n, functions := readStack(text)
			if got := filterOf(functions); got != tt.want || n != 1 {
				t.Errorf("got %q of %d, want %q of 1", got, n, tt.want)
			}
		})
	}
}

// An agent with a filter of somebody's looks by itself; one without has nothing to look for.
func TestHoldupsAreLookedFor(t *testing.T) {
	until := make(chan struct{})
	free := sync.OnceFunc(func() { close(until) })
	defer free() // else a test that failed would wait for its agent
	x := Default()
	if x.ownFilters() {
		t.Error("motand's own filters are taken for somebody's")
	}
	x.Filters["blocking"] = filters.Entry{Position: filters.Cluster, New: func(filters.Settings) (motan.Filter, error) { return &blocking{until}, nil }}
	r := newReloader(t, x, directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct, filter: blocking}\n")
	client := r.dial()
	client.Send(motantest.Request("svc", "m", nil))
	motantest.Await(t, "the filter to be named", func() bool { return len(r.holdups.told()) == 1 })
	free()
}

// Looks go on until the agent ends.
func TestHoldupsLooks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := &holdups{every: time.Millisecond, seen: map[string]*holdup{"gone": {}}, log: slog.New(slog.DiscardHandler)}
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		h.run(ctx)
	}()
	motantest.Await(t, "a look", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.seen) == 0
	})
	cancel()
	<-ended
}
