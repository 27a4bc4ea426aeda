package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/motand/motand/tests/bench/proc"
)

const (
	endpoints    = 10   // of each service
	listServices = 1000 // in one file of the registry; with their nodes they stay below the size that one may have
	crowdHosts   = 10_000

	settleTime = 2 * time.Minute
	settledCPU = 20 * time.Millisecond // of a second
)

// crowded are the contenders of a scenario with many services: motand with the service that is called alone, with all
// of them, and with all of them while the registry renews the lists of nodes.
func (b *bench) crowded(s *scenario) []contender {
	if !b.chosen(motand) {
		return nil
	}
	one := agentOf(motand, motandOf(b.motand))
	start := func(name string, renewing bool) contender {
		return contender{name: name, start: func(ctx context.Context, w *site) (*subject, error) {
			return startCrowd(ctx, w, name, b.motand, s.services, renewing)
		}}
	}
	return []contender{one, start("motand, services", false), start("motand, renewing", true)}
}

// crowd is the registry of many services: a folder with files of lists.
type crowd struct {
	dir      string
	services int
	addr     string // where the bench's service is served
	turn     int    // of renewals
}

// startCrowd runs motand with many services, and renews their lists until it is stopped.
func startCrowd(ctx context.Context, w *site, name, exe string, services int, renewing bool) (*subject, error) {
	h, err := newHost(w, strings.ReplaceAll(name, ", ", "-"))
	if err != nil {
		return nil, err
	}
	c := &crowd{dir: h.dir, services: services, addr: w.motan}
	for file := range c.files() {
		if err := c.write(file); err != nil {
			return nil, err
		}
	}
	if err := h.configure(c.yaml()); err != nil {
		return nil, err
	}
	s := &subject{name: name, sockets: 1, target: h.target(w.shape)}
	if err := s.run(h, func(h *host) *exec.Cmd { return motandOf(exe)(h) }); err != nil {
		return nil, err
	}
	if err = s.ready(ctx, w, nil); err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	if renewing {
		renew, cancel := context.WithCancel(ctx)
		var wait sync.WaitGroup
		wait.Go(func() { c.renew(renew) }) // ends when s is stopped
		s.close = func() {
			cancel()
			wait.Wait()
		}
	}
	return s, nil
}

// settle waits for the work of a start to be done, such as writing what was found to disk: for a second in which the
// processes take next to no CPU. Where there is none within settleTime it is measured as it is.
func (s *subject) settle(ctx context.Context) error {
	ids, err := pids(s.processes)
	if err != nil {
		return err
	}
	before, err := proc.FS{}.CPU(ids...)
	if err != nil {
		return err
	}
	for end := time.Now().Add(settleTime); time.Now().Before(end); {
		if err := rest(ctx, time.Second); err != nil {
			return err
		}
		now, err := proc.FS{}.CPU(ids...)
		if err != nil {
			return err
		}
		if now.Since(before) < settledCPU {
			return nil
		}
		before = now
	}
	return nil
}

// files is how many files there are.
func (c *crowd) files() int { return (c.services + listServices - 1) / listServices }

// yaml refers to all services: file i has those from i times 1000 on.
func (c *crowd) yaml() string {
	var b strings.Builder
	b.WriteString("motan-registry:\n")
	for i := range c.files() {
		fmt.Fprintf(&b, "  file%d: {protocol: file, path: %s}\n", i, c.path(i))
	}
	fmt.Fprintf(&b, "motan-basicRefer:\n  common: {group: %s, %s}\nmotan-refer:\n", benchGroup, referKeys)
	for i := range c.services {
		fmt.Fprintf(&b, "  s%d: {path: %s, registry: file%d, basicRefer: common}\n", i, serviceName(i), i/listServices)
	}
	return b.String()
}

func (c *crowd) path(file int) string {
	return filepath.Join(c.dir, fmt.Sprintf("nodes-%d.yaml", file))
}

// serviceName is the bench's service for 0.
func serviceName(i int) string {
	if i == 0 {
		return benchService
	}
	return fmt.Sprintf("com.example.Service%d", i)
}

// list is the text of a file. The bench's service has one node, the others have addresses of the loopback on which
// nobody listens; one of them is another one in each turn.
func (c *crowd) list(file int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := file * listServices; i < min((file+1)*listServices, c.services); i++ {
		fmt.Fprintf(&b, "- {path: %s, group: %s, nodes: [", serviceName(i), benchGroup)
		if i == 0 {
			fmt.Fprintf(&b, "%q", c.addr)
		} else {
			for n := range endpoints - 1 {
				fmt.Fprintf(&b, "%q, ", crowdAddr(i*endpoints+n))
			}
			fmt.Fprintf(&b, "%q", crowdAddr(i*endpoints+endpoints-1+c.turn*endpoints))
		}
		b.WriteString("]}\n")
	}
	return b.String()
}

// crowdAddr is one of as many addresses as there are hosts.
func crowdAddr(i int) string {
	i %= crowdHosts
	return fmt.Sprintf("127.1.%d.%d:9", i/250, i%250+1)
}

// write replaces a file at once.
func (c *crowd) write(file int) error {
	next := c.path(file) + ".new"
	if err := os.WriteFile(next, []byte(c.list(file)), 0o644); err != nil {
		return fmt.Errorf("list of nodes: %w", err)
	}
	if err := os.Rename(next, c.path(file)); err != nil {
		return fmt.Errorf("list of nodes: %w", err)
	}
	return nil
}

// renew replaces one file a second until ctx ends. A file that cannot be written is tried again in its next turn.
func (c *crowd) renew(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for file := 0; ; file = (file + 1) % c.files() {
		select {
		case <-tick.C:
			c.turn++
			_ = c.write(file)
		case <-ctx.Done():
			return
		}
	}
}
