package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/motand/motand/agent/handover"
)

// heir is the new process, as the old one sees it.
type heir struct {
	path    string
	channel *handover.Channel
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	state   *os.ProcessState
	shut    sync.Once
}

// newHeir starts the binary with our arguments and environment. The end of ctx ends every wait for it, not the process.
func newHeir(ctx context.Context, binary string) (*heir, error) {
	if binary == "" {
		var err error
		if binary, err = executable(); err != nil {
			return nil, fmt.Errorf("which file this process was started from is not known, name one with motand upgrade --binary: %w", err)
		}
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }() // the new process has a copy
	cmd := exec.Command(path, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(childEnvironment(), handover.Env+"="+strconv.Itoa(3))
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, err
	}
	h := &heir{path: path, channel: ours, process: cmd.Process, ended: make(chan struct{})}
	go func() { // ends with the process
		_ = cmd.Wait() // the state tells
		h.state = cmd.ProcessState
		close(h.ended)
	}()
	context.AfterFunc(ctx, h.hangUp)
	return h, nil
}

func (h *heir) pid() int { return h.process.Pid }

// hangUp ends every wait for a message.
func (h *heir) hangUp() { h.shut.Do(func() { _ = h.channel.Close() }) }

// receive waits for the next message, which has to be of that kind.
func (h *heir) receive(kind handover.Kind, patience time.Duration) (handover.Message, error) {
	m, err := h.channel.Receive(time.Now().Add(patience))
	if m.File != nil {
		_ = m.File.Close() // it has nothing to give
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return m, fmt.Errorf("no answer of the new process (%s) within %v", h.path, patience)
	case err != nil:
		return m, h.explain(err)
	case m.Kind == handover.KindRefused:
		var r handover.Refusal
		if err := m.Read(&r); err != nil {
			return m, err
		}
		return m, fmt.Errorf("the new process cannot take over: %.8192s", r.Reason)
	case m.Kind != kind:
		return m, fmt.Errorf("the new process (%s) says %d, expected was %d", h.path, m.Kind, kind)
	}
	return m, nil
}

// expect is receive for a message that says nothing more.
func (h *heir) expect(kind handover.Kind, patience time.Duration) error {
	_, err := h.receive(kind, patience)
	return err
}

// send sends a message, and with it the descriptor of file unless that is nil.
func (h *heir) send(kind handover.Kind, body any, file syscall.Conn) error {
	return h.explain(h.channel.Send(time.Now().Add(stepTime), kind, body, file))
}

// explain is err, or what has become of the process where that is the cause.
func (h *heir) explain(err error) error {
	for _, gone := range []error{io.EOF, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, gone) {
			return fmt.Errorf("the new process (%s) has ended: %s", h.path, h.end())
		}
	}
	return err
}

// end says how the process has ended.
func (h *heir) end() string {
	select {
	case <-h.ended:
		return h.state.String()
	case <-time.After(time.Second): //nolint:forbidigo // it has just closed its end of the socket
		return "it has closed the socket and still runs"
	}
}

// kill ends the process and waits for that: from then on it reads nothing.
func (h *heir) kill() {
	h.hangUp()
	_ = h.process.Kill() // fails for one that has ended
	<-h.ended
}
