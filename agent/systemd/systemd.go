// Package systemd is the little that a service says to systemd and gets from it: how it is (sd_notify(3)), that it lives
// (WatchdogSec=), and sockets that were opened for it (sd_listen_fds(3)). Without systemd all of it does nothing.
//
// The failure it prevents: an agent that is called started before it serves, or running when it hangs.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// firstSocket is the descriptor of the first socket that is passed.
const firstSocket = 3

// maxSockets is more than an agent has.
const maxSockets = 1000

// Notify tells systemd the lines, such as READY=1, at once. Without systemd it does nothing.
func Notify(lines ...string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if path[0] != '/' && path[0] != '@' {
		return fmt.Errorf("systemd: NOTIFY_SOCKET=%.100q is no address of a unix socket", path)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // which takes @ for an abstract one
	if err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	defer func() { _ = conn.Close() }() // all is sent
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	return nil
}

// Watchdog is how often systemd has to hear from the process to take it for alive; 0 where it does not ask for that, or
// not of this process.
func Watchdog() (time.Duration, error) {
	text := os.Getenv("WATCHDOG_USEC")
	if pid := os.Getenv("WATCHDOG_PID"); text == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > int64(time.Hour/time.Microsecond)*24 {
		return 0, fmt.Errorf("systemd: WATCHDOG_USEC=%.100q is no time in microseconds", text)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Socket is a listening socket that systemd has opened. The receiver closes its file.
type Socket struct {
	Name string // FileDescriptorName= of its unit
	File *os.File
}

// Sockets returns what systemd has opened for this process; none where it has not. It takes the variables that say so out of
// the environment, so that programs started by this one do not see them.
func Sockets() ([]Socket, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	if err := errors.Join(os.Unsetenv("LISTEN_PID"), os.Unsetenv("LISTEN_FDS"), os.Unsetenv("LISTEN_FDNAMES")); err != nil {
		return nil, fmt.Errorf("systemd: %w", err)
	}
	if count == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("systemd: LISTEN_FDS=%.100q is no number of sockets", count)
	}
	if n == 0 {
		return nil, nil
	}
	list := strings.Split(names, ":")
	if names == "" || len(list) != n {
		return nil, fmt.Errorf("systemd: LISTEN_FDNAMES=%.200q has to name %d sockets; write FileDescriptorName= into each socket unit", names, n)
	}
	sockets := make([]Socket, n)
	for i, name := range list {
		fd := firstSocket + i
		syscall.CloseOnExec(fd)
		sockets[i] = Socket{Name: name, File: os.NewFile(uintptr(fd), name)}
	}
	return sockets, nil
}
