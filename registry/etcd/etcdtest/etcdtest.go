// Package etcdtest runs real etcd servers for tests: processes on free ports of the loopback interface, with their data in
// the test's folder. It is for tests only. The failure it prevents: code that works with an imitation of etcd.
package etcdtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	// electionTimeout is short so that leases, of which it bounds the life from below, can be: one lives for 2 s at least.
	electionTimeout = 500 * time.Millisecond
	heartbeat       = 50 * time.Millisecond

	// startTimeout bounds the start of servers on a busy machine.
	startTimeout = time.Minute
)

// Server is one member of an etcd cluster.
type Server struct {
	// Addr is "127.0.0.1:port". It stays the same over restarts.
	Addr string

	tb    testing.TB
	name  string
	peer  string // host:port for the other members
	dir   string
	flags []string
	files *Files        // nil without TLS
	cmd   *exec.Cmd     // nil while stopped
	done  chan struct{} // closed when cmd has ended
	out   *bytes.Buffer // what the last process wrote; read it only after done
}

// Start starts a cluster of one server, which is stopped at the end of the test. The test is skipped where etcd is missing.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return begin(tb, 1, nil)[0]
}

// StartTLS starts a server that speaks TLS only, and only with clients that have a certificate signed by files.CA.
func StartTLS(tb testing.TB) (s *Server, files *Files) {
	tb.Helper()
	files = newFiles(tb)
	return begin(tb, 1, files)[0], files
}

// StartCluster starts a cluster of n servers. It returns when all of them answer.
func StartCluster(tb testing.TB, n int) []*Server {
	tb.Helper()
	return begin(tb, n, nil)
}

func begin(tb testing.TB, n int, files *Files) []*Server {
	tb.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		tb.Skip("skipped: etcd is not installed; this test needs a real etcd (Debian: apt-get install etcd-server)")
	}
	servers := make([]*Server, n)
	cluster := make([]string, n)
	ports := freePorts(tb, 2*n)
	for i := range servers {
		s := &Server{Addr: ports[2*i], peer: ports[2*i+1], name: "m" + strconv.Itoa(i), tb: tb, dir: tb.TempDir(), files: files}
		servers[i] = s
		cluster[i] = s.name + "=http://" + s.peer
	}
	for _, s := range servers {
		s.flags = s.configure(strings.Join(cluster, ","))
		tb.Cleanup(s.Stop)
		s.launch()
	}
	for _, s := range servers {
		s.await()
	}
	return servers
}

// freePorts returns n addresses on which nobody listens.
func freePorts(tb testing.TB, n int) []string {
	tb.Helper()
	ports := make([]string, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatalf("etcdtest: find a port: %v", err)
		}
		defer l.Close() // all at the end, so that they differ
		ports[i] = l.Addr().String()
	}
	return ports
}

func (s *Server) configure(cluster string) []string {
	url := "http://" + s.Addr
	flags := []string{
		"--name=" + s.name, "--data-dir=" + s.data(), "--initial-cluster=" + cluster, "--initial-cluster-state=new",
		"--listen-peer-urls=http://" + s.peer, "--initial-advertise-peer-urls=http://" + s.peer,
		"--heartbeat-interval=" + strconv.Itoa(int(heartbeat.Milliseconds())),
		"--election-timeout=" + strconv.Itoa(int(electionTimeout.Milliseconds())),
		"--logger=zap", "--log-level=warn",
	}
	if s.files != nil {
		url = "https://" + s.Addr
		flags = append(flags, "--client-cert-auth", "--trusted-ca-file="+s.files.CA, "--cert-file="+s.files.Cert, "--key-file="+s.files.Key)
	}
	return append(flags, "--listen-client-urls="+url, "--advertise-client-urls="+url)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Restart stops the server if it runs and starts it on the same port with the data that it had. It returns when the server
// answers, for which most members of its cluster have to run.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	s.launch()
	s.await()
}

// launch starts the process.
func (s *Server) launch() {
	s.tb.Helper()
	s.out = new(bytes.Buffer)
	s.cmd = exec.Command("etcd", s.flags...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = attributes()
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		s.tb.Fatalf("etcdtest: start: %v", err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() { // ends with the process, which Stop kills
		_ = cmd.Wait() // it was killed, or its output says why it ended
		close(done)
	}()
}

// await waits until the server serves clients.
func (s *Server) await() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	done := s.done // a later launch makes another one, which may be before the goroutine runs
	go func() {    // ends with ctx
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := clientv3.New(s.options("", ""))
	if err != nil {
		s.tb.Fatalf("etcdtest: connect: %v", err)
	}
	defer c.Close() //nolint:errcheck // it tells of its context's end
	for {
		if _, err = c.MemberList(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		s.Stop()
		s.tb.Fatalf("etcdtest: the server does not answer: %v: %s", err, s.out)
	}
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
		s.tb.Fatalf("etcdtest: wipe: %v", err)
	}
}

// Pause stops the server's process without ending it: connections stay and nothing answers. Resume lets it go on.
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(startTimeout); !stopped(s.cmd.Process.Pid); {
		if time.Now().After(deadline) {
			s.tb.Fatal("etcdtest: the server does not stop")
		}
	}
}

// Resume ends a Pause.
func (s *Server) Resume() {
	s.tb.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.cmd == nil {
		s.tb.Fatal("etcdtest: the server does not run")
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("etcdtest: %v: %v", sig, err)
	}
}

// Client returns a plain client of the server, for a test to look at the keys and to change them. It is closed at the end of
// the test. User and password may be empty.
func (s *Server) Client(user, password string) *clientv3.Client {
	s.tb.Helper()
	c, err := clientv3.New(s.options(user, password))
	if err != nil {
		s.tb.Fatalf("etcdtest: connect: %v", err)
	}
	s.tb.Cleanup(func() { _ = c.Close() }) // it tells of its context's end
	return c
}

func (s *Server) options(user, password string) clientv3.Config {
	o := clientv3.Config{
		Endpoints: []string{s.Addr}, Username: user, Password: password, DialTimeout: startTimeout, Logger: zap.NewNop(),
	}
	if s.files != nil {
		o.TLS = &tls.Config{RootCAs: s.files.pool, Certificates: []tls.Certificate{s.files.pair}, MinVersion: tls.VersionTLS12}
	}
	return o
}
