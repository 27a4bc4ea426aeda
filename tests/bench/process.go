package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/motand/motand/tests/bench/proc"
)

const (
	startTime = 30 * time.Second // for a program to answer after its start
	stopTime  = 2 * time.Second  // for it to end after SIGTERM
	tailBytes = 2 << 10          // of its output that an error shows
)

// process is a program that we have started, with a process group of its own.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // path of what it writes
	done chan struct{} // closed when it has ended
}

// startProcess starts cmd in the folder dir, which is made. What it writes goes to a file there.
func startProcess(name, dir string, cmd *exec.Cmd) (*process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder of %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: filepath.Join(dir, "output.log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("output of %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // the process has its own
	cmd.Dir = dir
	cmd.Stderr = out
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // ends with the process, which stop ends
		_ = cmd.Wait() // what it says is in cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// environment is ours without what would change the configuration of an agent.
func environment() []string {
	var kept []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if name == "mport" || name == "RPC_REG_GROUP_SUFFIX" || strings.HasPrefix(name, "MESH_") || strings.HasPrefix(name, "META_") {
			continue
		}
		kept = append(kept, pair)
	}
	return kept
}

// running is nil, or says with what the process has ended.
func (p *process) running() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended (%v)%s", p.name, p.cmd.ProcessState, p.tail())
	default:
		return nil
	}
}

// tail is the end of what the process has written, in the form of an addition to an error.
func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	data = bytes.TrimSpace(data)
	if err != nil || len(data) == 0 {
		return ""
	}
	return "; it wrote: " + string(data[max(0, len(data)-tailBytes):])
}

// stop ends the process and its group, and waits.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	patience := time.NewTimer(stopTime)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
	}
	p.signal(syscall.SIGKILL) // also what has outlived its parent
	<-p.done
}

// signal sends sig to the group. Nobody else can have its number before cmd.Wait and the last member have gone.
func (p *process) signal(sig syscall.Signal) {
	if err := signalGroup(p.cmd.Process.Pid, sig); errors.Is(err, errors.ErrUnsupported) {
		_ = p.cmd.Process.Kill() // fails for a process that has ended
	}
}

// pids are the processes of a group of subjects: each with what descends from it.
func pids(all []*process) ([]int, error) {
	var ids []int
	for _, p := range all {
		if err := p.running(); err != nil {
			return nil, err
		}
		tree, err := proc.FS{}.Tree(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		ids = append(ids, tree...)
	}
	return ids, nil
}
