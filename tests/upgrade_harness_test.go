package tests

import (
	"bufio"
	"encoding/json"
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
	"sync/atomic"
	"testing"
	"time"
)

var upgradedTo = regexp.MustCompile(`^upgraded: process (\d+) serves\n$`)

// upgrade has another process take the place of d, and returns when the old one has ended well.
func (d *daemon) upgrade(args ...string) {
	d.t.Helper()
	if err := adoptOrphans(); err != nil {
		d.t.Skipf("skipped: processes that take over cannot be watched here: %v", err)
	}
	out := run(d.t, 0, d.dir, motandExe(d.t), append([]string{"upgrade", "--runtime-dir", "agent_runtime"}, args...)...)
	found := upgradedTo.FindStringSubmatch(out)
	if found == nil {
		d.t.Fatalf("motand upgrade wrote %q", out)
	}
	old := d.heir
	d.heir, _ = strconv.Atoi(found[1])
	if old != 0 {
		if code := reap(d.t, old); code != 0 {
			d.t.Errorf("a process that has handed over ended with exit code %d, want 0", code)
		}
	}
	await(d.t, "the new process's readiness for the next upgrade", func() bool {
		text, err := os.ReadFile(filepath.Join(d.dir, "agent_runtime", "lock"))
		info, e := os.Stat(filepath.Join(d.dir, "agent_runtime", "upgrade.sock"))
		return err == nil && strings.TrimSpace(string(text)) == found[1] && e == nil && info.Mode().Perm() == 0o600 && d.reachable()
	})
}

// reachable tells whether motand upgrade finds a process.
func (d *daemon) reachable() bool {
	conn, err := net.Dial("unix", filepath.Join(d.dir, "agent_runtime", "upgrade.sock"))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// refusedUpgrade has an upgrade come to nothing, and returns what motand upgrade says.
func (d *daemon) refusedUpgrade(args ...string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), motandExe(d.t), append([]string{"upgrade", "--runtime-dir", "agent_runtime"}, args...)...)
	cmd.Dir, cmd.SysProcAttr = d.dir, dieWithUs()
	cmd.Env = append(environment(), "GORACE=atexit_sleep_ms=0")
	out, _ := cmd.CombinedOutput() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		d.t.Errorf("motand upgrade %s: got exit code %d, want 3: %s", strings.Join(args, " "), code, out)
	}
	return string(out)
}

// tryUpgrade asks for an upgrade to a binary that motand upgrade itself would not send, and returns why it came to nothing.
func (d *daemon) tryUpgrade(binary string, wait time.Duration) string {
	conn, err := net.Dial("unix", filepath.Join(d.dir, "agent_runtime", "upgrade.sock"))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * patience)) // what is wrong with it is told below
	var answer struct {
		PID   int
		Error string
	}
	if err := json.NewEncoder(conn).Encode(map[string]any{"binary": binary, "wait": wait}); err != nil {
		return err.Error()
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return err.Error()
	}
	if answer.PID != 0 {
		return fmt.Sprintf("process %d has taken over", answer.PID)
	}
	return answer.Error
}

// census counts the processes that run on the configuration of d, for as long as it is not stopped.
type census struct {
	stop chan struct{}
	done sync.WaitGroup
	most int
}

// census begins to count.
func (d *daemon) census() *census {
	c := &census{stop: make(chan struct{})}
	config := filepath.Join(d.dir, "motan.yaml")
	c.done.Go(func() { // ends with stop
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
				c.most = max(c.most, runningOn(config))
			}
		}
	})
	return c
}

// runningOn is how many agents run on a configuration.
func runningOn(config string) int {
	n := 0
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), "\x00run\x00-c\x00"+config+"\x00") {
			n++
		}
	}
	return n
}

// end stops counting and returns the most that ran at once.
func (c *census) end() int {
	close(c.stop)
	c.done.Wait()
	return c.most
}

// webCaller asks one thing after the other over HTTP, on one connection or on a new one each time.
type webCaller struct {
	name    string
	dial    func() (net.Conn, error)
	keep    bool
	stop    chan struct{}
	done    sync.WaitGroup
	good    atomic.Int64
	problem error // of the first request that went wrong; read after end
}

// startWebCaller asks the service com.example.Both by its HTTP address until end.
func startWebCaller(t testing.TB, name, network, addr string, keep bool) *webCaller {
	t.Helper()
	c := &webCaller{name: name, keep: keep, stop: make(chan struct{}), dial: func() (net.Conn, error) { return net.DialTimeout(network, addr, patience) }}
	c.done.Go(func() { c.problem = c.ask() }) // ends with end
	await(t, "answers for "+name, func() bool { return c.good.Load() >= 3 })
	return c
}

func (c *webCaller) ask() error {
	var conn net.Conn
	var in *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-c.stop:
			return nil
		default:
		}
		if conn == nil {
			var err error
			if conn, err = c.dial(); err != nil {
				return fmt.Errorf("request %d: %w", i, err)
			}
			in = bufio.NewReader(conn)
		}
		if err := c.one(conn, in, i); err != nil {
			return fmt.Errorf("request %d from %s: %w", i, conn.LocalAddr(), err)
		}
		c.good.Add(1)
		if !c.keep {
			conn.Close()
			conn = nil
		}
	}
}

// one makes a request and checks its answer.
func (c *webCaller) one(conn net.Conn, in *bufio.Reader, i int) error {
	body := fmt.Sprintf(`["%s %d %s"]`, c.name, i, strings.Repeat("x", i*37%3000))
	_ = conn.SetDeadline(time.Now().Add(patience)) // a connection that is gone fails below
	text := httpText(http.MethodPost, "/rpc/com.example.Both/echo", body, "Content-Type: application/json",
		"Motan-Meta-call: "+c.name+"/"+strconv.Itoa(i), "MOTAN-tmo: 30000")
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if want := strings.Trim(body, "[]"); response.StatusCode != http.StatusOK || string(answer) != want {
		return fmt.Errorf("got %d %s, want %s", response.StatusCode, cut(string(answer)), cut(want))
	}
	if c.keep && response.Close {
		return fmt.Errorf("the server closes the connection")
	}
	return nil
}

// end stops asking and fails the test where anything went wrong.
func (c *webCaller) end(t testing.TB) {
	t.Helper()
	close(c.stop)
	c.done.Wait()
	if c.problem != nil {
		t.Errorf("%s: %v", c.name, c.problem)
	}
}
