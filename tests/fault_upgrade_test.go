package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// upgradeYAML is what an agent needs to be told so that slow machines do not matter.
func upgradeYAML(yaml string) string {
	return strings.Replace(yaml, "accessLog: off", "accessLog: off\n  gracePeriod: 40000", 1)
}

// upgradeLoad is callers of every kind at an agent: streams with several calls at a time on connections that never end, HTTP
// callers that keep their connection, and callers that make a new one each time.
type upgradeLoad struct {
	quiet, busy []*stream
	web         []*webCaller
}

func startUpgradeLoad(t testing.TB, d *daemon, connections int) *upgradeLoad {
	t.Helper()
	l := &upgradeLoad{busy: startStreams(t, "busy", d.addr("motan"), connections), quiet: startStreams(t, "quiet", d.addr("motan"), 2)}
	for i := range connections {
		l.web = append(l.web, startWebCaller(t, "web"+strconv.Itoa(i), "tcp", d.addr("http"), true))
	}
	l.web = append(l.web, startWebCaller(t, "newcomer", "tcp", d.addr("http"), false))
	return l
}

// goOn waits until every caller has had further answers.
func (l *upgradeLoad) goOn(t testing.TB) {
	t.Helper()
	for _, s := range l.busy {
		from := s.good.Load()
		await(t, "further answers for "+s.name, func() bool { return s.good.Load() >= from+4 })
	}
	for _, c := range l.web {
		from := c.good.Load()
		await(t, "further answers for "+c.name, func() bool { return c.good.Load() >= from+2 || c.problem != nil })
	}
}

// end stops all, and fails the test unless each call was answered well, on the connection on which it was made, and has
// reached the provider once.
func (l *upgradeLoad) end(t testing.TB, w *witness) {
	t.Helper()
	stopStreams(l.busy)
	stopStreams(l.quiet)
	for _, c := range l.web {
		c.end(t)
	}
	a := settle(append(l.busy, l.quiet...))
	for _, text := range a.wrong {
		t.Error(text)
	}
	if len(a.unanswered)+len(a.failed) > 0 {
		t.Errorf("%d calls have no answer, failed %v; %d were good", len(a.unanswered), a.failed, a.good)
	}
	twice := 0
	for call, n := range w.sightings() {
		if n > 1 {
			twice++
			t.Logf("%s reached the provider %d times", call, n)
		}
	}
	if twice > 0 {
		t.Errorf("%d calls reached the provider more than once", twice)
	}
	note(t, "calls answered", len(w.sightings()))
}

// resources are what an agent has taken.
type resources struct{ goroutines, files, rss float64 }

func (d *daemon) resources() resources {
	return resources{d.metric("go_goroutines"), d.metric("process_open_fds"), float64(d.rss())}
}

// TestFaultUpgrade has the caller's agent and the provider's agent replaced under load, one after the other, over and over;
// some callers never pause, many keep a connection for a call now and then.
func TestFaultUpgrade(t *testing.T) {
	w := newWitness(t)
	b := startMotand(t, exportYAML(w.port, "here", "{protocol: local}"))
	a := startMotand(t, upgradeYAML(outboundYAML("com.example.Both", b.addr("export"))))
	load := startUpgradeLoad(t, a, briefly(4, 16))
	many := startPatrons(t, a.addr("motan"), briefly(50, 500), 250*time.Millisecond)
	censuses := map[string]*census{"caller's agent": a.census(), "provider's agent": b.census()}
	var first resources
	rounds := briefly(3, 20)
	for i := range rounds {
		a.upgrade()
		b.upgrade()
		load.goOn(t)
		if i == 0 {
			first = a.resources()
		}
	}
	last := a.resources()
	many.end(t)
	load.end(t, w)
	for name, c := range censuses {
		if n := c.end(); n != 2 {
			t.Errorf("%s: %d processes ran at once, want 2", name, n)
		}
	}
	note(t, "upgrades", 2*rounds)
	note(t, "goroutines, open files, MiB resident after the first", []float64{first.goroutines, first.files, first.rss / (1 << 20)})
	note(t, "after the last", []float64{last.goroutines, last.files, last.rss / (1 << 20)})
	if last.files > first.files*1.1+4 || last.goroutines > first.goroutines*1.1+10 {
		t.Errorf("after %d upgrades: got %+v, after the first %+v", rounds, last, first)
	}
	for _, d := range []*daemon{a, b} {
		if pid, err := os.ReadFile(filepath.Join(d.dir, "agent.pid")); err != nil || string(pid) != strconv.Itoa(d.heir) {
			t.Errorf("pid file: got %s, %v, want %d", pid, err, d.heir)
		}
	}
}

// TestFaultUpgradeFails has new processes go wrong in every way, under load: the old one goes on, and no call notices.
func TestFaultUpgradeFails(t *testing.T) {
	w := newWitness(t)
	b := startMotand(t, exportYAML(w.port, "here", "{protocol: local}"))
	a := startMotand(t, upgradeYAML(outboundYAML("com.example.Both", b.addr("export"))))
	load := startUpgradeLoad(t, a, 3)
	counts := []*census{a.census(), b.census()}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	failures := map[string][]string{ // what is started, and part of what is said
		"no such file":        {filepath.Join(dir, "absent"), "no such file"},
		"not executable":      {write("data", "x", 0o600), "permission denied"},
		"a folder":            {dir, ""},
		"no program":          {write("noise", "\x7fELFnoise", 0o700), "exec format error"},
		"ends at once":        {write("ends", "#!/bin/sh\nexit 5\n", 0o700), "has ended: exit status 5"},
		"says something else": {write("talks", "#!/bin/sh\necho 'HTTP/1.1 200 OK and more' >&3\n", 0o700), "what arrives is no message"},
		"another version":     {write("newer", `#!/bin/sh`+"\n"+`printf '\115\164\110\144\000\011\000\001\000\000\000\000\000\000\000\000' >&3`+"\n", 0o700), "another version of the hand-over"},
	}
	for _, step := range fakeSteps {
		failures["crash after "+step] = []string{fakeSuccessor(t, dir, "crash", step), "has ended: exit status 7"}
		if hangs := []string{fakeSuccessor(t, dir, "hang", step), "no answer of the new process"}; step == "hello" || step == "state" || step == "received" || step == "last" || *long {
			failures["hang after "+step] = hangs
		}
	}
	agents, next := []*daemon{a, b}, 0
	for name, x := range failures {
		for range briefly(1, len(agents)) {
			d := agents[next%len(agents)]
			next++
			t.Run(name, func(t *testing.T) {
				d.t = t
				wait := 2 * time.Second
				if strings.HasPrefix(name, "crash") {
					wait = patience
				}
				said := d.tryUpgrade(x[0], wait)
				if !strings.Contains(said, x[1]) {
					t.Errorf("motand upgrade says %q, want %q", said, x[1])
				}
				load.goOn(t)
			})
		}
	}
	a.t, b.t = t, t
	a.configure(strings.Replace(agentYAML, "accessLog: off", "acessLog: off\n  gracePeriod: soon", 1))
	if said := a.refusedUpgrade(); !strings.Contains(said, "cannot take over: ") || !strings.Contains(said, "motan.yaml:") || !strings.Contains(said, "gracePeriod") {
		t.Errorf("with a bad configuration motand upgrade says %q", said)
	}
	load.goOn(t)
	load.end(t, w)
	for _, c := range counts {
		if n := c.end(); n > 2 {
			t.Errorf("%d processes ran at once, want 2 at most", n)
		}
	}
	if n := a.metric("motand_upgrades_failed_total") + b.metric("motand_upgrades_failed_total"); n < float64(len(failures)) {
		t.Errorf("motand_upgrades_failed_total: got %v, want %d at least", n, len(failures))
	}
	if a.heir+b.heir != 0 || !a.reachable() || !b.reachable() {
		t.Error("one of the agents is not the one that was started")
	}
}

// TestFaultUpgradeTwice has a second upgrade asked for while one is under way: it is refused, as is what would change
// something, and calls go on. SIGTERM ends the upgrade.
func TestFaultUpgradeTwice(t *testing.T) {
	w := newWitness(t)
	d := startMotand(t, exportYAML(w.port, "here", "{protocol: local}"))
	hangs := fakeSuccessor(t, t.TempDir(), "hang", "state")
	first := make(chan string, 1)
	go func() { first <- d.tryUpgrade(hangs, patience) }()
	await(t, "the upgrade to begin", func() bool { return strings.Contains(d.Output(), "upgrade begins") })
	if said := d.refusedUpgrade(); !strings.Contains(said, "an upgrade is under way") {
		t.Errorf("a second upgrade: got %q", said)
	}
	d.Signal(syscall.SIGUSR2)
	if status, body := d.get("mgmt", "/200"); status != 503 || !strings.Contains(body, "an upgrade is under way") {
		t.Errorf("/200: got %d %s, want 503", status, body)
	}
	if status, _ := d.get("mgmt", "/readyz"); status != 200 {
		t.Errorf("/readyz: got %d, want 200", status)
	}
	d.Stop()
	if said := <-first; !strings.Contains(said, "wait for it to be ready") {
		t.Errorf("the upgrade that SIGTERM has ended says %q", said)
	}
	await(t, "the end of the new process", func() bool { return runningOn(filepath.Join(d.dir, "motan.yaml")) == 0 })
}

// TestFaultUpgradeAnnounced has an agent replaced whose service is in ZooKeeper: the node is there at each moment, becomes
// the new session's, and outlives the old one. So it is where an upgrade comes to nothing after the new process has taken
// the registry over. What was asked for by hand stays.
func TestFaultUpgradeAnnounced(t *testing.T) {
	server := zktest.Start(t)
	w := newWitness(t)
	yaml := strings.Replace(exportYAML(w.port, "zk", `{protocol: zookeeper, address: "`+server.Addr+`"}`), "    available: auto\n", "", 1)
	d := startMotand(t, yaml, "-localIP", "127.0.0.1")
	if status, _ := d.get("mgmt", "/200"); status != 200 {
		t.Fatalf("/200: got %d", status)
	}
	node := watchNode(t, server.Client(), bothFolder+"/server", d.addr("export"))
	owner := node.owner
	await(t, "the node", func() bool { return owner() != 0 })
	node.look(t)
	first := owner()
	for range briefly(2, 20) {
		before := owner()
		d.upgrade()
		if now := owner(); now == before || now == 0 {
			t.Errorf("the node's owner is %x, and was %x before the upgrade", now, before)
		}
	}
	hangs := fakeSuccessor(t, t.TempDir(), "crash", "serving")
	before := owner()
	if said := d.tryUpgrade(hangs, patience); !strings.Contains(said, "has ended") {
		t.Errorf("an upgrade to a process that crashes: got %q", said)
	}
	await(t, "the node to be looked after again", func() bool { return d.metric("motand_service_available") == 1 })
	if now := owner(); now != before {
		t.Errorf("the node's owner is %x, and was %x before the upgrade that failed", now, before)
	}
	if n := node.gone(); n > 0 {
		t.Errorf("the node was gone %d times", n)
	}
	if status, body := d.get("mgmt", "/"); status != 200 {
		t.Errorf("availability after upgrades: got %d %s, want 200 as asked for", status, body)
	}
	d.Stop()
	if now := owner(); now != 0 || first == 0 {
		t.Errorf("after the end the node belongs to %x", now)
	}
}

// watchedNode is the only node in its folder of a ZooKeeper.
type watchedNode struct {
	conn         *zk.Conn
	folder, path string
	stop         chan struct{}
	looking      sync.WaitGroup
	missed       atomic.Int64
}

func watchNode(t *testing.T, conn *zk.Conn, folder, name string) *watchedNode {
	t.Helper()
	return &watchedNode{conn: conn, folder: folder, path: folder + "/" + name, stop: make(chan struct{})}
}

// owner is the session that it belongs to, 0 where it is not there.
func (n *watchedNode) owner() int64 {
	ok, stat, err := n.conn.Exists(n.path)
	if err != nil || !ok {
		return 0
	}
	return stat.EphemeralOwner
}

// look looks at it over and over, until gone is asked.
func (n *watchedNode) look(t *testing.T) {
	t.Helper()
	n.looking.Go(func() { // ends with stop
		for {
			select {
			case <-n.stop:
				return
			default:
			}
			if children, _, err := n.conn.Children(n.folder); err == nil && len(children) != 1 {
				n.missed.Add(1)
			}
		}
	})
	t.Cleanup(func() { n.gone() })
}

// gone is how often it was not there.
func (n *watchedNode) gone() int64 {
	select {
	case <-n.stop:
	default:
		close(n.stop)
	}
	n.looking.Wait()
	return n.missed.Load()
}

// TestUpgradeUnixSockets has the connections of unix sockets handed over, and what programs and operators have asked for.
func TestUpgradeUnixSockets(t *testing.T) {
	w := newWitness(t)
	yaml := strings.NewReplacer("  port: {{.motan}}\n", "  unixSock: motan.sock\n", "  hport: {{.http}}\n", "  httpProxyUnixSock: http.sock\n").
		Replace(outboundYAML("com.example.Both", "127.0.0.1:"+strconv.Itoa(w.port)))
	yaml = strings.Replace(yaml, "requestTimeout: 30000", `requestTimeout: 30000, filter: "rateLimit"`, 1)
	yaml = strings.Replace(yaml, "motan-refer:", "  embedded: {protocol: local}\nmotan-refer:", 1)
	d := startMotand(t, upgradeYAML(yaml))
	web := startWebCaller(t, "web", "unix", filepath.Join(d.dir, "http.sock"), true)
	newcomer := startWebCaller(t, "newcomer", "unix", filepath.Join(d.dir, "http.sock"), false)
	c := motantest.Dial(t, "unix://"+filepath.Join(d.dir, "motan.sock"))
	call := func() {
		t.Helper()
		if f := c.Call(motantest.Request("com.example.Both", "echo", []byte("x"), "M_g", "demo")); string(f.Body()) != "x" {
			t.Errorf("got %q", f.Body())
		}
	}
	put := func(path, body string) {
		t.Helper()
		if status, text := httpDo(t, http.MethodPut, d.url("mgmt", path), body); status != 200 {
			t.Fatalf("PUT %s: got %d %s", path, status, text)
		}
	}
	put("/api/v1/local/nodes", `{"service":"com.example.Mine","group":"g","address":"127.0.0.1:8100"}`)
	put("/api/v1/filters", `{"filter":"rateLimit","service":"com.example.Both","set":{"rateLimit":"100000"}}`)
	for range 3 {
		call()
		d.upgrade()
		call()
		if _, body := d.get("mgmt", "/api/v1/local/nodes"); !strings.Contains(body, "com.example.Mine") {
			t.Errorf("nodes after an upgrade: %s", body)
		}
		if _, body := d.get("mgmt", "/api/v1/filters"); !strings.Contains(body, `"adjusted":{"rateLimit":"100000"}`) {
			t.Errorf("filters after an upgrade: %s", body)
		}
	}
	web.end(t)
	newcomer.end(t)
	c.Conn.Close()
	d.Stop()
	if left, _ := filepath.Glob(filepath.Join(d.dir, "*.sock")); len(left) > 0 {
		t.Errorf("%q are left after a stop", left)
	}
}
