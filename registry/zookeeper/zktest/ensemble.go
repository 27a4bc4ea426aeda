package zktest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	// EnsembleTick is the unit of time of an ensemble's servers. Sessions last from two of them to 40 s.
	EnsembleTick = 500 * time.Millisecond

	// The ports of an ensemble lie below those that systems give to outgoing connections: a server that is down keeps its own.
	firstPort, ports = 5000, 6000
)

// Ensemble is several ZooKeeper servers on the loopback interface of which a majority serves. Its servers are stopped,
// paused and started like any other; Restart starts several at once, which is needed where none can serve alone.
type Ensemble struct {
	Servers []*Server

	tb testing.TB
}

// StartEnsemble starts n servers that are stopped at the end of the test, and returns when all of them serve. The test is
// skipped where Start would skip it.
func StartEnsemble(tb testing.TB, n int) *Ensemble {
	tb.Helper()
	java, jar := programs(tb)
	e := &Ensemble{tb: tb}
	var peers strings.Builder
	free := freePorts(tb, 3*n)
	for i := range n {
		fmt.Fprintf(&peers, "server.%d=127.0.0.1:%d:%d\n", i+1, free[3*i], free[3*i+1])
	}
	for i := range n {
		s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(free[3*i+2]), tb: tb, java: java, jar: jar, dir: tb.TempDir()}
		e.configure(s, i+1, peers.String())
		tb.Cleanup(s.Stop)
		e.Servers = append(e.Servers, s)
	}
	e.Restart(e.Servers...)
	return e
}

// configure writes the configuration of server number id.
func (e *Ensemble) configure(s *Server, id int, peers string) {
	e.tb.Helper()
	s.configure()
	text, err := os.ReadFile(s.config())
	if err == nil {
		settings := strings.Replace(string(text), fmt.Sprintf("tickTime=%d\n", Tick.Milliseconds()),
			fmt.Sprintf("tickTime=%d\n", EnsembleTick.Milliseconds()), 1)
		settings += "initLimit=60\nsyncLimit=10\nmaxSessionTimeout=40000\n" + peers
		err = os.WriteFile(s.config(), []byte(settings), 0o600)
	}
	if err == nil {
		err = os.MkdirAll(s.data(), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.data(), "myid"), []byte(strconv.Itoa(id)), 0o600)
	}
	if err != nil {
		e.tb.Fatalf("zktest: configure server %d: %v", id, err)
	}
}

// Addr is the addresses of all servers, as clients want them: "127.0.0.1:1,127.0.0.1:2".
func (e *Ensemble) Addr() string { return strings.Join(e.addrs(), ",") }

func (e *Ensemble) addrs() []string {
	var addrs []string
	for _, s := range e.Servers {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

// Restart stops those of servers that run, starts all of them with the data that they had, and returns when they serve.
// Together with those that run already they must be a majority.
func (e *Ensemble) Restart(servers ...*Server) {
	e.tb.Helper()
	for _, s := range servers {
		s.launch()
	}
	for _, s := range servers {
		s.awaitAnswer()
	}
}

// Leader returns the server that leads, and waits for one to be elected.
func (e *Ensemble) Leader() *Server {
	e.tb.Helper()
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, s := range e.Servers {
			if s.Mode() == "leader" {
				return s
			}
		}
		if time.Now().After(deadline) {
			e.tb.Fatalf("zktest: no server leads after %v", startTimeout)
		}
		<-tick.C
	}
}

// Followers returns all servers but the one that leads.
func (e *Ensemble) Followers() []*Server {
	e.tb.Helper()
	leader := e.Leader()
	var others []*Server
	for _, s := range e.Servers {
		if s != leader {
			others = append(others, s)
		}
	}
	return others
}

// Client is Server.Client for all servers, with a session of 20 s.
func (e *Ensemble) Client() *zk.Conn {
	e.tb.Helper()
	return connect(e.tb, e.addrs(), 40*EnsembleTick)
}

// freePorts returns n ports of the ensembles' range that nothing listens on.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var free []int
	for range 100 * n {
		port := firstPort + rand.IntN(ports)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		defer l.Close() // only now: no port is found twice
		if free = append(free, port); len(free) == n {
			return free
		}
	}
	tb.Fatal("zktest: no free ports found")
	return nil
}
