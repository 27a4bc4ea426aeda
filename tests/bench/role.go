package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/motand/motand/tests/bench/echo"
)

// roleName as the first argument makes a provider of this program; the second says which: motan or http. It listens on a
// free port of the loopback and writes its address to standard output, as one line.
const roleName = "provide"

// role tells whether the arguments ask for a provider.
func role(args []string) bool { return len(args) > 0 && args[0] == roleName }

// provide is a provider until the process is ended. It returns the exit code.
func provide(args []string, stdout, stderr io.Writer) int {
	serve := map[string]func(net.Listener) error{"motan": echo.ServeMotan, "http": echo.ServeHTTP}
	if len(args) != 1 || serve[args[0]] == nil {
		printer{stderr}.printf("usage: bench %s motan|http\n", roleName)
		return 2
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		printer{stderr}.printf("bench: %v\n", err)
		return 1
	}
	printer{stdout}.printf("%s\n", l.Addr())
	if err := serve[args[0]](l); err != nil && !errors.Is(err, net.ErrClosed) {
		printer{stderr}.printf("bench: %v\n", err)
		return 1
	}
	return 0
}

// startProvider runs this program again as a provider and returns its address.
func startProvider(ctx context.Context, dir, kind string) (*process, string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("find this program, to run it as a provider: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", fmt.Errorf("pipe to the provider: %w", err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command(exe, roleName, kind)
	cmd.Stdout = w
	p, err := startProcess("provider-"+kind, filepath.Join(dir, "provider-"+kind), cmd)
	_ = w.Close() // the provider has its own
	if err != nil {
		return nil, "", err
	}
	if err := r.SetReadDeadline(time.Now().Add(startTime)); err != nil {
		p.stop()
		return nil, "", fmt.Errorf("wait for the provider: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(r, 256)).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("wait for the address of the provider: %w%s", err, p.tail())
	}
	return p, strings.TrimSpace(line), nil
}
