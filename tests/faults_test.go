package tests

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// The faults that motand has to live with, and the tests that bring them about. All have names that begin with TestFault.
// "make test" runs them briefly; "make faults" runs them at full length and load, with the tests that are only in it
// (marked +), and prints what was measured.
//
//	row  what happens                              test                          what is checked
//	F1   registry down, motand keeps running       TestFaultRegistryDown         no call fails; motand_registry_up 0, then 1; own node back in the tree
//	F2   an agent stops longer than its session    TestFaultProviderAsleep       its node comes back, owned by the new session; calls go there again
//	                                               TestFaultCallerAsleep         the caller's watch sees what changed meanwhile; no call fails after
//	F2   a new process finds its old node          TestFaultRestartAfterCrash    the node becomes the new session's and outlives the old one
//	F3   registry restarted empty                  TestFaultRegistryWiped        no call fails; nodes are there again in motand's and ZooKeeper's view
//	F4   list shrinks from 10 to 1                 TestFaultShrunkenList         no call fails; those deleted stay in use while they answer, no longer
//	F5   own node deleted by somebody              TestFaultNodeDeleted          it comes back by itself; no call fails
//	F6   a notice is lost                        + TestFaultLostNotice           the change is seen all the same, by the next reading
//	F7   registry slow, or silent on open sockets  TestFaultSlowRegistry         no call fails; a start uses the disk and is ready
//	F8   start without a registry                  TestRegistryDownAtStart       ready by the disk; not ready without, and says so
//	F9   a node comes and goes                     TestFaultFlappingNode         no call fails; the list is read at most some times a second
//	F34  node, parent, path come, go, come         TestFaultPathsComeAndGo       found each time; gone means gone; no requests without an event
//	F35  garbage, large and many nodes             TestFaultGarbageNodes         only these are left out, and told of; memory bounded
//	F36  leader killed, majority lost, rolling     TestFaultEnsemble             no call fails; the tree is the same, to each node's owner and transaction
//	F43  a caller that reads nothing               TestFaultSilentCaller         others are answered; it is held up, then closed; memory bounded
//	F13  one of three providers stalls             TestFaultStalledProvider      every call of the other two is answered; those of the one end by time-out; memory bounded
//	F10  providers crash one after the other, A4.4 TestFaultRollingCrash         99 of 100 calls are answered, with one retry
//	F11  one of ten providers is slow              TestFaultSlowEndpoint         it gets a tenth of its share at most; no call fails
//	F12  one of ten providers fails at once        TestFaultFastFailing          it gets 3 % of the calls at most, and its share when it is well
//	F30  all providers fail half of the calls      TestFaultRetryStorm           they see 1.2 times the calls; all is well when they are
//	F40  all providers down                        TestFaultAllDown              calls fail at once; they are answered soon after one is back
//	F14  clients that send a byte now and then     TestFaultSlowClients          closed by the deadlines, nothing is left of them; no other call fails
//	F44  clients that close or reset in mid-call   TestFaultAbruptClients        nothing is left of them; no other call fails
//	     clients that read nothing of large answers  TestFaultUnreadResponses    memory bounded; others are answered
//	F45  a caller's own mistakes                   TestFaultCallersMistakes      nobody is left out for them; no other call fails
//	     kill -9 of a provider's agent             TestFaultProviderKilled       only calls in flight to it fail; nobody picks it after
//	     SIGTERM of a provider's agent             TestFaultProviderStopped      no call fails
//	F20  SIGTERM of an agent under load            TestStopLosesNoCall           every call that reached the provider is answered
//	F21  kill -9 under socket activation           TestFaultKilledUnderActivation  no connection is refused
//	F22  the binary is replaced under load         TestFaultUpgrade              no call fails, on the same connections; two processes at most
//	     a new binary that fails in any way        TestFaultUpgradeFails         the old process goes on, no call fails
//	     the same with the service in ZooKeeper    TestFaultUpgradeAnnounced     the node is never gone
//	     the same of an agent that copies services TestFaultUpgradeCopies        nor is the copy
//	F31  thousands of callers come back at once    TestFaultReconnect            each is served
//	     1,000 services of 100 nodes             + TestFaultScale                figures; no call fails while all nodes of 100 services are replaced
//	A8.2 two registries, one is lost               TestFaultOneRegistryOfTwo     what the other lists is called without a failure
//	A8.3 a provider in two registries              TestFaultAnnouncedTwice       it comes and goes in both
//	     two registries copied both ways           TestFaultSync                 no call fails while an agent that copies, either registry, a provider end; no node outlives its provider
//	F23, F49 reloads under load, good ones and bad     TestFaultReload               no call fails; each bad one is refused; nothing is left over
//	     a part of the configuration is pushed         TestPushedConfiguration       a good one reaches all, a bad one none; over a restart without registry
//	A6.2 1,000 configurations a second             TestFaultSwaps                no call fails; none waits for a lock of the agent
//	F25  the clock jumps                           TestWallClock                 no time-out, rate or average is of the wall clock
//	F50  the management port is flooded            TestFaultManagementFlood      no call fails; strangers are refused and written down; memory, descriptors bounded
//	F28  logs that nobody reads, a full disk           TestLogs...                   every call is answered; lost lines are counted; it stops as asked
//
// Times are told and not checked: they are the machine's as much as motand's.

// long has the tests run as "make faults" does.
var long = flag.Bool("faults", false, "run the fault tests at full length and load, and print what they measured")

// onlyLong skips a test that takes minutes or gigabytes.
func onlyLong(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("skipped: takes minutes; make faults runs it")
	}
}

// briefly is short, or full under "make faults".
func briefly[T any](short, full T) T {
	if *long {
		return full
	}
	return short
}

// figures are what fault tests have measured, for the table at the end of "make faults".
var figures = &figureTable{}

type figureTable struct {
	mu   sync.Mutex
	rows [][3]string // guarded by mu: test, what, value
}

// note remembers a measured value, and logs it.
func note(t testing.TB, what string, value any) {
	t.Helper()
	t.Logf("%s: %v", what, value)
	figures.mu.Lock()
	defer figures.mu.Unlock()
	figures.rows = append(figures.rows, [3]string{strings.TrimPrefix(t.Name(), "TestFault"), what, fmt.Sprint(value)})
}

// print writes the table, nothing where nothing was measured.
func (f *figureTable) print(w io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	lines, last := []string{"fault\tmeasured\tvalue\n"}, ""
	for _, row := range f.rows {
		name := row[0]
		if name == last {
			name = ""
		}
		last = row[0]
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\n", name, row[1], row[2]))
	}
	if _, err := io.WriteString(table, strings.Join(lines, "")); err != nil {
		return err
	}
	return table.Flush()
}
