package traffic

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// compile reads rules as they stand in a configuration.
func compile(t testing.TB, text string) *Rules {
	t.Helper()
	list, diagnostics := conf.ParseTraffic("rules", "users", []byte(text))
	if list == nil {
		t.Fatal(diagnostics)
	}
	return Compile(list, make(map[string]*State))
}

// call is one with pairs of metadata.
func call(pairs ...string) *motan.Call {
	c := motan.NewCall()
	for i := 0; i < len(pairs); i += 2 {
		c.Request.Set(pairs[i], pairs[i+1])
	}
	return c
}

// group is where r leads c: - where it stays.
func group(r *Rules, c *motan.Call) string {
	target, _ := r.Pick(c)
	if target == None {
		return "-"
	}
	return r.Targets()[target].Group
}

func TestPick(t *testing.T) {
	r := compile(t, `
- {name: job, caller: shop-job-*, group: jobs}
- {name: stay, caller: shop-job}
- {name: exact, method: getAll, group: all}
- {name: ip, ip: "10.1.0.0/16, 10.2.0.9, 127.0.0.1", method: "ping", group: near}
- {name: both, metadata: {zone: [north, "s*"], x: "~^v[0-9]+$"}, group: both}
- {name: vip, argument: {user.vip: "true"}, group: vip}
- {name: reads, method: "get*, is*", group: ro}
- {name: late, caller: shop-job-7, group: never}
- {name: regexp, metadata: {x: "~[ab]c"}, group: re}
- {name: writes, method: "put", group: rw}
`[1:])
	vip := call("M_m", "put")
	vip.Request.SetSerialization(motan.SerializeJSON)
	vip.Request.SetBody([]byte(`[{"user":{"vip":true}}]`))
	near, far := call("M_m", "ping"), call("M_m", "ping")
	near.Remote, far.Remote = "10.1.255.1", "10.2.0.8"
	tests := []struct {
		name, want string
		c          *motan.Call
	}{
		{"prefix of a caller", "jobs", call("M_s", "shop-job-7", "M_m", "getAll")},
		{"a rule that keeps calls here", "-", call("M_s", "shop-job", "M_m", "getAll")},
		{"exact before prefix", "all", call("M_m", "getAll")},
		{"prefix", "ro", call("M_m", "getall")},
		{"prefix", "ro", call("M_m", "isOpen")},
		{"exact", "rw", call("M_m", "put")},
		{"exact is all of it", "-", call("M_m", "putAll")},
		{"nothing fits", "-", call()},
		{"both conditions", "both", call("M_m", "put", "zone", "south", "x", "v12")},
		{"one of two conditions", "rw", call("M_m", "put", "zone", "south", "x", "v")},
		{"regular expression", "re", call("x", "abc")},
		{"argument", "vip", vip},
		{"network", "near", near},
		{"other network", "-", far},
		{"unix socket", "near", call("M_m", "ping")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := group(r, tt.c); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The compiled rules decide as going through the list would.
func TestPickAgreesWithTheList(t *testing.T) {
	values := []string{"a", "ab", "abc", "b", "bc"}
	patterns := []string{"a", "a*", "ab*", "abc", "b*", "~^b.", "~^ab", "a*"}
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "- {name: r%d, group: g%d, metadata: {", i, i%100)
		for k := range 1 + i%3 {
			fmt.Fprintf(&text, "k%d: [%q, %q], ", k, patterns[(i*7+k*3)%len(patterns)], patterns[(i/8+k)%len(patterns)])
		}
		text.WriteString("}}\n")
	}
	list, diagnostics := conf.ParseTraffic("rules", "users", []byte(text.String()))
	if list == nil {
		t.Fatal(diagnostics)
	}
	r := Compile(list, make(map[string]*State))
	for i := range 1000 {
		c := call("k0", values[i%5], "k1", values[i/5%5], "k2", values[i/25%5])
		want := "-"
		for j := range list {
			if x := (rule{conditions: conditions(&list[j])}); x.fits(c, nil) {
				want = list[j].Groups[0].Name
				break
			}
		}
		if got := group(r, c); got != want {
			t.Fatalf("call %d: got %s, want %s", i, got, want)
		}
		c.Release()
	}
}

// A canary of 5 % gets 4.4 to 5.6 % of 20,000 calls, all of those with its header.
func TestCanaryShare(t *testing.T) {
	r := compile(t, "- {name: header, metadata: {x-canary: '1'}, group: canary}\n- {name: share, percent: 5, group: canary}")
	got := 0
	for range 20_000 {
		c := call("M_m", "hello")
		if group(r, c) == "canary" {
			got++
		}
		c.Request.Set("x-canary", "1")
		if group(r, c) != "canary" {
			t.Fatal("a call with the header stays")
		}
		c.Release()
	}
	if got < 880 || got > 1120 {
		t.Errorf("got %d of 20000 calls, want 880 to 1120", got)
	}
}

// A key stays on its side while the share grows, and comes back while it shrinks.
func TestSticky(t *testing.T) {
	const keys = 20_000
	before := make([]bool, keys)
	for _, percent := range []int{0, 5, 10, 50, 100} {
		r := compile(t, fmt.Sprintf("- {name: share, percent: %d, sticky: metadata:uid, group: canary}", percent))
		in := 0
		for i := range keys {
			c := call("uid", fmt.Sprint(i))
			now := group(r, c) == "canary"
			if again := group(r, c) == "canary"; again != now {
				t.Fatalf("at %d %%, key %d: got %t, then %t", percent, i, now, again)
			}
			if before[i] && !now {
				t.Fatalf("at %d %%, key %d: got sent back", percent, i)
			}
			if before[i] = now; now {
				in++
			}
			c.Release()
		}
		if want := keys * percent / 100; math.Abs(float64(in-want)) > keys*0.012 {
			t.Errorf("at %d %%: got %d keys, want %d", percent, in, want)
		}
	}
}

// Groups with weights get their parts, and with a key always the same calls.
func TestWeightedGroups(t *testing.T) {
	r := compile(t, "- {name: w, sticky: 'metadata:uid', percent: 50, group: 'a:3,b:1'}")
	got := make(map[string]int)
	for i := range 40_000 {
		c := call("uid", fmt.Sprint(i))
		g := group(r, c)
		if group(r, c) != g {
			t.Fatalf("key %d changes its group", i)
		}
		got[g]++
		c.Release()
	}
	for g, want := range map[string]int{"-": 20_000, "a": 15_000, "b": 5_000} {
		if math.Abs(float64(got[g]-want)) > 500 {
			t.Errorf("%s: got %d calls, want %d", g, got[g], want)
		}
	}
}

func TestTargets(t *testing.T) {
	r := compile(t, `
- {name: a, group: g}
- {name: b, group: g, caller: x}
- {name: c, group: g, fallback: false}
- {name: d, nodes: {zone: north}}
- {name: e, group: "g,h", nodes: {zone: north}}
- {name: f}
`)
	var got []string
	for _, x := range r.Targets() {
		got = append(got, fmt.Sprintf("%s/%s/%t", x.Group, x.Params["zone"], x.Fallback))
	}
	if want := "g//true g//false /north/true g/north/true h/north/true"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

func TestPickAllocates(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	r := compile(t, `
- {name: a, caller: shop, metadata: {uid: "7*", x: "~^a.c$"}, argument: {user.id: "12"}, ip: 10.0.0.0/8, group: g}
- {name: b, method: get*, percent: 50, sticky: argument:user.id, group: g}
`)
	c := call("M_s", "shop", "M_m", "getAll", "uid", "77", "x", "abc")
	c.Remote = "10.1.2.3"
	c.Request.SetSerialization(motan.SerializeJSON)
	c.Request.SetBody([]byte(`[{"name":"x","user":{"id":12}}]`))
	if got := testing.AllocsPerRun(100, func() { r.Pick(c) }); got != 0 {
		t.Errorf("got %g allocations, want 0", got)
	}
	if got := group(r, c); got != "g" {
		t.Errorf("got %s, want g", got)
	}
}

// BenchmarkRules shows that a call costs the same with one rule and with a thousand.
func BenchmarkRules(b *testing.B) {
	kinds := map[string]string{
		"caller": "caller: app%d", "method": "method: get%d*", "metadata": "metadata: {uid: '%d'}", "regexp": "metadata: {uid: '~^%d[a-z]+$'}",
		"caller_and_method": "caller: shop, method: get%d*", "ip": "ip: 10.9.%d.0/30", "argument": "argument: {uid: '%d'}",
	}
	for name, form := range kinds {
		for _, n := range []int{1, 1000} {
			var text strings.Builder
			for i := range n {
				condition := fmt.Sprintf(form, i+1)
				if name == "ip" {
					condition = fmt.Sprintf("ip: 10.%d.%d.0/30", i/250, i%250)
				}
				fmt.Fprintf(&text, "- {name: r%d, group: g%d, %s}\n", i, i%100, condition)
			}
			r := compile(b, text.String())
			c := call("M_s", "shop", "M_m", "get1", "uid", "1a")
			c.Remote = "10.0.0.1"
			c.Request.SetSerialization(motan.SerializeSimple)
			c.Request.SetBody(simpleBody(b, map[string]string{"uid": "1"}))
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.Pick(c)
				}
			})
		}
	}
}

// However many rules there are, a call meets only those filed under its own values: what the benchmark measures, counted.
func TestRulesAreFiled(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "- {name: r%d, caller: shop, method: 'get%d*', metadata: {uid: '~^%d[a-z]+$', zone: north}, group: g}\n", i, i, i)
	}
	r := compile(t, text.String())
	met := 0
	c := call("M_s", "shop", "M_m", "get7All", "uid", "7a", "zone", "north")
	for i := range r.indexes {
		r.indexes[i].look(c, nil, func(list []int32) { met += len(list) })
	}
	if met += len(r.rest); met != 1 {
		t.Errorf("a call meets %d of 1000 rules, want 1", met)
	}
	if got := group(r, c); got != "g" {
		t.Errorf("got %s, want g", got)
	}
}
