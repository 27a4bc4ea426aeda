// Package zktest runs a real ZooKeeper server for tests: one process on a free port of the loopback interface, with its data
// in the test's folder. It is for tests only. The failure it prevents: code that works with an imitation of ZooKeeper.
package zktest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	// Tick is the server's unit of time: sessions last from two to twenty of them.
	Tick = 200 * time.Millisecond

	// startTimeout bounds the start of a server on a busy machine.
	startTimeout = time.Minute
)

// jars are the places of ZooKeeper's main jar; Debian's names what else it needs in its manifest.
var jars = []string{"/usr/share/java/zookeeper.jar"}

// Server is a ZooKeeper server.
type Server struct {
	// Addr is "127.0.0.1:port". It stays the same over restarts.
	Addr string

	tb   testing.TB
	java string
	jar  string
	dir  string
	jvm  []string      // further flags of the Java machine
	cmd  *exec.Cmd     // nil while stopped
	done chan struct{} // closed when cmd has ended
	out  *bytes.Buffer // what the last process wrote; read it only after done
}

// Start starts a server that is stopped at the end of the test. The test is skipped where Java or ZooKeeper is missing; set
// ZOOKEEPER_JAR to use another than Debian's.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := prepare(tb)
	s.Restart()
	return s
}

// prepare is Start without starting the server.
func prepare(tb testing.TB) *Server {
	tb.Helper()
	java, jar := programs(tb)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("zktest: find a port: %v", err)
	}
	s := &Server{Addr: l.Addr().String(), tb: tb, java: java, jar: jar, dir: tb.TempDir()}
	l.Close()
	s.configure()
	tb.Cleanup(s.Stop)
	return s
}

// programs returns what a server needs, or skips the test.
func programs(tb testing.TB) (java, jar string) {
	tb.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		tb.Skip("skipped: java is not installed; this test needs a real ZooKeeper (Debian: apt-get install zookeeper)")
	}
	jar = find(append([]string{os.Getenv("ZOOKEEPER_JAR")}, jars...))
	if jar == "" {
		tb.Skip("skipped: no zookeeper.jar; this test needs a real ZooKeeper (Debian: apt-get install zookeeper, or set ZOOKEEPER_JAR)")
	}
	return java, jar
}

// find returns the first path that is a file.
func find(paths []string) string {
	for _, p := range paths {
		if st, err := os.Stat(p); p != "" && err == nil && st.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// configure writes the server's configuration.
func (s *Server) configure() {
	s.tb.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		s.tb.Fatalf("zktest: configure: %v", err)
	}
	text := fmt.Sprintf("tickTime=%d\ndataDir=%s\nclientPortAddress=%s\nclientPort=%s\n"+
		"maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n",
		Tick.Milliseconds(), s.data(), host, port)
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		s.tb.Fatalf("zktest: configure: %v", err)
	}
}

// add writes further lines into the server's configuration.
func (s *Server) add(format string, values ...any) {
	s.tb.Helper()
	text, err := os.ReadFile(s.config())
	if err == nil {
		err = os.WriteFile(s.config(), fmt.Appendf(text, format, values...), 0o600)
	}
	if err != nil {
		s.tb.Fatalf("zktest: configure: %v", err)
	}
}

// AllowSessions has the server allow sessions of up to d from its next Restart on; without it they have up to twenty Ticks.
func (s *Server) AllowSessions(d time.Duration) {
	s.tb.Helper()
	s.add("maxSessionTimeout=%d\n", d.Milliseconds())
}

func (s *Server) data() string   { return filepath.Join(s.dir, "data") }
func (s *Server) config() string { return filepath.Join(s.dir, "zoo.cfg") }

// Restart stops the server if it runs and starts it on the same port with the data that it had. It returns when the server
// answers.
func (s *Server) Restart() {
	s.tb.Helper()
	s.launch()
	s.awaitAnswer()
}

// launch is Restart without waiting.
func (s *Server) launch() {
	s.tb.Helper()
	s.Stop()
	s.out = new(bytes.Buffer)
	s.cmd = exec.Command(s.java, append(s.jvm, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dzookeeper.admin.enableServer=false", "-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=64",
		"-Djava.io.tmpdir="+s.dir, "-cp", s.jar,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", s.config())...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = attributes()
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		s.tb.Fatalf("zktest: start: %v", err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() { // ends with the process, which Stop kills
		_ = cmd.Wait() // it was killed, or its output says why it ended
		close(done)
	}()
}

// awaitAnswer returns when the server that was launched serves clients.
func (s *Server) awaitAnswer() {
	s.tb.Helper()
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !s.answers() {
		select {
		case <-s.done:
			s.cmd = nil
			s.tb.Fatalf("zktest: the server ended at once: %s", s.out)
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			s.Stop()
			s.tb.Fatalf("zktest: the server does not answer after %v: %s", startTimeout, s.out)
		}
	}
}

// answers reports whether the server serves clients.
func (s *Server) answers() bool { return s.Mode() != "" }

// Mode is what the server says it is: "standalone", "leader" or "follower"; "" while it serves nobody.
func (s *Server) Mode() string {
	_, mode, _ := strings.Cut(s.Ask("srvr"), "Mode: ")
	mode, _, _ = strings.Cut(mode, "\n")
	return mode
}

// Ask sends one of the server's commands of four letters, such as "srvr" or "mntr", and returns the answer: "" where none
// came within two seconds. Answers are cut at 64 KiB.
func (s *Server) Ask(command string) string {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Write([]byte(command)); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, 64<<10)) // what came before an error is what there is
	return string(answer)
}

// Stop kills the server as a crash would; its data stay. It does nothing when the server does not run.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // an error means that it has ended
	<-s.done
	s.cmd = nil
}

// Wipe stops the server and deletes its data. Restart then starts it empty.
func (s *Server) Wipe() {
	s.tb.Helper()
	s.Stop()
	if err := os.RemoveAll(s.data()); err != nil {
		s.tb.Fatalf("zktest: wipe: %v", err)
	}
}

// Pause stops the server's process without ending it: connections stay and nothing answers. Resume lets it go on.
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	deadline := time.Now().Add(startTimeout)
	for !stopped(s.cmd.Process.Pid) { // the signal reaches one thread after the other
		if time.Now().After(deadline) {
			s.tb.Fatal("zktest: the server does not stop")
		}
	}
}

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.cmd == nil {
		s.tb.Fatal("zktest: the server does not run")
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("zktest: %v: %v", sig, err)
	}
}

// Client returns a plain client of the server, for a test to look at the tree and to change it. It is closed at the end of
// the test. Its session lasts for 4 s.
func (s *Server) Client() *zk.Conn {
	s.tb.Helper()
	return connect(s.tb, []string{s.Addr}, 20*Tick)
}

// connect returns a client of servers until the end of the test.
func connect(tb testing.TB, servers []string, session time.Duration) *zk.Conn {
	tb.Helper()
	conn, events, err := zk.Connect(servers, session, zk.WithLogInfo(false), zk.WithLogger(silent{}))
	if err != nil {
		tb.Fatalf("zktest: connect: %v", err)
	}
	tb.Cleanup(func() {
		conn.Close()
		for range events { // until the client's goroutines have ended
		}
	})
	return conn
}

type silent struct{}

func (silent) Printf(string, ...any) {}
