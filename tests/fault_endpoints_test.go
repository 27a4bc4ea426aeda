package tests

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// referring is callers' agent with ten providers, or more, of which the refer has the further keys.
func referring(t *testing.T, keys string, providers []*provider) *daemon {
	t.Helper()
	addrs := make([]string, len(providers))
	for i, p := range providers {
		addrs[i] = p.listener.Addr().String()
	}
	yaml := callerYAML("here", `{protocol: direct, address: "`+strings.Join(addrs, ",")+`"}`)
	return startMotand(t, strings.Replace(yaml, "requestTimeout: 30000", keys, 1))
}

// tenProviders are nine that echo and a first one that answers as odd says.
func tenProviders(t *testing.T, odd answerer) []*provider {
	t.Helper()
	all := []*provider{newProvider(t, "127.0.0.1", odd)}
	for range 9 {
		all = append(all, newProvider(t, "127.0.0.1", echo))
	}
	return all
}

// failing makes reply an exception of the framework's.
func failing(request, reply *motan.Frame) {
	reply.ID = request.ID
	reply.SetException(motan.Exception{Code: 500, Type: motan.TypeService, Message: "overloaded"})
}

// shareOf is the share of the calls that the first of the providers gets while the load goes on for d.
func shareOf(load *steady, providers []*provider, d time.Duration) float64 {
	count := func() (first, all int64) {
		for _, p := range providers {
			all += p.calls.Load()
		}
		return providers[0].calls.Load(), all
	}
	first, all := count()
	load.goOn(d)
	firstNow, allNow := count()
	return float64(firstNow-first) / float64(max(allNow-all, 1))
}

// TestFaultSlowEndpoint has one of ten providers answer in two seconds: p2c sends nine tenths of its calls elsewhere, and no
// call fails.
func TestFaultSlowEndpoint(t *testing.T) {
	var slow atomic.Bool
	providers := tenProviders(t, func(local string, request, reply *motan.Frame) time.Duration {
		echo(local, request, reply)
		if slow.Load() {
			return 2 * time.Second
		}
		return 0
	})
	d := referring(t, "requestTimeout: 30000, loadbalance: p2c", providers)
	load := startSteady(t, d.addr("motan"), briefly(scaled(1000), 2000))
	load.goOn(time.Second)
	slow.Store(true)
	load.goOn(briefly(3*time.Second, 5*time.Second)) // the first answers of two seconds have come
	load.take()
	share := shareOf(load, providers, briefly(3*time.Second, 20*time.Second))
	note(t, "share of the slow one of ten, %", 100*share)
	if share > 0.01 {
		t.Errorf("the slow provider gets %.1f %% of the calls, want a tenth of its share at most", 100*share)
	}
	a := load.finish()
	note(t, "meanwhile", a)
	a.clean(t, "one slow provider")
}

// TestFaultFastFailing has one of ten providers refuse every call at once: it must not attract calls by being fast.
func TestFaultFastFailing(t *testing.T) {
	var fails atomic.Bool
	providers := tenProviders(t, func(local string, request, reply *motan.Frame) time.Duration {
		if fails.Load() {
			failing(request, reply)
			return 0
		}
		return echo(local, request, reply)
	})
	d := referring(t, "requestTimeout: 3000, loadbalance: p2c", providers)
	load := startSteady(t, d.addr("motan"), briefly(scaled(1000), 5000))
	load.goOn(time.Second)
	fails.Store(true)
	load.goOn(2 * time.Second)
	share := shareOf(load, providers, briefly(2*time.Second, 20*time.Second))
	note(t, "share of the failing one of ten, %", 100*share)
	if share > 0.03 {
		t.Errorf("the failing provider gets %.1f %% of the calls, want 3 at most", 100*share)
	}
	fails.Store(false)
	await(t, "the provider to get calls again", func() bool { return shareOf(load, providers, time.Second/2) > 0.03 })
	load.take()
	load.answers(100)
	load.finish().clean(t, "after it was well again")
}

// TestFaultRetryStorm has every provider fail half of its calls, where each may have three retries: providers see at most
// about a fifth more calls than there are.
func TestFaultRetryStorm(t *testing.T) {
	var fails atomic.Bool
	var n atomic.Int64
	half := func(local string, request, reply *motan.Frame) time.Duration {
		if fails.Load() && n.Add(1)%2 == 0 {
			failing(request, reply)
			return 0
		}
		return echo(local, request, reply)
	}
	var providers []*provider
	for range 3 {
		providers = append(providers, newProvider(t, "127.0.0.1", half))
	}
	d := referring(t, "requestTimeout: 30000, retries: 3, retryBudgetMin: 1", providers)
	load := startSteady(t, d.addr("motan"), briefly(scaled(1000), 5000))
	load.goOn(time.Second)
	fails.Store(true)
	load.goOn(2 * time.Second) // what the calls before have left in the budget is spent
	served := func() (all int64) {
		for _, p := range providers {
			all += p.calls.Load()
		}
		return all
	}
	load.take()
	before := served()
	load.goOn(briefly(3*time.Second, 30*time.Second))
	a, requests := load.take(), served()-before
	times := float64(requests) / float64(max(a.good+a.failures(), 1))
	note(t, "requests for each call", times)
	if times > 1.25 || times < 1.05 { // calls on their way are counted at one end only
		t.Errorf("providers saw %.2f requests for each call, want 1.2", times)
	}
	if d.metric("motand_cluster_events_total", "event", "budget_used_up") == 0 {
		t.Error("no metric tells that the budget was used up")
	}
	fails.Store(false)
	await(t, "half a second without a failure", func() bool {
		load.take()
		load.goOn(time.Second / 2)
		a := load.take()
		return a.failures() == 0 && a.good > 0
	})
	load.goOn(time.Second / 2)
	load.finish().clean(t, "after they were well again")
}

// TestFaultRollingCrash kills one provider after the other and starts it again, under load: only calls on their way to one
// that is killed may fail, and with a retry hardly any does.
func TestFaultRollingCrash(t *testing.T) {
	servers := make([]*motantest.Server, briefly(5, 20))
	addrs := make([]string, len(servers))
	for i := range servers {
		servers[i] = motantest.NewServer(t, motantest.Echo)
		addrs[i] = servers[i].Addr()
	}
	yaml := callerYAML("here", `{protocol: direct, address: "`+strings.Join(addrs, ",")+`"}`)
	d := startMotand(t, strings.Replace(yaml, "requestTimeout: 30000", "requestTimeout: 30000, retries: 1, loadbalance: p2c", 1))
	load := startSteady(t, d.addr("motan"), briefly(scaled(500), 2000))
	load.goOn(time.Second)
	for range briefly(1, 60) { // of two seconds each at full length, in which each has crashed once
		for _, s := range servers {
			s.Stop()
			load.answers(briefly(50, 100))
			s.Start()
			load.answers(briefly(50, 100))
		}
	}
	await(t, "all nodes to be up", func() bool { load.answers(10); return d.metric("motand_upstream_nodes_down") == 0 })
	a := load.finish()
	note(t, "meanwhile", a)
	retries := d.metric("motand_cluster_events_total", "event", "retry")
	note(t, "retries", retries)
	if all := float64(a.good + a.failures()); retries > 0.2*all+10 {
		t.Errorf("%v retries of %v calls, want a fifth at most", retries, all)
	}
	for _, text := range a.wrong {
		t.Error(text)
	}
	if least := briefly(100, 1000); a.failures()*least > a.good {
		t.Errorf("%d calls failed and %d were answered, want at most one of %d failed", a.failures(), a.good, least)
	}
}

// TestFaultAllDown has no provider at all for a while: calls fail at once, cheaply, and are answered soon after one is back.
func TestFaultAllDown(t *testing.T) {
	s := motantest.NewServer(t, motantest.Echo)
	d := startMotand(t, callerYAML("here", `{protocol: direct, address: "`+s.Addr()+`"}`))
	load := startSteady(t, d.addr("motan"), briefly(scaled(500), 5000))
	load.answers(50)
	phase := func() (a *tally, cost string) {
		load.take()
		before := d.metric("process_cpu_seconds_total")
		load.goOn(briefly(time.Second, 10*time.Second))
		a = load.take()
		return a, fmt.Sprintf("%.1f µs", (d.metric("process_cpu_seconds_total")-before)*1e6/float64(max(a.good+a.failures(), 1)))
	}
	_, cost := phase()
	note(t, "CPU for a call that is answered", cost)
	s.Stop()
	await(t, "the node to be seen as down", func() bool { return d.metric("motand_upstream_nodes_down") == 1 })
	a, cost := phase()
	note(t, "while nobody is there", a)
	note(t, "CPU for a call that is refused", cost)
	if a.failures() == 0 || a.good > 0 {
		t.Errorf("%d calls failed and %d were answered while nobody was there", a.failures(), a.good)
	}
	from := time.Now()
	s.Start()
	load.answers(20)
	since(t, "until calls are answered again", from)
	load.take()
	load.answers(100)
	load.finish().clean(t, "after it was back")
}

// TestFaultCallersMistakes has a caller make calls that every provider refuses, as many as it can: nobody is left out for it,
// and other callers are answered.
func TestFaultCallersMistakes(t *testing.T) {
	wrong := func(local string, request, reply *motan.Frame) time.Duration {
		if string(request.Method()) == "nosuch" {
			reply.SetException(motan.Exception{Code: 500, Type: motan.TypeFramework, Message: "no such method"})
			return 0
		}
		return echo(local, request, reply)
	}
	var providers []*provider
	for range 3 {
		providers = append(providers, newProvider(t, "127.0.0.1", wrong))
	}
	d := referring(t, "requestTimeout: 30000", providers)
	load := startSteady(t, d.addr("motan"), briefly(scaled(500), 2000))
	load.take()
	c := d.dial("motan")
	mistakes := 0
	for until := time.Now().Add(briefly(2*time.Second, 20*time.Second)); time.Now().Before(until); mistakes++ {
		if reply := c.Call(motantest.Request("com.example.Both", "nosuch", nil, "M_g", "demo")); !reply.Failed() {
			t.Fatal("a call of no method was answered")
		}
	}
	note(t, "mistakes", mistakes)
	load.finish().clean(t, "the others' calls")
	if out := d.metric("motand_endpoints_left_out_total"); out != 0 {
		t.Errorf("endpoints were left out %v times for a caller's mistakes", out)
	}
}
