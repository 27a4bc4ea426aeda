package tests

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/agent"
	"github.com/motand/motand/conf"
)

// TestFaultSwaps takes up to 1,000 configurations a second into use under load, in this process, so that its locks can be looked
// at: no call fails, and none waits for a lock of the agent.
func TestFaultSwaps(t *testing.T) {
	addr := newProvider(t, "127.0.0.1", echo).listener.Addr().String()
	s := newSetup(t)
	read := func(more int) *conf.Config {
		t.Helper()
		text := strings.Replace(callerYAML("here", `{protocol: direct, address: "`+addr+`"}`), "accessLog: off",
			"accessLog: off\n  log_dir: {{.dir}}\n  pidfile: {{.dir}}/pid\n  runtime_dir: {{.dir}}/runtime\n  snapshot_dir: {{.dir}}/snapshot\n  log_level: error", 1)
		for i := range more {
			text += fmt.Sprintf("  more%d: {path: com.example.More%d, group: demo, registry: here, requestTimeout: %d}\n", i, i, 1000+more)
		}
		c, found := conf.Load(conf.Options{Path: s.configure(text)})
		if c == nil {
			t.Fatal(found)
		}
		return c
	}
	configs := []*conf.Config{read(0), read(5), read(3)}
	a, err := agent.New(configs[0], agent.Default())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nil) }() // ends with ctx
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await(t, "the agent to have begun", func() bool { return a.Reload(configs[0]) == nil })
	load := startSteady(t, s.addr("motan"), briefly(scaled(1000), 5000))
	load.goOn(briefly(time.Second, 10*time.Second))
	load.take().clean(t, "before")

	runtime.SetBlockProfileRate(int(time.Microsecond))
	defer runtime.SetBlockProfileRate(0)
	goroutines := runtime.NumGoroutine()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	swaps, begun := 0, time.Now()
	for ; time.Since(begun) < briefly(2*time.Second, 30*time.Second); swaps++ {
		<-tick.C
		if err := a.Reload(configs[swaps%len(configs)]); err != nil {
			t.Fatalf("after %d: %v", swaps, err)
		}
	}
	note(t, "swaps a second", fmt.Sprintf("%.0f", float64(swaps)/time.Since(begun).Seconds()))
	load.take().clean(t, "meanwhile")
	var profile bytes.Buffer
	if err := pprof.Lookup("block").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	if waits := lockWaits(t, profile.String()); waits != "" {
		t.Errorf("calls have waited for a lock of the agent:\n%s", waits)
	}
	if err := a.Reload(configs[0]); err != nil {
		t.Fatal(err)
	}
	note(t, "goroutines", fmt.Sprintf("%d before, %d after", goroutines, runtime.NumGoroutine()))
	if now := runtime.NumGoroutine(); now > goroutines+50 {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	load.answers(100)
	load.finish().clean(t, "after")
}

// lockWaits are the entries of a block profile, each longer than a millisecond in all, in which calls have waited for a lock of
// the agent: those that are taken in the packages below agent, by who leads a call.
func lockWaits(t *testing.T, profile string) string {
	t.Helper()
	_, rest, _ := strings.Cut(profile, "cycles/second=")
	rate, entries, _ := strings.Cut(rest, "\n")
	perSecond, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		t.Fatalf("the profile begins with %.100q", profile)
	}
	var waits strings.Builder
	for entry := range strings.SplitSeq(entries, "\n\n") {
		cycles, _ := strconv.ParseFloat(strings.Fields(entry + " 0")[0], 64)
		if cycles/perSecond > 0.001 && strings.Contains(entry, "agent.(*outbound).Handle") && lockOfAgent.MatchString(entry) {
			waits.WriteString(entry + "\n")
		}
	}
	return waits.String()
}

// lockOfAgent is a lock that somebody waits for, with the function below agent that takes it.
var lockOfAgent = regexp.MustCompile(`sync\.\(\*(RW)?Mutex\)\.R?Lock\S*\s+\S+\n#\s+\S+\s+github\.com/motand/motand/agent`)

func TestLockWaits(t *testing.T) {
	entry := func(cycles, lock, by string) string {
		return cycles + " 1 @ 0x1 0x2\n#\t0x1\t" + lock + "+0x105\t/go/src/sync/mutex.go:46\n#\t0x2\t" + by + "+0x12\tx.go:3\n" +
			"#\t0x3\tgithub.com/motand/motand/agent.(*outbound).Handle+0x1\ty.go:4\n"
	}
	const agentCode, motanCode = "github.com/motand/motand/agent/cluster.(*Cluster).Handle", "github.com/motand/motand/motan.(*Client).Handle"
	for _, tt := range []struct {
		name, entry string
		found       bool
	}{
		{"a lock of the agent", entry("20000000", "sync.(*Mutex).Lock", agentCode), true},
		{"one for readers", entry("20000000", "sync.(*RWMutex).RLock", agentCode), true},
		{"not for long", entry("200", "sync.(*Mutex).Lock", agentCode), false},
		{"one of a connection", entry("20000000", "sync.(*Mutex).Lock", motanCode), false},
		{"no lock", entry("20000000", "runtime.chanrecv1", agentCode), false},
	} {
		profile := "--- contention:\ncycles/second=1000000000\n" + entry("5", "sync.(*Mutex).Lock", motanCode) + "\n" + tt.entry + "\n"
		if got := lockWaits(t, profile) != ""; got != tt.found {
			t.Errorf("%s: found %t, want %t", tt.name, got, tt.found)
		}
	}
}
