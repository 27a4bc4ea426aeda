// Package fpmtest runs a real PHP-FPM for tests: on a free port of the loopback interface or on a unix socket, with a
// pool and scripts in the test's folder. It is for tests only. The failure it prevents: a FastCGI client that works with an
// imitation of PHP-FPM.
package fpmtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds the start of PHP-FPM on a busy machine.
const startTimeout = time.Minute

// PingPath is the ping.path of the pool.
const PingPath = "/fpm-ping"

// Options are what a pool is started with. The zero value is a pool of two processes on a unix socket.
type Options struct {
	TCP      bool     // on a port instead of a socket
	Children int      // processes; 0 is 2
	Requests int      // after so many a process ends and another takes its place; 0 is never
	Settings []string // further lines of the pool, such as "php_admin_value[memory_limit] = 256M"
}

// Server is a running PHP-FPM.
type Server struct {
	Network, Address string // "unix" and a path, or "tcp" and host:port
	Root             string // the folder of the scripts

	tb   testing.TB
	conf string
	cmd  *exec.Cmd // nil while stopped
	done chan struct{}
	out  *bytes.Buffer // read it only after done
}

// Start starts a PHP-FPM, which is stopped at the end of the test. The test is skipped where there is none.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	if _, err := program(); err != nil {
		tb.Skipf("skipped: %v; this test needs a real PHP-FPM (Debian: apt-get install php-fpm)", err)
	}
	dir := tb.TempDir()
	s := &Server{Network: "unix", Address: filepath.Join(dir, "fpm.sock"), Root: filepath.Join(dir, "www"), tb: tb, conf: filepath.Join(dir, "fpm.conf")}
	if o.TCP {
		s.Network, s.Address = "tcp", freePort(tb)
	}
	if err := os.Mkdir(s.Root, 0o755); err != nil {
		tb.Fatal(err)
	}
	children := o.Children
	if children == 0 {
		children = 2
	}
	lines := []string{
		"[global]", "daemonize = no", "error_log = /dev/stderr", "log_level = warning", "[test]", "listen = " + s.Address, "pm = static",
		fmt.Sprintf("pm.max_children = %d", children), fmt.Sprintf("pm.max_requests = %d", o.Requests), "ping.path = " + PingPath,
		"catch_workers_output = no", "php_admin_value[post_max_size] = 64M", "php_admin_value[upload_max_filesize] = 64M",
	}
	if os.Getuid() == 0 {
		lines = append(lines, "user = root", "group = root")
	}
	if err := os.WriteFile(s.conf, []byte(strings.Join(append(lines, o.Settings...), "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	s.Restart()
	return s
}

// program is the path of the newest PHP-FPM.
func program() (string, error) {
	if path, err := exec.LookPath("php-fpm"); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/sbin/php-fpm*")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("php-fpm is not installed")
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("fpmtest: find a port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Script writes a script into Root and returns its path. The text begins behind "<?php".
func (s *Server) Script(name, text string) string {
	s.tb.Helper()
	path := filepath.Join(s.Root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("<?php\n"+text), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	return path
}

// Restart stops PHP-FPM if it runs and starts it again. It returns when it listens.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	exe, err := program()
	if err != nil {
		s.tb.Fatal(err)
	}
	s.out, s.done = new(bytes.Buffer), make(chan struct{})
	s.cmd = exec.Command(exe, "-n", "-F", "-R", "-y", s.conf)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = s.out, s.out, attributes()
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		s.tb.Fatalf("fpmtest: start: %v", err)
	}
	cmd, done := s.cmd, s.done
	go func() { // ends with the process, which Stop ends
		_ = cmd.Wait() // it was told to end, or its output says why it has
		close(done)
	}()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(startTimeout); !s.listens(); {
		select {
		case <-s.done:
			s.cmd = nil
			s.tb.Fatalf("fpmtest: PHP-FPM has ended: %s", s.out)
		case <-poll.C:
		}
		if time.Now().After(deadline) {
			s.tb.Fatal("fpmtest: PHP-FPM does not listen")
		}
	}
}

func (s *Server) listens() bool {
	conn, err := net.Dial(s.Network, s.Address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// Stop ends PHP-FPM and its processes at once. It does nothing when it does not run.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	<-s.done
	s.cmd = nil
}
