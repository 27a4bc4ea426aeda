package tests

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// programs is the folder of what is built for the tests; TestMain makes and removes it.
var programs string

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeEnv); mode != "" {
		os.Exit(runFake(mode))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "motand-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests: folder for the programs:", err)
		return 1
	}
	programs = dir
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's folder for such
	code := m.Run()
	if *long {
		if err := figures.print(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "tests: print the figures:", err)
		}
	}
	// fasthttp's clock and its idle workers, and lumberjack's clean-up, have no end of their own.
	ours := []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"),
	}
	if err := goleak.Find(ours...); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "tests: goroutines are left over:", err)
		return 1
	}
	return code
}

// buildMotand and buildMotango build at the first call and return the path of the program.
var (
	buildMotand = sync.OnceValues(func() (string, error) {
		args := []string{"build"}
		if raced {
			args = append(args, "-race")
		}
		return build("motand", "..", append(args, "./agent/cmd/motand")...)
	})
	buildMotango = sync.OnceValues(func() (string, error) {
		return build("motango", filepath.Join("peers", "motango"), "build", ".")
	})
)

func build(name, dir string, args ...string) (string, error) {
	exe := filepath.Join(programs, name)
	args = append([]string{args[0], "-o", exe}, args[1:]...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, out)
	}
	return exe, nil
}

// startMotango runs motan-go as "motango args..." in a folder of its own. The test is skipped where
// motan-go cannot be built, which needs a registry of Go modules.
func startMotango(t testing.TB, args ...string) *process {
	t.Helper()
	return startProcess(t, "motango "+args[0], t.TempDir(), motango(t), args...)
}

func motango(t testing.TB) string {
	t.Helper()
	exe, err := buildMotango()
	if err != nil {
		t.Skipf("skipped: motan-go cannot be built here, and this test needs it as the peer: %v", err)
	}
	return exe
}

// setup is where an agent runs: its folder and its ports. One setup can serve several agents one after
// the other.
type setup struct {
	t     testing.TB
	dir   string
	ports map[string]int
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	return &setup{t: t, dir: t.TempDir(), ports: make(map[string]int)}
}

var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// fill replaces placeholders: {{.dir}} is the folder, and any other {{.name}} a free port, the same one
// wherever the name stands. By custom the names are motan, http, export and mgmt.
func (s *setup) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := placeholder.FindStringSubmatch(found)[1]
		if name == "dir" {
			return s.dir
		}
		return strconv.Itoa(s.port(name))
	})
}

// port is the port of that name.
func (s *setup) port(name string) int {
	if s.ports[name] == 0 {
		s.ports[name] = freePort(s.t)
	}
	return s.ports[name]
}

// addr is the address of the port of that name on this host.
func (s *setup) addr(name string) string { return "127.0.0.1:" + strconv.Itoa(s.port(name)) }

// configure writes the filled text as the configuration and returns its path.
func (s *setup) configure(yaml string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "motan.yaml")
	if err := os.WriteFile(path, []byte(s.fill(yaml)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// freePort returns a port that nothing listens on. It lies below the range from which systems take the
// ports of outgoing connections, so that none of those takes it before the program under test does.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := portNumbers.next()
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port found")
	return 0
}

// portNumbers gives out each port once; where it begins differs between test processes that run at once.
var portNumbers = &sequence{at: os.Getpid() * 37}

type sequence struct {
	mu sync.Mutex
	at int // guarded by mu
}

func (s *sequence) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at++
	return 11000 + s.at%20000
}

// daemon is a running motand.
type daemon struct {
	t testing.TB
	*process
	*setup
	stopped bool
}

// startMotand runs "motand run" with the configuration, in which placeholders are filled (see setup.fill),
// and the further arguments, and returns when it is ready. The configuration must have mport: {{.mgmt}}.
// At the end of the test it is stopped as Stop does, unless it has ended before.
func startMotand(t testing.TB, yaml string, args ...string) *daemon {
	t.Helper()
	return startMotandIn(newSetup(t), yaml, args...)
}

// startMotandIn is startMotand in a setup that exists.
func startMotandIn(s *setup, yaml string, args ...string) *daemon {
	s.t.Helper()
	d := launchMotand(s, yaml, args...)
	await(s.t, "motand to be ready", func() bool {
		if !d.Running() {
			s.t.Fatalf("motand ended with exit code %d instead of serving", d.Wait())
		}
		status, _, err := fetch(http.MethodGet, d.url("mgmt", "/readyz"), "")
		return err == nil && status == http.StatusOK
	})
	return d
}

// launchMotand is startMotandIn without waiting for readiness.
func launchMotand(s *setup, yaml string, args ...string) *daemon {
	s.t.Helper()
	if !strings.Contains(yaml, "{{.mgmt}}") {
		s.t.Fatal("the configuration must have mport: {{.mgmt}}")
	}
	exe, err := buildMotand()
	if err != nil {
		s.t.Fatal(err)
	}
	args = append([]string{"run", "-c", s.configure(yaml)}, args...)
	d := &daemon{t: s.t, process: startProcess(s.t, "motand", s.dir, exe, args...), setup: s}
	s.t.Cleanup(func() {
		if !d.stopped && d.Running() {
			d.Stop()
		}
		d.inspect()
	})
	return d
}

// Stop sends SIGTERM and fails the test unless motand ends with exit code 0.
func (d *daemon) Stop() {
	d.t.Helper()
	d.stopped = true
	d.Signal(syscall.SIGTERM)
	if code := d.Wait(); code != 0 && !(code == racedExit && d.libraryRaced()) {
		d.t.Errorf("motand ended with exit code %d after SIGTERM, want 0", code)
	}
}

// racedExit is the exit code of a program in which the race detector has found something.
const racedExit = 66

// libraryRaced tells whether the only races are the one that go-zookeeper v1.0.4 has when it connects again: it reads the
// last transaction while its receiver writes it.
func (d *daemon) libraryRaced() bool {
	races := strings.Count(d.Output(), "WARNING: DATA RACE")
	return races > 0 && races == strings.Count(d.Output(), "go-zookeeper/zk.(*Conn).sendSetWatches()")
}

// inspect fails the test where motand has written of a data race or a panic.
func (d *daemon) inspect() {
	d.t.Helper()
	for _, sign := range []string{"DATA RACE", "panic: ", "panic recovered", "fatal error: ", "SIGSEGV"} {
		if strings.Contains(d.Output(), sign) && !(sign == "DATA RACE" && d.libraryRaced()) {
			d.t.Errorf("motand wrote %q", sign)
		}
	}
}

// dial connects to the port of that name until the test ends.
func (d *daemon) dial(port string) *motantest.Client {
	d.t.Helper()
	return motantest.Dial(d.t, d.addr(port))
}

// call makes one call on a connection of its own to the port "motan" and returns the answer.
func (d *daemon) call(request *motan.Frame) *motan.Frame {
	d.t.Helper()
	c := d.dial("motan")
	defer c.Conn.Close()
	return c.Call(request)
}

// url is the URL of a path on the port of that name.
func (d *daemon) url(port, path string) string { return "http://" + d.addr(port) + path }

// get fetches a path of the port of that name.
func (d *daemon) get(port, path string) (status int, body string) {
	d.t.Helper()
	return httpDo(d.t, http.MethodGet, d.url(port, path), "")
}

// httpDo sends body and the headers given as name, value, name, value ….
func httpDo(t testing.TB, method, url, body string, headers ...string) (status int, answer string) {
	t.Helper()
	status, answer, err := fetch(method, url, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return status, answer
}

// fetch makes an HTTP request on a connection of its own. A header Host sets the request's host.
func fetch(method, url, body string, headers ...string) (status int, answer string, err error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}
