package tests

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSystemdUnits has systemd check the units.
func TestSystemdUnits(t *testing.T) {
	need(t, "systemd-analyze")
	dir := t.TempDir()
	units, err := filepath.Glob(filepath.Join("..", "scripts", "systemd", "*.*"))
	if err != nil || len(units) != 5 {
		t.Fatalf("got units %q, %v, want 5", units, err)
	}
	arguments := []string{"verify"}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(unit))
		here := strings.ReplaceAll(string(text), "/usr/bin/motand", motandExe(t)) // which has to be there
		if err := os.WriteFile(path, []byte(here), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, path)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", arguments...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", filepath.Join(dir, "motand.service")).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, tail(string(out), 10))
	}
}

// herald is the end of NOTIFY_SOCKET that systemd has.
type herald struct {
	mu   sync.Mutex
	said []string // guarded by mu
}

func newHerald(t *testing.T, path string) *herald {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	h := new(herald)
	var done sync.WaitGroup
	done.Go(func() { // ends with l
		b := make([]byte, 4096)
		for {
			n, err := l.Read(b)
			if err != nil {
				return
			}
			h.mu.Lock()
			h.said = append(h.said, string(b[:n]))
			h.mu.Unlock()
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return h
}

// await waits for a message that matches, after the first from of them, and returns how many there are by then.
func (h *herald) await(t *testing.T, from int, pattern string) int {
	t.Helper()
	want := regexp.MustCompile(pattern)
	found := 0
	await(t, "systemd to be told "+pattern, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		i := slices.IndexFunc(h.said[from:], want.MatchString)
		found = from + i + 1
		return i >= 0
	})
	return found
}

// startUnit runs motand as systemd does: with its variables, and with sockets from descriptor 3 on.
func startUnit(s *setup, yaml string, variables []string, sockets map[string]*os.File) *daemon {
	s.t.Helper()
	line := "exec '" + motandExe(s.t) + "' run -c '" + s.configure(yaml) + "'"
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = s.dir, append(environment(), variables...)
	if len(sockets) > 0 {
		var names []string
		for name, f := range sockets {
			names = append(names, name)
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
		cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
		cmd.Args[2] = "LISTEN_PID=$$ " + line
	}
	d := &daemon{t: s.t, process: startCommand(s.t, "motand", cmd), setup: s}
	s.t.Cleanup(d.inspect)
	return d
}

// TestSystemdNotify has motand tell systemd how it is, through its life and that of its successor.
func TestSystemdNotify(t *testing.T) {
	s := newSetup(t)
	h := newHerald(t, filepath.Join(s.dir, "notify"))
	d := startUnit(s, demoYAML, []string{"NOTIFY_SOCKET=" + filepath.Join(s.dir, "notify"), "WATCHDOG_USEC=" + strconv.Itoa(int(3*time.Second/time.Microsecond))}, nil)
	at := h.await(t, 0, `^READY=1\nSTATUS=serving 1 refers, 1 services \(in use\), \d+ connections`)
	at = h.await(t, at, `^WATCHDOG=1$`)
	at = h.await(t, at, `^STATUS=serving `)
	at = h.await(t, at, `^WATCHDOG=1$`)
	d.Signal(syscall.SIGHUP)
	at = h.await(t, at, `^RELOADING=1\nMONOTONIC_USEC=\d+$`)
	at = h.await(t, at, `^READY=1\n`)
	d.upgrade()
	at = h.await(t, at, `^MAINPID=`+strconv.Itoa(d.heir)+`$`)
	at = h.await(t, at, `^READY=1\n`)
	at = h.await(t, at, `^WATCHDOG=1$`)
	d.Stop()
	h.await(t, at, `^STOPPING=1\n`)
}

// TestFaultKilledUnderActivation kills motand over and over while its sockets are systemd's: nobody's connection is refused,
// and those that come in meanwhile are served by the next one.
func TestFaultKilledUnderActivation(t *testing.T) {
	s := newSetup(t)
	sockets := make(map[string]*os.File)
	for name, port := range map[string]string{"motan": "motan", "http": "http", "management": "mgmt", "export-" + strconv.Itoa(s.port("export")): "export"} {
		l, err := net.Listen("tcp", s.addr(port))
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		t.Cleanup(func() { _ = f.Close() })
		sockets[name] = f
	}
	start := func() *daemon { return startUnit(s, demoYAML, nil, sockets) }
	d := start()
	stop, refused := make(chan struct{}), make(chan error, 1)
	answered := make(chan struct{}, 1)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() { // ends with stop
			for {
				status, _, err := fetch("POST", s.url(), `["world"]`)
				switch {
				case errors.Is(err, syscall.ECONNREFUSED):
					select {
					case refused <- err:
					default:
					}
				case err == nil && status == 200:
					select {
					case answered <- struct{}{}:
					default:
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range briefly(3, 20) {
		for range 20 {
			<-answered
		}
		d.Kill()
		d = start()
	}
	<-answered
	close(stop)
	callers.Wait()
	select {
	case err := <-refused:
		t.Errorf("a connection was refused: %v", err)
	default:
	}
	d.Stop()
	if conn, err := net.Dial("tcp", s.addr("motan")); err != nil {
		t.Errorf("after the end of motand its socket is closed: %v", err)
	} else {
		conn.Close()
	}
}

// url is where the demo service says hello over HTTP.
func (s *setup) url() string {
	return "http://" + s.addr("http") + "/rpc/com.example.DemoService/hello"
}
