package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// watcher calls do when something with the text on is written.
type watcher struct {
	on string
	do func()
}

func (w *watcher) Write(data []byte) (int, error) {
	if bytes.Contains(data, []byte(w.on)) {
		w.do()
	}
	return len(data), nil
}

func TestProvideRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"ftp"}, {"motan", "http"}} {
		var text bytes.Buffer
		if code := provide(args, io.Discard, &text); code != 2 || !strings.Contains(text.String(), "usage") {
			t.Errorf("provide %v: got %d and %q, want 2 and how it is used", args, code, &text)
		}
	}
}

// TestConfigurations holds that motand takes every configuration that the bench writes without a word.
func TestConfigurations(t *testing.T) {
	w := &site{dir: t.TempDir(), shape: httpUnix, ports: newPorts(), motan: "127.0.0.1:9"}
	crowd := &crowd{dir: w.dir, services: 2500, addr: w.motan}
	tests := []struct {
		name             string
		sections         string
		refers, services int
	}{
		{"one hop", referYAML("127.0.0.1:9"), 1, 0},
		{"export", exportYAML("127.0.0.1:9", 10), 0, 1},
		{"many services", crowd.yaml(), 2500, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := newHost(w, strings.ReplaceAll(tt.name, " ", "-"))
			if err != nil {
				t.Fatal(err)
			}
			if err := h.configure(tt.sections); err != nil {
				t.Fatal(err)
			}
			c, found := conf.Load(conf.Options{Path: h.yaml})
			for _, d := range found {
				t.Errorf("%v", d)
			}
			if c == nil {
				t.Fatal("it is refused")
			}
			if len(c.Refers) != tt.refers || len(c.Services) != tt.services {
				t.Errorf("got %d refers and %d services, want %d and %d", len(c.Refers), len(c.Services), tt.refers, tt.services)
			}
			if c.Agent.Port != h.port || c.Agent.HTTPUnixSock != h.unix {
				t.Errorf("got the port %d and the socket %q, want %d and %q", c.Agent.Port, c.Agent.HTTPUnixSock, h.port, h.unix)
			}
		})
	}
}

// TestLists reads the lists of nodes as motand does, before and after a renewal.
func TestLists(t *testing.T) {
	c := &crowd{dir: t.TempDir(), services: 1500, addr: "127.0.0.1:4242"}
	if c.files() != 2 {
		t.Fatalf("got %d files, want 2", c.files())
	}
	for file := range c.files() {
		if err := c.write(file); err != nil {
			t.Fatal(err)
		}
	}
	nodes := func(file int, service string) []string {
		t.Helper()
		f, err := registry.NewFile(registry.FileOptions{Path: c.path(file), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := make(chan []registry.Node, 1)
		err = f.Watch(ctx, registry.Service{Group: benchGroup, Path: service, Protocol: "motan2"}, func(list []registry.Node) {
			select {
			case got <- list:
			default:
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case list := <-got:
			var addrs []string
			for _, n := range list {
				addrs = append(addrs, n.Addr())
			}
			return addrs
		case <-ctx.Done():
			t.Fatalf("no list for %s: %+v", service, f.State())
			return nil
		}
	}
	if got := nodes(0, benchService); !slices.Equal(got, []string{c.addr}) {
		t.Errorf("the service that is called: got %v, want %s alone", got, c.addr)
	}
	before := nodes(1, serviceName(1499))
	c.turn++
	if err := c.write(1); err != nil {
		t.Fatal(err)
	}
	after := nodes(1, serviceName(1499))
	if len(before) != endpoints || len(after) != endpoints {
		t.Fatalf("got %d nodes and then %d, want %d", len(before), len(after), endpoints)
	}
	for _, addr := range after {
		if !strings.HasPrefix(addr, "127.") {
			t.Errorf("the node %s is not on the loopback", addr)
		}
	}
	same := 0
	for _, addr := range before {
		if slices.Contains(after, addr) {
			same++
		}
	}
	if same != endpoints-1 {
		t.Errorf("%d nodes are the same after a renewal, want %d", same, endpoints-1)
	}
}

// TestStop holds that a process is ended with its children, also one that wants to stay.
func TestStop(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("skipped: no shell")
	}
	tests := []struct{ name, line string }{
		{"willing", "sleep 1000 & echo $! >child; wait"},
		{"unwilling", "trap '' TERM; sleep 1000 & echo $! >child; while :; do wait; done"},
		{"gone before its child", "sleep 1000 & echo $! >child.new; mv child.new child"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p, err := startProcess("test", dir, exec.Command("sh", "-c", tt.line))
			if err != nil {
				t.Fatal(err)
			}
			var child int
			for deadline := time.Now().Add(time.Minute); child == 0; {
				data, err := os.ReadFile(filepath.Join(dir, "child"))
				if err == nil {
					child, _ = strconv.Atoi(strings.TrimSpace(string(data))) // 0 until it is all there
				}
				if time.Now().After(deadline) {
					p.stop()
					t.Fatal("the child did not start")
				}
			}
			p.stop()
			if err := p.running(); err == nil {
				t.Error("the process still runs")
			}
			for deadline := time.Now().Add(time.Minute); alive(child); {
				if time.Now().After(deadline) {
					t.Fatalf("the child %d still runs", child)
				}
			}
		})
	}
}

// alive tells whether a process runs; one that only waits to be asked how it ended does not.
func alive(pid int) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !bytes.Contains(data, []byte(") Z "))
}

func TestPortsDiffer(t *testing.T) {
	all, err := newPorts().several(20)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if got := len(slices.Compact(all)); got != 20 {
		t.Errorf("got %d different ports, want 20", got)
	}
}

func TestEntrants(t *testing.T) {
	b := &bench{o: &options{services: 20}, motand: "motand"}
	for _, name := range []string{motand, motango, haproxy, nginx, "other"} {
		b.add(contender{name: name})
	}
	tests := []struct{ id, want string }{
		{"P1", "motand motan-go HAProxy other"},
		{"P5", "motand motan-go nginx other"},
		{"P8", "motand motan-go HAProxy other"},
		{"P9", "motand motand, services motand, renewing"},
		{"P10", "motand motan-go HAProxy other"},
	}
	for _, s := range scenarios(b.o) {
		for _, tt := range tests {
			if s.id != tt.id {
				continue
			}
			var names []string
			for _, c := range b.entrants(s) {
				names = append(names, c.name)
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("%s: got %s, want %s", s.id, got, tt.want)
			}
		}
	}
}
