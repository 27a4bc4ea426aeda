package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// governed is a service in the groups demo and next, behind one motand, and callers of group demo behind another; what
// happens is governed from outside. Providers answer with the name of their group.
type governed struct {
	a, b     *daemon
	z        *zk.Conn
	logs     string
	calls    map[string]*atomic.Int64 // that providers have seen, by group
	mirrored atomic.Int64             // of these, copies in group next
}

const governedService = "com.example.Governed"

func startGoverned(t *testing.T) *governed {
	t.Helper()
	server := zktest.Start(t)
	g := &governed{calls: make(map[string]*atomic.Int64), z: server.Client()}
	exports := agentYAML + "motan-registry:\n  zk: {protocol: zookeeper, address: \"" + server.Addr + "\"}\nmotan-service:\n"
	for _, group := range []string{"demo", "next"} {
		body, err := simple.Append(nil, group)
		if err != nil {
			t.Fatal(err)
		}
		count := new(atomic.Int64)
		g.calls[group] = count
		p := motantest.NewServer(t, func(request *motan.Frame) *motan.Frame {
			count.Add(1)
			if request.Get("mirror") != nil && group == "next" {
				g.mirrored.Add(1)
			}
			return motantest.Reply(body)(request)
		})
		exports += "  " + group + ": {path: " + governedService + ", group: " + group + ", registry: zk, provider: motan2, proxy: \"motan2:" +
			portOf(p.Addr()) + "\", export: \"motan2:{{.export}}\", available: auto}\n"
	}
	s := newSetup(t)
	g.logs = filepath.Join(s.dir, "logs")
	g.b = startMotand(t, exports)
	refers := strings.Replace(agentYAML, "accessLog: off", "log_dir: "+g.logs, 1) + `
motan-registry:
  zk: {protocol: zookeeper, address: "` + server.Addr + `"}
motan-refer:
  r:
    path: ` + governedService + `
    group: demo
    registry: zk
    requestTimeout: 20000
    filter: "switcher,rateLimit,mirror,faultInjection"
    rateLimitReject: true
`
	g.a = startMotandIn(s, refers)
	await(t, "the provider to be found", func() bool { return g.said("hello") == "demo" })
	return g
}

// said is who answers a call, or the message of why nobody does.
func (g *governed) said(method string, pairs ...string) string {
	reply := g.a.call(motantest.Request(governedService, method, nil, pairs...))
	if x, failed := reply.Exception(); failed {
		return x.Message
	}
	v, _, err := simple.Decode(reply.Body())
	if err != nil {
		g.a.t.Fatal(err)
	}
	return v.(string)
}

// command writes commands for all callers of group demo.
func (g *governed) command(t *testing.T, commands string) {
	t.Helper()
	g.write(t, `{"clientCommandList":[`+commands+`]}`)
}

// write writes the text of the command node of group demo.
func (g *governed) write(t *testing.T, content string) {
	t.Helper()
	const path = "/motan/demo/command"
	text := []byte(content)
	_, err := g.z.Set(path, text, -1)
	if err == zk.ErrNoNode { //nolint:errorlint // the client returns it as it is
		_, err = g.z.Create(path, text, 0, zk.WorldACL(zk.PermAll))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// logged waits until a line of the access log has all the words.
func (g *governed) logged(t *testing.T, words ...string) {
	t.Helper()
	await(t, fmt.Sprintf("a line with %q in the access log", words), func() bool {
		text, err := os.ReadFile(filepath.Join(g.logs, "motand-access.log"))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(text)) {
			has := true
			for _, w := range words {
				has = has && strings.Contains(line, w)
			}
			if has {
				return true
			}
		}
		return false
	})
}

// put sends a body to the management port of the callers' agent.
func (g *governed) put(t *testing.T, method, path, body string) {
	t.Helper()
	if status, text := httpDo(t, method, g.a.url("mgmt", path), body); status != 200 {
		t.Fatalf("%s %s: got %d %s", method, path, status, text)
	}
}

// share makes n calls and counts those that group next has answered.
func (g *governed) share(t *testing.T, n int, method string, pairs ...string) (next int) {
	t.Helper()
	client := g.a.dial("motan")
	defer client.Conn.Close()
	for range n {
		reply := client.Call(motantest.Request(governedService, method, nil, pairs...))
		if x, failed := reply.Exception(); failed {
			t.Fatalf("got %+v", x)
		}
		if strings.Contains(string(reply.Body()), "next") {
			next++
		}
	}
	return next
}

// TestGovernance holds that what operators do to calls from outside, by a switch, in ZooKeeper, over the management port, is
// seen in answers, in the access log and in the metrics, while two motands and real providers do the work.
func TestGovernance(t *testing.T) {
	g := startGoverned(t)
	t.Run("a switch is flipped", func(t *testing.T) {
		g.a.get("mgmt", "/switcher/set?name=r_switcher&value=false")
		if got := g.said("switched"); !strings.Contains(got, "is switched off by r_switcher") {
			t.Errorf("got %s, want it refused", got)
		}
		g.logged(t, "|switched|", "|false|503|")
		if n := g.a.metric("motand_filter_calls_total", "filter", "switcher", "result", "refused"); n != 1 {
			t.Errorf("got %g refused calls in the metrics, want 1", n)
		}
		g.a.get("mgmt", "/switcher/set?name=r_switcher&value=true")
		if got := g.said("switched"); got != "demo" {
			t.Errorf("switched on again: got %s", got)
		}
	})
	t.Run("a service is degraded by a command", func(t *testing.T) {
		g.command(t, `{"index":1,"commandType":1,"pattern":"com.example.*"}`)
		await(t, "the command to count", func() bool { return strings.Contains(g.said("degraded"), "maybe caused by degrade") })
		g.logged(t, "|degraded|", "|false|500|")
		if _, text := g.a.get("mgmt", "/getReferService"); !strings.Contains(text, `"status":false`) {
			t.Errorf("/getReferService: got %s, want it degraded", text)
		}
		g.command(t, "")
		await(t, "the end of the command", func() bool { return g.said("degraded") == "demo" })
	})
	t.Run("30 % of a group's traffic is moved", func(t *testing.T) {
		g.command(t, `{"index":1,"commandType":0,"pattern":"`+governedService+`","mergeGroups":["demo:7","next:3"]}`)
		await(t, "the command to count", func() bool { return g.share(t, 10, "moved") > 0 })
		before := g.calls["next"].Load()
		if got := g.share(t, 1000, "moved"); got < 290 || got > 310 || g.calls["next"].Load()-before != int64(got) {
			t.Errorf("got %d of 1000 calls answered by the other group, which has seen %d; want 300", got, g.calls["next"].Load()-before)
		}
		g.logged(t, "|moved|", "|true|200|")
		if n := g.b.metric("motand_calls_total", "method", "moved", "group", "next", "outcome", "ok"); n < 290 {
			t.Errorf("the metrics of the providers' agent: got %g calls of the other group, want some 300", n)
		}
	})
	t.Run("all of it, and back", func(t *testing.T) {
		began := time.Now()
		g.command(t, `{"index":1,"commandType":0,"pattern":"*","mergeGroups":["next"]}`)
		await(t, "all calls to be answered by the other group", func() bool { return g.share(t, 20, "all") == 20 })
		there := time.Since(began)
		began = time.Now()
		g.command(t, "")
		await(t, "all calls to be answered by their own group", func() bool { return g.share(t, 20, "all") == 0 })
		t.Logf("all calls moved within %s, back within %s", there.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	})
	t.Run("a command's rules send some callers to another group", func(t *testing.T) {
		g.write(t, `{"trafficRules":[{"pattern":"com.example.*","rules":[{"name":"testers","metadata":{"x-canary":"1"},"group":"next"}]}]}`)
		await(t, "the rule to count", func() bool { return g.said("ruled", "x-canary", "1") == "next" })
		if got := g.said("ruled"); got != "demo" {
			t.Errorf("a call that no rule fits: got %s, want demo", got)
		}
		g.write(t, `{"trafficRules":[{"pattern":"*","rules":[{"grup":"next"}]}]}`)
		await(t, "the mistake to be told of", func() bool { return g.a.metric("motand_commands_ignored_total") == 1 })
		if got := g.said("ruled", "x-canary", "1"); got != "next" {
			t.Errorf("after a mistake: got %s, want the last good rules to count", got)
		}
		g.write(t, "{}")
		await(t, "the end of the rules", func() bool { return g.said("ruled", "x-canary", "1") == "demo" })
	})
	t.Run("a fault is injected", func(t *testing.T) { testInjectedFault(t, g) })
	t.Run("calls are mirrored", func(t *testing.T) {
		g.put(t, "PUT", "/api/v1/filters", `{"filter":"mirror","service":"`+governedService+`","set":{"mirror.to":"@next"}}`)
		if got := g.share(t, 50, "mirrored"); got != 0 {
			t.Errorf("got %d answers of the other group, want none", got)
		}
		// The first copies may come before the other group's nodes are known.
		await(t, "copies", func() bool { g.share(t, 1, "mirrored"); return g.mirrored.Load() > 0 })
		await(t, "their ends", func() bool { return g.a.metric("motand_filter_state", "filter", "mirror", "state", "in_flight") == 0 })
		if n := g.a.metric("motand_filter_calls_total", "filter", "mirror", "result", "same"); n == 0 {
			t.Error("metrics: no copy was answered alike")
		}
		g.put(t, "PUT", "/api/v1/filters", `{"filter":"mirror","service":"`+governedService+`","set":{}}`)
	})
	t.Run("rules lead reads and a canary elsewhere", func(t *testing.T) { testRules(t, g) })
	t.Run("one caller floods the service", func(t *testing.T) { testPoisonCaller(t, g) })
}

// testInjectedFault spoils a tenth of one caller's calls until a time; others are not touched.
func testInjectedFault(t *testing.T, g *governed) {
	t.Helper()
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	fault := func(until string) {
		g.put(t, "PUT", "/api/v1/filters", `{"filter":"faultInjection","service":"`+governedService+
			`","set":{"fault.until":"`+until+`","fault.callers":"victim","fault.error":"503 injected","fault.errorPercent":"10"}}`)
	}
	spoilt := func(caller string) (n int) {
		for range 500 {
			if g.said("faulty", "M_s", caller) == "injected" {
				n++
			}
		}
		return n
	}
	fault(until)
	if n := spoilt("victim"); n < 20 || n > 100 {
		t.Errorf("got %d of 500 calls spoilt, want some 50", n)
	}
	if n := spoilt("other"); n != 0 {
		t.Errorf("got %d calls of another caller spoilt, want none", n)
	}
	g.logged(t, "|faulty|", "|false|503|")
	if _, text := g.a.get("mgmt", "/api/v1/filters"); !strings.Contains(text, `"fault.until":"`+until+`"`) {
		t.Errorf("/api/v1/filters: got %s, want the fault", text)
	}
	if n := g.a.metric("motand_filter_calls_total", "filter", "faultInjection", "result", "failed"); n < 20 {
		t.Errorf("metrics: got %g spoilt calls", n)
	}
	fault(time.Now().Add(-time.Second).UTC().Format(time.RFC3339))
	if n := spoilt("victim"); n != 0 {
		t.Errorf("after its time: got %d calls spoilt, want none", n)
	}
}

// testRules leads reads to one group and writes to the other, then a canary.
func testRules(t *testing.T, g *governed) {
	t.Helper()
	g.put(t, "PUT", "/api/v1/traffic", `{"refer":"r","rules":[{"name":"reads","method":"get*,is*","group":"next"}]}`)
	await(t, "reads to go to the other group", func() bool { return g.share(t, 1, "getAll") == 1 })
	before, own := g.calls["next"].Load(), g.calls["demo"].Load()
	reads, writes := g.share(t, 100, "isOpen"), g.share(t, 100, "put")
	if reads != 100 || writes != 0 || g.calls["next"].Load()-before != 100 || g.calls["demo"].Load()-own != 100 {
		t.Errorf("got %d reads and %d writes at the other group, want 100 and 0", reads, writes)
	}
	g.put(t, "PUT", "/api/v1/traffic", `{"refer":"r","rules":[{"name":"header","metadata":{"x-canary":"1"},"group":"next"},{"name":"share","percent":5,"group":"next"}]}`)
	if n := g.share(t, 200, "hello", "x-canary", "1"); n != 200 {
		t.Errorf("got %d of 200 calls with the header at the canary, want all", n)
	}
	if n := g.share(t, 4000, "hello"); n < 130 || n > 270 {
		t.Errorf("got %d of 4000 calls at the canary, want some 200", n)
	}
	if n := g.a.metric("motand_traffic_calls_total", "rule", "header", "result", "ok"); n != 200 {
		t.Errorf("metrics: got %g calls with the header, want 200", n)
	}
	g.put(t, "PUT", "/api/v1/traffic", `{"refer":"r"}`)
}

// testPoisonCaller has one caller make ten times the calls that each may make: only its own are refused, and the metrics count as
// the callers do.
func testPoisonCaller(t *testing.T, g *governed) {
	t.Helper()
	g.put(t, "PUT", "/api/v1/filters", `{"filter":"rateLimit","service":"`+governedService+`","set":{"rateLimitCaller":"1","rateLimitCallerCapacity":"100"}}`)
	client := g.a.dial("motan")
	defer client.Conn.Close()
	refused := make(map[string]int)
	for i := range 1100 {
		caller := "poison"
		if i%11 == 0 {
			caller = fmt.Sprintf("good%d", i%2)
		}
		reply := client.Call(motantest.Request(governedService, "flooded", nil, "M_s", caller))
		if x, failed := reply.Exception(); failed {
			if !strings.Contains(x.Message, "[rateLimit] caller") {
				t.Fatalf("got %+v, want the limit", x)
			}
			refused[caller]++
		}
	}
	if refused["poison"] < 500 || refused["good0"]+refused["good1"] != 0 {
		t.Errorf("got refused %v, want most of poison's 1000 calls and no other", refused)
	}
	ok := g.a.metric("motand_calls_total", "method", "flooded", "scope", "cluster", "outcome", "ok")
	if all := g.a.metric("motand_calls_total", "method", "flooded", "scope", "cluster"); int(all) != 1100 || int(ok) != 1100-refused["poison"] {
		t.Errorf("metrics: got %g calls, %g of them good, want 1100 and %d", all, ok, 1100-refused["poison"])
	}
	if n := g.a.metric("motand_filter_calls_total", "filter", "rateLimit", "result", "refused"); int(n) != refused["poison"] {
		t.Errorf("metrics: got %g refused, want %d", n, refused["poison"])
	}
}
