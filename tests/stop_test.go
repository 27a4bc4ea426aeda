package tests

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// What can be known from outside of a call that was under way when an agent was told to stop:
//
//   - A caller that has stopped sending before the signal gets an answer to every call: all it has sent was in the
//     agent's hands.
//   - Of a caller that goes on sending, nobody can say which of its last bytes were read when the agent closed the
//     connection; the protocol has no "go away". But a call that reached the provider was read by the agent, and so
//     must have its answer. Calls that never reached the provider must not be answered as if they had.
//
// That the agent reads a call and then loses it before the provider sees it would show as an unanswered call too, and
// only there: such a loss cannot be told from one that was never read. The callers that have stopped rule it out for
// the same code.

// checkStopped holds what is said above. failedOK allows answers that are exceptions for the busy callers, for calls
// that the provider did not see.
func checkStopped(t *testing.T, w *witness, quiet, busy account, failedOK bool) {
	t.Helper()
	seen := w.sightings()
	for _, text := range append(quiet.wrong, busy.wrong...) {
		t.Error(text)
	}
	if n := len(quiet.unanswered) + len(quiet.failed); n > 0 {
		t.Errorf("callers that had stopped sending: %d of %d calls have no good answer: unanswered %v, failed %v",
			n, n+quiet.good, slices.Sorted(maps.Keys(quiet.unanswered)), quiet.failed)
	}
	lost := 0
	for call := range busy.unanswered {
		if seen[call] > 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d calls reached the provider, and their callers got no answer", lost, len(seen))
	}
	for call, message := range busy.failed {
		switch {
		case !failedOK:
			t.Errorf("%s: got exception %q, want an answer", call, message)
		case seen[call] > 0:
			t.Errorf("%s reached the provider, and its caller got the exception %q", call, message)
		}
	}
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if twice > 0 {
		t.Errorf("%d calls reached the provider twice", twice)
	}
	t.Logf("answered: %d of callers that stopped, %d of callers that went on; of the latter %d failed and %d were not read",
		quiet.good, busy.good, len(busy.failed), len(busy.unanswered)-lost)
}

// TestStopLosesNoCall stops the one or the other of two agents in the middle of a load.
func TestStopLosesNoCall(t *testing.T) {
	tests := []struct {
		name     string
		stopped  func(twoHosts) *daemon
		failedOK bool // the agent that stays has nobody left to send to
	}{
		{"the caller's agent", func(h twoHosts) *daemon { return h.a }, false},
		{"the provider's agent", func(h twoHosts) *daemon { return h.b }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWitness(t)
			hosts := startTwoHosts(t, w.provider)
			quiet := startStreams(t, "quiet", hosts.a.addr("motan"), 12)
			busy := startStreams(t, "busy", hosts.a.addr("motan"), 12)
			stopStreams(quiet)
			if tt.failedOK { // what the agent that stays has not sent yet would fail rightly
				await(t, "the quiet callers' calls to reach the provider", func() bool { return reached(quiet, w) })
			}
			tt.stopped(hosts).Stop()
			stopStreams(busy)
			checkStopped(t, w, settle(quiet), settle(busy), tt.failedOK)
		})
	}
}

// TestStopOneOfTwo takes one of two providers' agents out of a mesh with a real ZooKeeper while callers go on: they
// must notice nothing.
func TestStopOneOfTwo(t *testing.T) {
	zk := zktest.Start(t)
	settings := "{protocol: zookeeper, address: \"" + zk.Addr + "\"}"
	w := newWitness(t)
	yaml := strings.Replace(exportYAML(w.port, "zk", settings), "propagationDelay: 0", "propagationDelay: 1000", 1)
	first := startMotand(t, yaml, "-localIP", "127.0.0.1")
	second := startMotand(t, yaml, "-localIP", "127.0.0.1")
	a := startMotand(t, agentYAML+`
motan-registry:
  zk: `+settings+`
motan-refer:
  both: {path: com.example.Both, group: demo, protocol: motan2, registry: zk, requestTimeout: 30000}
`)
	await(t, "both providers to be found", func() bool { return a.metric("motand_upstream_nodes") == 2 })
	quiet := startStreams(t, "quiet", a.addr("motan"), 4)
	busy := startStreams(t, "busy", a.addr("motan"), 20)
	stopStreams(quiet)
	first.Stop()
	before := second.metric("motand_requests_total", "listener", "export")
	await(t, "calls at the agent that is left", func() bool {
		return second.metric("motand_requests_total", "listener", "export") >= before+100
	})
	stopStreams(busy)
	all := settle(busy)
	if len(all.unanswered) > 0 {
		t.Errorf("%d calls have no answer", len(all.unanswered))
	}
	checkStopped(t, w, settle(quiet), all, false)
	a.Signal(syscall.SIGTERM) // all three at once: nobody needs the other any more
	if code := a.Wait(); code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
}
