package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// shaky is a registry that can be reached or not.
type shaky struct {
	registry.Static
	up atomic.Bool
}

func (s *shaky) State() registry.State {
	if s.up.Load() {
		return registry.State{Connected: true}
	}
	return registry.State{LastError: "connection refused", Watches: make([]registry.WatchState, 3)}
}

// idler is a registry that nothing was asked of.
type idler struct{ registry.Static }

func (*idler) State() registry.State { return registry.State{Idle: true} }

// lines takes what was logged since the last time.
func lines(out *bytes.Buffer) []string {
	all := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
	out.Reset()
	return all
}

// A registry that is down from the start is told of soon, then now and then, and its return once.
func TestTroublesOfARegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := new(shaky)
		tr := troubles{
			registries: func() map[string]registry.Registry {
				return map[string]registry.Registry{"zk": r, "quiet": new(registry.Static), "unused": new(idler)}
			},
			clients: func(func(*motan.Client)) {}, log: slog.New(slog.NewTextHandler(&out, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go tr.run(ctx) // ends with ctx
		steps := []struct {
			name string
			up   bool
			pass time.Duration
			want []string // one for each line
		}{
			{"connections may take a while", false, troublesTick - 1, nil},
			{"down", false, 2, []string{`level=WARN msg="agent: registry cannot be reached`}},
			{"not again and again", false, troublesRemind - time.Second, nil},
			{"a reminder", false, troublesTick, []string{`err="connection refused" refers=3 announced=0`}},
			{"up", true, troublesTick, []string{`level=INFO msg="agent: registry can be reached again" registry=zk`}},
			{"still up", true, time.Hour, nil},
			{"down once more", false, troublesTick, []string{"registry=zk"}},
		}
		for _, s := range steps {
			r.up.Store(s.up)
			time.Sleep(s.pass) // of the bubble
			synctest.Wait()
			got := lines(&out)
			if len(got) != len(s.want) {
				t.Fatalf("%s: got %q, want %d lines", s.name, got, len(s.want))
			}
			for i, want := range s.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s: got %q, want %q", s.name, got[i], want)
				}
			}
		}
	})
}

// Nodes that calls do not reach are told of once, and again when a connection stands.
func TestTroublesOfNodes(t *testing.T) {
	var out bytes.Buffer
	s := motantest.NewServer(t, motantest.Echo)
	var up atomic.Bool
	var clients []*motan.Client
	for i := range troublesLines + 3 {
		c := motan.NewClient(fmt.Sprintf("10.0.0.%02d:1", i), 1, motan.ConnOptions{Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			if !up.Load() {
				return nil, errors.New("down")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
		}})
		t.Cleanup(c.Close)
		clients = append(clients, c)
	}
	tr := troubles{
		clients: func(f func(*motan.Client)) {
			for _, c := range clients {
				f(c)
			}
		},
		log: slog.New(slog.NewTextHandler(&out, nil)),
	}
	look := func(name string, want ...string) {
		t.Helper()
		tr.lookAtNodes()
		got := lines(&out)
		if len(got) != len(want) {
			t.Fatalf("%s: got %q, want %d lines", name, got, len(want))
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: got %q, want %q", name, got[i], want[i])
			}
		}
	}
	look("nobody has called")
	do(t, clients[0], request("svc", "m"))
	look("one is down", "level=WARN msg=\"agent: node cannot be reached; calls go to other nodes of its services, where there are any\" node=10.0.0.00:1")
	look("still")
	for _, c := range clients[1:] {
		do(t, c, request("svc", "m"))
	}
	want := make([]string, 0, troublesLines+1)
	for i := range troublesLines {
		want = append(want, fmt.Sprintf("node=10.0.0.%02d:1", i+1))
	}
	look("many are named in part", append(want, "further_nodes=2")...)

	up.Store(true)
	motantest.Await(t, "the first to be connected", func() bool { return open(clients[0]) })
	clients = clients[:1] // the others have left the registry
	look("back", `level=INFO msg="agent: node can be reached again" node=10.0.0.00:1`)
	look("all is well")
}
