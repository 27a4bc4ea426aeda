package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/motand/motand/tests/bench/load"
)

// agentOf is a contender that reads the YAML of motan-go; command returns how it is started with it.
func agentOf(name string, command func(h *host) *exec.Cmd) contender {
	return contender{name: name, start: func(ctx context.Context, w *site) (*subject, error) {
		return startAgent(ctx, w, name, command)
	}}
}

// motandOf is motand from the path exe.
func motandOf(exe string) func(h *host) *exec.Cmd {
	return func(h *host) *exec.Cmd { return exec.Command(exe, "run", "-c", h.yaml) }
}

// motangoOf is motan-go's agent from the path exe of tests/peers/motango.
func motangoOf(exe string) func(h *host) *exec.Cmd {
	return func(h *host) *exec.Cmd { return exec.Command(exe, "agent", "-c", h.yaml) }
}

// shellOf is an agent that a line for the shell starts.
func shellOf(line string) func(h *host) *exec.Cmd {
	return func(h *host) *exec.Cmd {
		cmd := exec.Command("sh", "-c", line)
		cmd.Env = append(environment(),
			"MOTAND_BENCH_YAML="+h.yaml,
			"MOTAND_BENCH_PORT="+strconv.Itoa(h.port),
			"MOTAND_BENCH_EPORT="+strconv.Itoa(h.eport),
			"MOTAND_BENCH_HPORT="+strconv.Itoa(h.hport),
			"MOTAND_BENCH_MPORT="+strconv.Itoa(h.mport),
			"MOTAND_BENCH_UNIX="+h.unix)
		return cmd
	}
}

// host is one agent: where it runs and listens.
type host struct {
	dir                       string
	yaml                      string // path of the configuration
	port, eport, hport, mport int
	unix                      string // socket in place of hport; empty for none
}

// newHost makes the folder of an agent and chooses its ports.
func newHost(w *site, name string) (*host, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder of %s: %w", name, err)
	}
	all, err := w.ports.several(4)
	if err != nil {
		return nil, err
	}
	h := &host{dir: dir, yaml: filepath.Join(dir, "agent.yaml"), port: all[0], eport: all[1], hport: all[2], mport: all[3]}
	if w.shape == httpUnix {
		h.unix = filepath.Join(dir, "http.sock")
	}
	return h, nil
}

// configure writes the configuration: the agent's own section, and the sections given.
func (h *host) configure(sections string) error {
	var b strings.Builder
	fmt.Fprintf(&b, `motan-agent:
  application: bench
  host: 127.0.0.1
  port: %d
  eport: %d
  hport: %d
  mport: %d
  httpProxyEnable: true
`, h.port, h.eport, h.hport, h.mport)
	if h.unix != "" {
		fmt.Fprintf(&b, "  httpProxyUnixSock: %s\n", h.unix)
	}
	fmt.Fprintf(&b, `  log_dir: %[1]s
  pidfile: %[1]s/agent.pid
  runtime_dir: %[1]s/runtime
  snapshot_dir: %[1]s/snapshot
%[2]s`, h.dir, sections)
	if err := os.WriteFile(h.yaml, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("configuration of an agent: %w", err)
	}
	return nil
}

// referYAML refers to the bench's service at an address.
func referYAML(addr string) string {
	ip, port, _ := strings.Cut(addr, ":")
	return fmt.Sprintf(`motan-registry:
  direct: {protocol: direct, host: %s, port: %s}
motan-refer:
  bench: {path: %s, group: %s, registry: direct, %s}
`, ip, port, benchService, benchGroup, referKeys)
}

// referKeys are those of every refer. The filters stand in the configuration because motan-go has none of its own accord.
const referKeys = `protocol: motan2, serialization: simple, requestTimeout: 10000, dynamicMeta: false, filter: "accessLog,metrics"`

// exportYAML exports a web program at an address as the bench's service.
func exportYAML(web string, eport int) string {
	return fmt.Sprintf(`motan-registry:
  direct: {protocol: direct, host: 127.0.0.1, port: %[4]d}
motan-service:
  web: {path: %[1]s, group: %[2]s, registry: direct, protocol: motan2, serialization: simple, provider: http, proxyAddress: "%[3]s",
    domain: bench.example.com, enableRewrite: false, HTTP_REQUEST_METHOD: POST, export: "motan2:%[4]d", requestTimeout: 10000,
    filter: "accessLog,metrics"}
`, benchService, benchGroup, web, eport)
}

// startAgent runs one agent, or two where there are two hops, and waits until a call is answered.
func startAgent(ctx context.Context, w *site, name string, command func(h *host) *exec.Cmd) (*subject, error) {
	s := &subject{name: name, sockets: 1}
	addr := w.motan
	if w.shape == twoHops {
		back, err := newHost(w, name+"-back")
		if err == nil {
			err = back.configure(exportYAML(w.http, back.eport))
		}
		if err == nil {
			err = s.run(back, command)
		}
		addr = local(back.eport)
		if err == nil {
			err = s.listening(ctx, addr) // motan-go waits for a minute before it dials again
		}
		if err != nil {
			s.stop()
			return nil, err
		}
	}
	front, err := newHost(w, name)
	if err == nil {
		err = front.configure(referYAML(addr))
	}
	if err == nil {
		err = s.run(front, command)
	}
	if err == nil {
		s.target = front.target(w.shape)
		err = s.ready(ctx, w, agentForms())
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// run starts the agent of a host.
func (s *subject) run(h *host, command func(h *host) *exec.Cmd) error {
	p, err := startProcess(s.name, filepath.Join(h.dir, "work"), command(h))
	if err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	s.management = append(s.management, local(h.mport))
	return nil
}

// target is where callers connect to.
func (h *host) target(shape shape) load.Target {
	switch shape {
	case motanIn:
		return load.Target{Network: "tcp", Address: local(h.port)}
	case httpUnix:
		return load.Target{Network: "unix", Address: h.unix}
	default:
		return load.Target{Network: "tcp", Address: local(h.hport)}
	}
}

// executable is the absolute path of a program that was built.
func executable(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path is given")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(abs); err != nil {
		return "", err
	}
	return abs, nil
}
