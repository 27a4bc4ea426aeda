package tests

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// stallYAML refers to com.example.Both at addrs. A call waits for five seconds: somebody has to give up, and a busy machine
// may stall for one or two.
func stallYAML(addrs ...string) string {
	yaml := callerYAML("here", `{protocol: direct, address: "`+strings.Join(addrs, ",")+`"}`)
	return strings.Replace(yaml, "requestTimeout: 30000", "requestTimeout: 5000", 1)
}

// onlyTimeouts fails the test for calls that failed in another way than by waiting in vain, until their time was over or
// motand gave the connection up because nothing came back on it.
func onlyTimeouts(t *testing.T, a *tally) {
	t.Helper()
	for _, text := range a.wrong {
		t.Error(text)
	}
	for kind, n := range a.failed {
		if !strings.Contains(kind, "timeout") && !strings.Contains(kind, "channel has been shutdown") {
			t.Errorf("%d calls failed with %q, want only time-outs", n, kind)
		}
	}
}

// TestFaultStalledProvider has one of three providers stall: in the way that it reads calls and never answers them, and in the
// way that its process stops. The calls of the other two must all be answered.
func TestFaultStalledProvider(t *testing.T) {
	t.Run("it answers nothing", func(t *testing.T) {
		var stalled atomic.Bool
		p := newProvider(t, "127.0.0.1", func(local string, request, reply *motan.Frame) time.Duration {
			if stalled.Load() {
				return -1
			}
			return echo(local, request, reply)
		})
		addr := p.listener.Addr().String()
		d := startMotand(t, stallYAML(addr, newProvider(t, "127.0.0.1", echo).listener.Addr().String(), newProvider(t, "127.0.0.1", echo).listener.Addr().String()))
		load := startSteady(t, d.addr("motan"), briefly(scaled(2000), 5000))
		load.goOn(time.Second)
		load.take().clean(t, "before")
		holdsWithin(t, d, 64<<20, func() {
			before := p.calls.Load()
			stalled.Store(true)
			load.goOn(briefly(3*time.Second, 30*time.Second))
			a := load.finish()
			note(t, "meanwhile", a)
			onlyTimeouts(t, a)
			// Calls that it had taken and answered just before stalled was set count as its own too, and what timed out may
			// still be on its way to it.
			if a.good == 0 {
				t.Error("no call was answered")
			}
			await(t, fmt.Sprintf("the %d calls that failed to have gone to the provider that stalls", a.failures()), func() bool {
				return int64(a.failures()) <= p.calls.Load()-before
			})
		})
	})
	t.Run("it does not run", func(t *testing.T) {
		exporters := make([]*daemon, 3)
		addrs := make([]string, 3)
		for i := range exporters {
			exporters[i] = startMotand(t, exportYAML(newProvider(t, "127.0.0.1", echo).port, "here", "{protocol: local}"))
			addrs[i] = exporters[i].addr("export")
		}
		d := startMotand(t, stallYAML(addrs...))
		load := startSteady(t, d.addr("motan"), briefly(scaled(2000), 5000))
		load.goOn(time.Second)
		load.take().clean(t, "before")
		holdsWithin(t, d, 64<<20, func() {
			served := func() float64 {
				return exporters[1].metric("motand_answers_total", "listener", "export") + exporters[2].metric("motand_answers_total", "listener", "export")
			}
			exporters[0].Signal(syscall.SIGSTOP)
			defer exporters[0].Signal(syscall.SIGCONT)
			before := served()
			load.goOn(briefly(3*time.Second, 30*time.Second))
			a := load.take()
			note(t, "meanwhile", a)
			onlyTimeouts(t, a)
			if good := float64(a.good); good == 0 || served() < before+good/2 {
				t.Errorf("%v calls were answered, %v by the providers that run", good, served()-before)
			}
		})
		await(t, "a whole second without a failure", func() bool {
			load.take()
			load.goOn(time.Second)
			a := load.take()
			return a.failures() == 0 && a.good > 0
		})
		load.answers(100)
		load.finish().clean(t, "after")
		await(t, "nothing to be in flight", func() bool { return d.metric("motand_upstream_in_flight") == 0 })
	})
}

// TestFaultSilentCaller has callers send thousands of calls and read no answer, while others go on: those have every call
// answered, and motand holds up the silent ones, and closes them.
func TestFaultSilentCaller(t *testing.T) {
	d := startMotand(t, bothYAML(newProvider(t, "127.0.0.1", echo).port))
	for _, port := range []string{"motan", "export"} {
		t.Run(port, func(t *testing.T) {
			load := startSteady(t, d.addr(port), briefly(scaled(1000), 5000))
			load.goOn(time.Second)
			load.take().clean(t, "before")
			const callers = 3
			const most = 20_000 // three times what is taken
			var sent [callers]int
			// A caller may have 64 MiB of requests in flight, and each call is here twice: it comes in at both ports.
			holdsWithin(t, d, 512<<20, func() {
				before := closed(d, port, "slow")
				var wait sync.WaitGroup
				defer wait.Wait()
				for i := range sent {
					conn, err := net.Dial("tcp", d.addr(port))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					wait.Go(func() { // ends when motand has closed the connection, or with all calls sent
						for sent[i] < most {
							f := rawFrame{meta: echoMeta, id: uint64(sent[i]), body: make([]byte, 4<<10)}
							if _, err := conn.Write(f.bytes()); err != nil {
								return
							}
							sent[i]++
						}
					})
				}
				await(t, "the silent callers to be closed as slow", func() bool { return closed(d, port, "slow") == before+callers })
			})
			load.finish().clean(t, "meanwhile")
			for _, n := range sent {
				if n == most {
					t.Errorf("all %d calls were taken from a caller that reads nothing", n)
				}
			}
			note(t, "calls taken from the silent callers", sent)
		})
	}
}
