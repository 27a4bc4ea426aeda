package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/motand/motand/tests/bench/load"
)

// shape is who calls what through a contender.
type shape int

const (
	motanIn  shape = iota // Motan -> contender -> Motan provider
	httpIn                // HTTP -> contender -> provider: Motan behind an agent, HTTP behind nginx
	httpUnix              // the same, callers come in by a unix socket
	twoHops               // HTTP -> contender -> contender -> HTTP provider
)

// What is called.
const (
	benchGroup   = "bench"
	benchService = "com.example.BenchService"
	benchMethod  = "echo"
	textBytes    = 123 // with the 5 bytes before it in Motan's serialization these are 128
)

// site is where a scenario takes place: a folder, providers, and the ports that are free.
type site struct {
	shape     shape
	dir       string
	motan     string // address of the Motan provider
	http      string // address of the HTTP provider
	body      int    // bytes of the bodies of Motan calls
	providers []*process
	ports     *ports
}

// newSite makes a folder and starts the providers.
func newSite(ctx context.Context, parent string, ports *ports, s *scenario) (*site, error) {
	dir, err := os.MkdirTemp(parent, s.id+"-")
	if err != nil {
		return nil, fmt.Errorf("folder of %s: %w", s.id, err)
	}
	w := &site{shape: s.shape, dir: dir, body: s.body, ports: ports}
	for _, x := range []struct {
		kind string
		addr *string
	}{{"motan", &w.motan}, {"http", &w.http}} {
		p, addr, err := startProvider(ctx, dir, x.kind)
		if err != nil {
			w.close()
			return nil, err
		}
		*x.addr = addr
		w.providers = append(w.providers, p)
	}
	return w, nil
}

// close ends the providers and removes the folder.
func (w *site) close() {
	for _, p := range w.providers {
		p.stop()
	}
	_ = os.RemoveAll(w.dir) // what stays lies in the system's folder for temporary files
}

// request is a Motan call.
func (w *site) request() load.Request {
	return load.NewRequest(benchGroup, benchService, benchMethod, w.body)
}

// ports gives out free ports below the range from which systems take the ports of outgoing connections, so that none of
// those takes one before the program for which it is meant.
type ports struct{ at int }

func newPorts() *ports { return &ports{at: os.Getpid() * 41} }

// next is a port on which nobody listens.
func (p *ports) next() (int, error) {
	for range 1000 {
		p.at++
		port := 11000 + p.at%20000
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		l.Close()
		return port, nil
	}
	return 0, fmt.Errorf("1000 ports in turn are in use")
}

// several are n ports, each another one.
func (p *ports) several(n int) ([]int, error) {
	all := make([]int, n)
	for i := range all {
		port, err := p.next()
		if err != nil {
			return nil, err
		}
		all[i] = port
	}
	return all, nil
}

func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
