package tests

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything here waits before it fails the test. It is no measure of speed: a busy
// machine with the race detector on may need many seconds for what takes milliseconds elsewhere.
const patience = 60 * time.Second

// process is a program under test, or a peer of one, that runs until the test ends.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the process, and each that took its place, has ended and out is complete
	heir int           // the process that has taken its place; 0 for none
}

// startProcess runs the program exe in the folder dir. It is killed at the end of the test if it still
// runs then, and what it has written is shown when the test has failed.
func startProcess(t testing.TB, name, dir, exe string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(exe, args...)
	cmd.Dir, cmd.Env = dir, environment()
	return startCommand(t, name, cmd)
}

// startCommand is startProcess for a command with an environment and files of its own.
func startCommand(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = dieWithUs()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { // ends with the process, which the cleanup kills
		_ = p.cmd.Wait() // what it says is in cmd.ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, tail(p.out.String(), 100))
		}
	})
	return p
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

// Signal sends sig; a process that has ended gets none.
func (p *process) Signal(sig os.Signal) {
	p.t.Helper()
	if p.heir != 0 {
		_ = syscall.Kill(p.heir, sig.(syscall.Signal)) // it may have ended
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("send %v to %s: %v", sig, p.name, err)
	}
}

// Wait waits for the process to end by itself and returns its exit code, -1 when a signal ended it.
func (p *process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.Signal(syscall.SIGQUIT) // the goroutines of a Go program tell what it waits for
		p.Kill()
		p.t.Fatalf("%s still runs after %s", p.name, patience)
	}
	if p.heir != 0 {
		return reap(p.t, p.heir)
	}
	return p.cmd.ProcessState.ExitCode()
}

// pid is the process that serves now.
func (p *process) pid() int {
	if p.heir != 0 {
		return p.heir
	}
	return p.cmd.Process.Pid
}

// Kill ends the process as a crash would.
func (p *process) Kill() {
	if p.heir != 0 {
		_ = syscall.Kill(p.heir, syscall.SIGKILL) // as below
	}
	_ = p.cmd.Process.Kill() // fails for a process that has ended
	<-p.done
}

// Running tells whether the process has not ended.
func (p *process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Output is what the process has written so far, to standard output and standard error.
func (p *process) Output() string { return p.out.String() }

// output collects what a process writes, up to outputLimit.
type output struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

const outputLimit = 16 << 20

// Write keeps data as long as there is room, so that a program gone wild does not take the tests along.
func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, data[:min(len(data), outputLimit-len(o.text))]...)
	return len(data), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// tail is the last n lines of text.
func tail(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= n {
		return text
	}
	return "…\n" + strings.Join(lines[len(lines)-n:], "")
}

// await polls until condition holds and fails the test when it does not within patience.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}
