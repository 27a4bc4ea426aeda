package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// controlFile is the socket in runtime_dir by which motand upgrade reaches the agent. Who may connect decides which program
// takes the agent's place, so it is for the agent's user and root alone, and not on the management port.
const controlFile = "upgrade.sock"

const (
	maxControl  = 64 << 10        // bytes of a request
	controlTime = 5 * time.Second // for a request to arrive, and for an answer to be read
)

// controlAnswer is what motand upgrade is told.
type controlAnswer struct {
	PID   int    `json:"pid,omitempty"` // of the process that serves now
	Error string `json:"error,omitempty"`
}

// control takes the requests of motand upgrade.
type control struct {
	upgrade  func(context.Context, upgradeRequest) (pid int, err error)
	log      *slog.Logger
	listener *net.UnixListener
	serving  sync.WaitGroup
}

// openControl listens in the folder. What is there already is of a process that has ended: the folder is locked.
func openControl(dir string) (*net.UnixListener, error) {
	path := filepath.Join(dir, controlFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("agent: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("agent: %w", err)
	}
	return l, nil
}

// start serves until close, or until ctx ends, with which an upgrade under way ends too.
func (c *control) start(ctx context.Context, l *net.UnixListener) {
	c.listener = l
	c.serving.Go(func() { // ends with the listener
		for {
			conn, err := l.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				c.log.Warn("agent: motand upgrade cannot reach this process any more, SIGUSR2 can", "err", err)
				return
			}
			c.serving.Go(func() { c.serve(ctx, conn) }) // ends with the answer
		}
	})
}

// serve takes one request and answers it.
func (c *control) serve(ctx context.Context, conn *net.UnixConn) {
	defer func() { _ = conn.Close() }() // who asked has gone
	var a controlAnswer
	r, err := readRequest(conn)
	if err == nil {
		a.PID, err = c.upgrade(ctx, r)
	}
	if err != nil {
		a.Error = err.Error()
	}
	if conn.SetWriteDeadline(time.Now().Add(controlTime)) == nil {
		_ = json.NewEncoder(conn).Encode(a) // as above
	}
}

func readRequest(conn *net.UnixConn) (r upgradeRequest, err error) {
	if err := checkPeer(conn); err != nil {
		return r, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(controlTime)); err != nil {
		return r, fmt.Errorf("agent: %w", err)
	}
	d := json.NewDecoder(io.LimitReader(conn, maxControl))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("agent: the request cannot be read: %w", err)
	}
	if r.Binary != "" && !filepath.IsAbs(r.Binary) {
		return r, fmt.Errorf("agent: binary %.200q: the whole path is needed", r.Binary)
	}
	return r, nil
}

// close ends serving and waits for that. With keep the file stays for the process that takes over.
func (c *control) close(keep bool) {
	if c.listener == nil {
		return
	}
	c.listener.SetUnlinkOnClose(!keep)
	_ = c.listener.Close() // more than once is no matter
	c.serving.Wait()
}
