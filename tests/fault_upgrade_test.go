package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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

// TestFaultUpgrade has the caller's agent and the provider's agent replaced under load, one after the other, over and over.
func TestFaultUpgrade(t *testing.T) {
	w := newWitness(t)
	b := startMotand(t, exportYAML(w.port, "here", "{protocol: local}"))
	a := startMotand(t, upgradeYAML(outboundYAML("com.example.Both", b.addr("export"))))
	load := startUpgradeLoad(t, a, briefly(4, 16))
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
